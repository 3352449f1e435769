"""From inventory files to hosts and groups, before variables are merged."""

from __future__ import annotations

import re
from pathlib import Path

from provision.errors import ConfigError, Position
from provision.inventory import ranges, sources
from provision.inventory.model import Group, Host, Layer
from provision.nearest import did_you_mean
from provision.yamlfile import Node, describe

_SECTIONS = ("hosts", "children", "vars")
_WHOLE_NUMBER = re.compile(r"\s*[-+]?[0-9]+\s*")


class Reader:
    """Collects what the files of one inventory say."""

    def __init__(self) -> None:
        self.groups = {name: Group(name) for name in ("all", "ungrouped")}
        self.hosts: dict[str, Host] = {}
        _adopt(self.groups["all"], self.groups["ungrouped"])

    def read(self, file: Path) -> None:
        """Add the hosts and groups of ``file``. Raises ConfigError."""
        for name, (position, node) in sources.read(file).items():
            if name in _SECTIONS:
                message = f"`{name}:` stands at the top of the file, where groups are named"
                raise ConfigError(message, position=position, hint="put it under `all:`")
            self._group(name, position, node)

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

    def _group(self, name: str, position: Position, node: Node, parent: Group | None = None) -> None:
        if not name:
            raise ConfigError("a group must have a name", position=position)
        group = self.groups.setdefault(name, Group(name))
        group.position = group.position or position
        if parent:
            _ensure_can_adopt(parent, group, position)
            _adopt(parent, group)
        for section, content in _section_items(name, node):
            if section == "vars":
                self._variables(group, content)
            elif section == "children":
                for child, place, below in _entries(content, f"the children of {name}"):
                    self._group(child, place, below, parent=group)
            else:
                for host, place, variables in _entries(content, f"the hosts of {name}"):
                    self._host(group, host, place, variables)

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
    for key in node.value:
        if key not in _SECTIONS:
            hint = did_you_mean(
                key, _SECTIONS, "a group has `hosts:`, `children:` and `vars:`; hosts go under `hosts:`"
            )
            raise ConfigError(f"unknown key {key!r} in the group {name}", position=node.keys[key], hint=hint)
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
