"""From inventory files to hosts and groups, before variables are merged."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from provision.errors import ConfigError, Position
from provision.inventory import ranges, sources, vagrant
from provision.inventory.model import Group, Host, Layer
from provision.nearest import did_you_mean
from provision.vault import Vault
from provision.yamlfile import Node, describe, from_plain

_SECTIONS = ("hosts", "children", "vars")
_WHOLE_NUMBER = re.compile(r"\s*[-+]?[0-9]+\s*")


Attempt = Callable[[Callable[[], Any]], Any]
"""Reads a part of an inventory: lets a ConfigError through, or keeps it and returns None, where others shall follow."""


def at_once(part: Callable[[], Any]) -> Any:
    """The attempt that ends at the first mistake."""
    return part()


class Reader:
    """Collects what the files of one inventory say.

    Without ``ask_vagrant``, a machine of a made-up name stands for those that only Vagrant knows.
    """

    def __init__(self, vault: Vault, *, ask_vagrant: bool = True, attempt: Attempt = at_once) -> None:
        self.notes: list[str] = []
        self._vault = vault
        self._attempt = attempt
        self._ask_vagrant = ask_vagrant
        self.groups = {name: Group(name) for name in ("all", "ungrouped")}
        self.hosts: dict[str, Host] = {}
        _adopt(self.groups["all"], self.groups["ungrouped"])

    def read(self, file: Path) -> None:
        """Add the hosts and groups of ``file``. Raises ConfigError."""
        entries = sources.read(file, self._vault)
        source = vagrant.take_source(entries)
        known = set(self.hosts)
        for name, (position, node) in entries.items():
            self._attempt(partial(self._top, name, position, node))
        if source:
            named = [host for name, host in self.hosts.items() if name not in known]
            (self._machines if self._ask_vagrant else self._stand_in)(source, named)

    def finish(self) -> None:
        """Give every host and group its place below ``all``, as Ansible does after the last file."""
        top, ungrouped = self.groups["all"], self.groups["ungrouped"]
        for group in self.groups.values():
            if group is not top and not group.parents:
                _adopt(top, group)
        grouped = {name for group in self.groups.values() if group not in (top, ungrouped) for name in group.hosts}
        for name, host in self.hosts.items():
            if name in grouped:
                ungrouped.hosts.pop(name, None)
            else:
                ungrouped.hosts[name] = host

    def _top(self, name: str, position: Position, node: Node) -> None:
        if name in _SECTIONS:
            message = f"`{name}:` stands at the top of the file, where groups are named"
            raise ConfigError(message, position=position, hint="put it under `all:`")
        self._group(name, position, node)

    def _group(self, name: str, position: Position, node: Node, parent: Group | None = None) -> None:
        if not name:
            raise ConfigError("a group must have a name", position=position)
        group = self.groups.setdefault(name, Group(name))
        group.position = group.position or position
        if parent:
            _ensure_can_adopt(parent, group, position)
            _adopt(parent, group)
        for section, content in _section_items(name, node):
            self._attempt(partial(self._section, group, section, node.keys[section], content))

    def _section(self, group: Group, section: str, position: Position, content: Node) -> None:
        if section not in _SECTIONS:
            hint = "a group has `hosts:`, `children:` and `vars:`; hosts go under `hosts:`"
            hint = did_you_mean(section, _SECTIONS, hint)
            raise ConfigError(f"unknown key {section!r} in the group {group.name}", position=position, hint=hint)
        if section == "vars":
            self._variables(group, content)
        elif section == "children":
            for child, place, below in _entries(content, f"the children of {group.name}"):
                self._attempt(partial(self._group, child, place, below, parent=group))
        else:
            for host, place, variables in _entries(content, f"the hosts of {group.name}"):
                self._attempt(partial(self._host, group, host, place, variables))

    def _variables(self, group: Group, node: Node) -> None:
        if node.value is None:
            return
        if not isinstance(node.value, dict):
            message = f"the variables of {group.name} must be a mapping, not {describe(node)}"
            raise ConfigError(message, position=node.position, hint="write one `name: value` per line")
        variables = dict(node.value)
        if priority := variables.pop("ansible_group_priority", None):
            if not _WHOLE_NUMBER.fullmatch(priority.text) or len(priority.text) > 9:
                message = f"ansible_group_priority must be a whole number, not {priority.text or describe(priority)}"
                raise ConfigError(message, position=priority.position)
            group.priority = int(priority.text)
        group.inline.append(Layer(f"group {group.name}", variables))

    def _machines(self, source: vagrant.Source, named: list[Host]) -> None:
        """Make hosts of the machines of Vagrant, and give the hosts that the file names the logins of theirs."""
        machines = source.machines()
        for host in named:
            if host.name not in machines:
                hint = did_you_mean(host.name, machines, f"it has {', '.join(machines)}")
                raise ConfigError(f"Vagrant has no machine {host.name}", position=host.position, hint=hint)
        for name, variables in machines.items():
            nodes = {key: from_plain(value, source.position) for key, value in variables.items()}
            # Weaker than what a file says of the host.
            self._machine(name, source).inline.insert(0, Layer("vagrant ssh-config", nodes))

    def _stand_in(self, source: vagrant.Source, named: list[Host]) -> None:
        if named:
            stands_in = f"checked are those named here: {', '.join(host.name for host in named)}"
        else:
            stands_in = f"one called {self._machine(vagrant.STAND_IN, source).name} stands for all"
        self.notes.append(f"{source.position.file}: Vagrant is not asked for its machines; {stands_in}")

    def _machine(self, name: str, source: vagrant.Source) -> Host:
        return self.hosts.setdefault(name, Host(name, source.position, str(source.position.file.absolute())))

    def _host(self, group: Group, text: str, position: Position, node: Node) -> None:
        if not (node.value is None or isinstance(node.value, dict)):
            message = f"the variables of {text} must be a mapping, not {describe(node)}"
            raise ConfigError(message, position=node.position, hint="write one `name: value` per line")
        names, port = ranges.expand(text, position)
        for name in names:
            if name not in self.hosts:
                self.hosts[name] = Host(name, position, str(position.file.absolute()))
                if port is not None:
                    port_node = Node(port, position, str(port))
                    self.hosts[name].inline.append(Layer(f"host {name}", {"ansible_port": port_node}))
            host = self.hosts[name]
            group.hosts[name] = host
            if node.value:
                host.inline.append(Layer(f"host {name}", node.value))


def _section_items(name: str, node: Node) -> list[tuple[str, Node]]:
    """The parts of a group, in the order in which they are written."""
    if node.value is None:
        return []
    if not isinstance(node.value, dict):
        hint = "hosts go under `hosts:`, groups under `children:`, variables under `vars:`"
        raise ConfigError(
            f"the group {name} must be a mapping, not {describe(node)}", position=node.position, hint=hint
        )
    return list(node.value.items())


def _entries(node: Node, what: str) -> list[tuple[str, Position, Node]]:
    """The named entries of ``hosts:`` or ``children:``; Ansible takes a single name without a colon too."""
    if node.value is None:
        return []
    if isinstance(node.value, str):
        return [(node.value, node.position, Node(None, node.position))]
    if not isinstance(node.value, dict):
        raise ConfigError(
            f"{what} must be a mapping, not {describe(node)}",
            position=node.position,
            hint="write each name with a colon, `name:`, and no dash before it",
        )
    return [(name, node.keys[name], value) for name, value in node.value.items()]


def _ensure_can_adopt(group: Group, child: Group, position: Position) -> None:
    if child.name == "ungrouped" and group.name != "all":
        # Ansible takes it and then loses its hosts.
        message = f"ungrouped cannot be a child of {group.name}: it holds the hosts of no other group"
        raise ConfigError(message, position=position, hint="give the group a name of its own")
    if group is child or child.name == "all" or child in _ancestors(group):
        raise ConfigError(
            f"the group {child.name} cannot be a child of {group.name}: it contains {group.name}",
            position=position,
            hint="remove one of the two",
        )


def _ancestors(group: Group) -> set[Group]:
    found: set[Group] = set()
    waiting = [group]
    while waiting:
        for parent in waiting.pop().parents.values():
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def _adopt(parent: Group, child: Group) -> None:
    parent.children.setdefault(child.name, child)
    child.parents.setdefault(parent.name, parent)
