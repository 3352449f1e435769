"""From an inventory to plays: which roles each host has, with what variables, and how to log in to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from provision import coerce
from provision.errors import ConfigError
from provision.inventory import Host, Inventory, login_from
from provision.inventory.connection import login_variables
from provision.playbook import HostPlay
from provision.resources.kinds import KINDS
from provision.role import SHIPPED, Role, load_role, modules
from provision.source import Sources
from provision.templating import Templates
from provision.transport.protocol import Login
from provision.yamlfile import Node, from_plain

DEFAULT_ROLES = ("python", "caddy", "app")
"""What a host gets that does not say ``roles:``."""


class Fleet:
    """The hosts of one run. Roles, templates and apps are read once and shared by all of them."""

    def __init__(self, inventory: Inventory, folder: Path, extra: Mapping[str, Node]) -> None:
        self._inventory, self._folder, self._extra = inventory, folder, extra
        self._apps = Sources(folder)
        self._templates = Templates(self._apps.filters())
        self._modules = modules(KINDS)
        self._search = (folder / "roles", SHIPPED)
        self._roles: dict[str, Role] = {}

    def plays(self, hosts: Sequence[Host]) -> list[tuple[HostPlay, Login]]:
        """A play and a login for each host, validated. Raises the first ConfigError; nothing is sent to any host."""
        return [(self._play(host), self._login(host)) for host in hosts]

    def ensure_roles(self, names: Sequence[str], plays: Sequence[HostPlay]) -> None:
        """Refuse ``--role`` names that no selected host has."""
        known = sorted({role for play in plays for role in play.roles})
        for name in names:
            if name not in known:
                raise ConfigError(f"--role {name}: no selected host has this role", hint=f"Roles: {', '.join(known)}.")

    def _variables(self, host: Host) -> dict[str, Node]:
        return {**host.variables, **self._extra}

    def _play(self, host: Host) -> HostPlay:
        variables = self._variables(host)
        play = HostPlay(
            self._host_roles(variables),
            host.variables,
            self._templates,
            extra=self._extra,
            folder=self._folder,
            sources=self._apps,
        )
        play.check()
        return play

    def _host_roles(self, variables: Mapping[str, Node]) -> list[Role]:
        if "roles" not in variables:
            return [self._role(name, None) for name in DEFAULT_ROLES]
        listed = self._templates.resolve(variables["roles"], self._templates.scope(variables))
        return [self._role(coerce.text(item, "a role"), item) for item in coerce.items(listed, "roles")]

    def _role(self, name: str, node: Node | None) -> Role:
        if name not in self._roles:
            self._roles[name] = load_role(name, self._search, self._modules, node.position if node else None)
        return self._roles[name]

    def _login(self, host: Host) -> Login:
        variables = self._variables(host)
        rendered = {
            name: self._templates.render(from_plain(value, variables[name].position), variables)
            for name, value in login_variables(host).items()
        }
        return login_from(host.name, rendered, self._folder)
