"""Hosts, groups, and the variables each of them carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from provision.errors import Position
from provision.yamlfile import Node


class Layer(NamedTuple):
    """Variables from one place: ``group web`` (in the inventory file) or ``host_vars/web1.yml``."""

    where: str
    variables: Mapping[str, Node]


@dataclass(eq=False)
class Group:
    """A group; read-only once the inventory is loaded."""

    name: str
    position: Position | None = None
    """Where it is first named; None for ``all`` and ``ungrouped`` if no file names them."""
    priority: int = 1
    """``ansible_group_priority``."""
    depth: int = 0
    """The longest way down from ``all``."""
    hosts: dict[str, Host] = field(default_factory=dict)
    """Its own hosts, without those of its children."""
    children: dict[str, Group] = field(default_factory=dict)
    parents: dict[str, Group] = field(default_factory=dict)
    inline: list[Layer] = field(default_factory=list)
    """Variables in the inventory file."""
    files: list[Layer] = field(default_factory=list)
    """Variables in group_vars/."""

    def members(self) -> list[Host]:
        """The hosts of the group and of all groups below it, level by level, as Ansible lists them."""
        found: dict[str, Host] = {}
        seen: set[str] = set()
        level = [self]
        while level:
            for group in level:
                found |= group.hosts
            seen.update(group.name for group in level)
            below = {child.name: child for group in level for child in group.children.values()}
            level = [child for name, child in below.items() if name not in seen]
        return list(found.values())


@dataclass(eq=False)
class Host:
    """A host; read-only once the inventory is loaded."""

    name: str
    position: Position
    """Where it is first named."""
    source: str
    """The inventory file that names it first, as an absolute path."""
    inline: list[Layer] = field(default_factory=list)
    files: list[Layer] = field(default_factory=list)
    groups: tuple[str, ...] = ()
    """All its groups, the weakest (``all``) first."""
    layers: tuple[Layer, ...] = ()
    """Everything that defines a variable for it, the weakest first."""
    magic: Mapping[str, object] = field(default_factory=dict)
    """``inventory_hostname``, ``group_names``, ``groups`` and so on, as plain values; nothing overrides them."""

    @cached_property
    def variables(self) -> Mapping[str, Node]:
        """Its variables after precedence, unrendered, without the magic ones."""
        merged: dict[str, Node] = {}
        for layer in self.layers:
            merged |= layer.variables
        return merged

    def origins(self, name: str) -> list[tuple[str, Node]]:
        """Every definition of the variable ``name`` and where it stands; the last one wins."""
        return [(layer.where, layer.variables[name]) for layer in self.layers if name in layer.variables]
