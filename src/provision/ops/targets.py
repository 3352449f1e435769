"""The hosts a command is for, read from the inventory without asking whether `up` could run on them.

An app's source may be broken in the working tree of whoever needs the logs of the one that serves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from provision import argument_specs, coerce
from provision.errors import ConfigError
from provision.fleet import DEFAULT_ROLES, Fleet
from provision.inventory import Host, Inventory
from provision.playbook import HostPlay
from provision.role import Role
from provision.scope import Scope
from provision.source import SourceTree
from provision.template_errors import FactsNeeded
from provision.transport.protocol import Login
from provision.vault import Vault
from provision.yamlfile import Node, from_plain, load

APP_ROLE = "app"


class Targets(Fleet):
    """The selected hosts of one inventory, each with its login, roles and variables, looked up one by one."""

    def __init__(
        self,
        path: Path,
        limit: Sequence[str] = (),
        extra: Mapping[str, Node] | None = None,
        vault: Vault | None = None,
        *,
        ask_vagrant: bool = True,
    ) -> None:
        """Load ``path`` with what ``vault`` opens; ``extra`` are the variables of ``--set``. Raises ConfigError."""
        self.inventory = Inventory.load(path, vault, ask_vagrant=ask_vagrant)
        self.extra = extra or {}
        super().__init__(self.inventory.base, self.extra, self.inventory.vault)
        self.hosts = self.inventory.select(*(limit or ("all",)))

    def login(self, host: Host) -> Login:
        """How to reach a host. Raises ConfigError."""
        return self._login(host)

    def roles(self, host: Host) -> list[Role]:
        """The roles of a host, in their order. Raises ConfigError."""
        return self._host_roles(self.given(host))

    def loaders(self, host: Host) -> dict[str, Callable[[], Role]]:
        """What loads each of a host's roles, for whoever goes on where one cannot be. Raises ConfigError."""
        given = self.given(host)
        if "roles" not in given:
            return {name: partial(self._role, name, None) for name in DEFAULT_ROLES}
        listed = self._templates.resolve(given["roles"], self._templates.scope(given))
        if listed.value is None:
            self._host_roles(given)  # says what is wrong
        items = {coerce.text(item, "a role"): item for item in coerce.items(listed, "roles")}
        return {name: partial(self._role, name, item) for name, item in items.items()}

    def search_path(self) -> tuple[Path, ...]:
        """The folders of roles."""
        return self._search

    def load(self, path: Path) -> Node:
        """A YAML file of a role. Raises ConfigError."""
        return load(path, self._vault)

    def play(self, roles: Sequence[Role], given: Mapping[str, Node]) -> HostPlay:
        """A play of these roles with these variables."""
        return HostPlay(roles, given, self._templates, folder=self._folder, sources=self._apps)

    def app(self, app_tree: Mapping[str, Any]) -> SourceTree:
        """The app that an ``app_tree`` names, packed once. Raises ConfigError."""
        return self._apps.tree(app_tree)

    def ensure_set_is_used(self) -> None:
        """Refuse ``--set`` of what nothing uses."""
        self._refuse_unused(self.hosts)

    def given(self, host: Host) -> dict[str, Node]:
        """The variables of a host without its roles' defaults, unrendered."""
        magic = {name: from_plain(value, host.position) for name, value in host.magic.items()}
        return {**host.variables, **self.extra, **magic}

    def scope(self, host: Host, roles: Sequence[Role]) -> Scope:
        """All variables of a host, rendered when they are used and with the types that ``roles`` declare."""
        defaults = {name: node for role in roles for name, node in role.defaults.items()}
        arguments = {name: argument for role in roles for name, argument in (role.arguments or {}).items()}

        def convert(name: str, node: Node) -> Node:
            return argument_specs.convert(arguments[name], node, name) if name in arguments else node

        return self._templates.scope({**defaults, **self.given(host)}, None, convert)

    def apps(self, name: str | None) -> list[tuple[Host, str]]:
        """The hosts that have an app, and its name: ``name``, or what each of them says. Raises ConfigError."""
        if name is not None:
            return [(host, name) for host in self.hosts]
        found = []
        for host in self.hosts:
            roles = self.roles(host)
            if APP_ROLE in (role.name for role in roles):
                found.append((host, self._app_name(host, roles)))
        if not found:
            names = ", ".join(host.name for host in self.hosts)
            raise ConfigError(f"no app is on {names}: the role app is not in their roles", hint="name one with --app")
        return found

    def app_env(self, host: Host) -> dict[str, Any]:
        """What is known of ``app_env`` without asking the host, and without reading ``app_secrets``."""
        found: dict[str, Any] = {}
        with suppress(ConfigError):
            scope, given = self.scope(host, self.roles(host)), self.given(host).get("app_env")
            for name, node in given.value.items() if given and isinstance(given.value, dict) else ():
                with suppress(ConfigError, FactsNeeded):
                    found[name] = self._templates.render(node, scope)
        return found

    def _app_name(self, host: Host, roles: Sequence[Role]) -> str:
        try:
            return self.scope(host, roles).node("app_name").text
        except ConfigError as error:
            hint = f"{error.hint}; or name the app with --app".removeprefix("; or ")
            raise ConfigError(error.message, position=error.position, hint=hint) from error
