"""The inventory: hosts with their variables after precedence, and the choice of some of them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path

from provision.errors import ConfigError
from provision.inventory import connection, patterns, sources
from provision.inventory.model import Group, Host
from provision.inventory.reader import Attempt, Reader, at_once
from provision.inventory.varfiles import VarFiles
from provision.vault import Vault


@dataclass(frozen=True)
class Inventory:
    """A loaded inventory."""

    path: Path
    """The file or folder it was loaded from."""
    base: Path
    """Its folder: group_vars/ lie here, relative paths start here."""
    groups: dict[str, Group]
    """By name, in the order in which the inventory names them; ``all`` and ``ungrouped`` first."""
    hosts: dict[str, Host]
    """By name, in the order in which the inventory names them."""
    notes: tuple[str, ...]
    """What Ansible would use and this program does not, and files that nothing reads."""
    vault: Vault = field(default_factory=Vault)
    """What opened the parts of it that are encrypted; for those of roles too."""

    @classmethod
    def load(
        cls, path: Path, vault: Vault | None = None, *, ask_vagrant: bool = True, attempt: Attempt = at_once
    ) -> Inventory:
        """Read ``path`` (a YAML file, or a folder of them) and the variable files beside it. Raises ConfigError.

        ``ask_vagrant`` allows to run `vagrant` where a file takes its hosts from there. What an ``attempt`` keeps of
        mistakes is missing from the inventory.
        """
        vault = vault or Vault()
        reader = Reader(vault, ask_vagrant=ask_vagrant, attempt=attempt)
        for file in sources.files(path):
            attempt(partial(reader.read, file))
        reader.finish()
        base = (path if path.is_dir() else path.parent).absolute()
        group_files, host_files = (VarFiles(base, kind, vault) for kind in ("group_vars", "host_vars"))
        for group in reader.groups.values():
            group.files = attempt(partial(group_files.layers, group.name)) or []
        for host in reader.hosts.values():
            host.files = attempt(partial(host_files.layers, host.name)) or []
        _resolve(reader.groups, reader.hosts)
        notes = [*reader.notes, *group_files.notes(reader.groups)]
        # Of hosts that were not asked for, none can be said to be missing.
        notes += [] if reader.notes else host_files.notes(reader.hosts)
        notes += [f"{name} is a group and a host" for name in reader.groups if name in reader.hosts]
        notes += connection.check(reader.hosts.values(), attempt)
        return cls(path, base, reader.groups, reader.hosts, tuple(notes), vault)

    def select(self, *limits: str) -> list[Host]:
        """The hosts that Ansible's ``--limit`` patterns choose together, in the inventory's order.

        Raises ConfigError where no host is left, or a pattern or one of its parts matches nothing.
        """
        if not self.hosts:
            raise ConfigError(f"{self.path}: this inventory has no hosts", hint="name one under `all: hosts:`")
        chosen = patterns.matching(limits, self.groups, self.hosts)
        return [host for host in self.groups["all"].members() if host.name in chosen]


def _resolve(groups: dict[str, Group], hosts: dict[str, Host]) -> None:
    """Order the groups of each host by precedence and stack its variables.

    The order is that of ansible-core's VariableManager: every group's variables in the inventory come
    before every group's files, whatever the depth.
    """
    lineage: dict[Group, set[Group]] = {}
    for group in TopologicalSorter({group: group.parents.values() for group in groups.values()}).static_order():
        group.depth = max((parent.depth + 1 for parent in group.parents.values()), default=0)
        lineage[group] = {group}.union(*(lineage[parent] for parent in group.parents.values()))
    own: dict[str, set[Group]] = {name: set() for name in hosts}
    for group in groups.values():
        for name in group.hosts:
            own[name] |= lineage[group]
    members = {name: [host.name for host in group.members()] for name, group in groups.items()}
    for host in hosts.values():
        ordered = sorted(own[host.name], key=lambda group: (group.depth, group.priority, group.name))
        host.groups = tuple(group.name for group in ordered)
        inline = [layer for group in ordered for layer in group.inline]
        files = [layer for group in ordered for layer in group.files]
        host.layers = (*inline, *files, *host.inline, *host.files)
        host.magic = {
            "inventory_hostname": host.name,
            "inventory_hostname_short": _short(host.name),
            "inventory_file": host.source,
            "inventory_dir": str(Path(host.source).parent),
            "group_names": sorted(name for name in host.groups if name != "all"),
            "groups": members,
        }


def _short(name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.split(".")[0]
    return name
