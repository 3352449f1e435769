"""From an inventory to plays: which roles each host has, with what variables, and how to log in to it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provision import coerce
from provision.errors import ConfigError
from provision.inventory import Host, login_from
from provision.inventory.connection import login_variables
from provision.kept_code import kept_code
from provision.nearest import did_you_mean
from provision.playbook import HostPlay
from provision.resources.kinds import KINDS
from provision.role import SHIPPED, Modules, Role, load_role
from provision.scope import FACTS
from provision.secrets import Secrets
from provision.source import Sources
from provision.template_errors import UndefinedVariable
from provision.templating import Templates
from provision.transport.protocol import Login
from provision.vault import Vault
from provision.yamlfile import Node, from_plain

SPECIAL_TAGS = ("all", "always", "never", "tagged", "untagged")
"""Ansible's words for tasks that are told apart by their tags as such."""

DEFAULT_ROLES = ("python", "caddy", "app")
"""What a host gets that does not say ``roles:``."""


class Fleet:
    """The hosts of one run. Roles, templates and apps are read once and shared by all of them."""

    def __init__(
        self,
        folder: Path,
        extra: Mapping[str, Node],
        vault: Vault | None = None,
        *,
        read_secrets: bool = False,
        own_roles: Path | None = None,
    ) -> None:
        """``folder`` is the inventory's, where relative paths start; ``extra`` the variables of ``--set``.

        With ``read_secrets`` ``app_secrets`` are read where they are; else their values are empty. ``own_roles`` is
        the folder of the user's roles, by default ``roles`` beside the inventory.
        """
        self._vault = vault or Vault()
        self._folder, self._extra = folder, extra
        # A file of variables mostly holds secrets, and may lie in the app's folder.
        self._apps = Sources(folder, {node.position.file for node in extra.values()})
        filters = self._apps.filters() | Secrets(folder, read=read_secrets).filters()
        self._templates = Templates(filters, kept_code(os.environ, SHIPPED), self._vault)
        self._modules = Modules(KINDS)
        self._search = (own_roles or folder / "roles", SHIPPED)
        self._roles: dict[str, Role] = {}

    def plays(self, hosts: Sequence[Host]) -> list[tuple[HostPlay, Login]]:
        """A play and a login for each host, validated. Raises the first ConfigError; nothing is sent to any host."""
        plays = [(self._play(host), self._login(host)) for host in hosts]
        self._refuse_unused(hosts)
        return plays

    def selection_notes(
        self, roles: Sequence[str], tags: Sequence[str], plays: Sequence[tuple[HostPlay, Login]]
    ) -> list[str]:
        """A note for each tag that no task has (Ansible is silent). Raises ConfigError for a role that no host has."""
        known = sorted({role for play, _ in plays for role in play.roles})
        for name in roles:
            if name not in known:
                raise ConfigError(f"--role {name}: no selected host has this role", hint=f"Roles: {', '.join(known)}.")
        all_tags = sorted({tag for play, _ in plays for tag in play.tags})
        there_are = f"Tags: {', '.join(all_tags)}." if all_tags else "No task has tags."
        return [f"no task has the tag {tag}. {there_are}" for tag in tags if tag not in (*all_tags, *SPECIAL_TAGS)]

    def _refuse_unused(self, hosts: Sequence[Host]) -> None:
        """Refuse a ``--set`` of what no role declares and no inventory has or mentions, and of a fact, which wins."""
        for name in self._extra.keys() & FACTS:
            hint = "--set does not change it"
            raise ConfigError(f"{name} is read from the host", position=self._extra[name].position, hint=hint)
        if any(role.arguments is None for role in self._roles.values()):
            return
        known = {"roles"}.union(*({*(role.arguments or ()), *role.defaults} for role in self._roles.values()))
        for name, node in self._extra.items():
            if name in known or name.startswith("ansible_") or any(_mentions(host, name) for host in hosts):
                continue
            hint = did_you_mean(name, known, "`provision inventory --host HOST` shows the variables of a host.")
            raise ConfigError(f"no role and no host has a variable {name}", position=node.position, hint=hint)

    def _play(self, host: Host) -> HostPlay:
        magic = {name: from_plain(value, host.position) for name, value in host.magic.items()}
        given = {**self._extra, **magic}
        play = HostPlay(
            self._host_roles({**host.variables, **given}),
            host.variables,
            self._templates,
            extra=given,
            folder=self._folder,
            sources=self._apps,
        )
        try:
            play.check()
        except UndefinedVariable as error:
            # Another host of the same role may well define it.
            message = f"{error.message} on {host.name}"
            raise ConfigError(message, position=error.position, hint=error.hint) from error
        return play

    def _host_roles(self, variables: Mapping[str, Node]) -> list[Role]:
        if "roles" not in variables:
            return [self._role(name, None) for name in DEFAULT_ROLES]
        listed = self._templates.resolve(variables["roles"], self._templates.scope(variables))
        if listed.value is None:
            raise coerce.wrong("roles", "a list", listed, f"Write `roles: [{', '.join(DEFAULT_ROLES)}]`.")
        return [self._role(coerce.text(item, "a role"), item) for item in coerce.items(listed, "roles")]

    def _role(self, name: str, node: Node | None) -> Role:
        if name not in self._roles:
            self._roles[name] = load_role(
                name, self._search, self._modules, node.position if node else None, self._vault
            )
        return self._roles[name]

    def _login(self, host: Host) -> Login:
        variables = {**host.variables, **self._extra}
        rendered = {
            # A password that was encrypted is no template.
            name: value if variables[name].ciphertext else self._rendered(value, name, variables)
            for name, value in login_variables(host, self._extra).items()
        }
        try:
            return login_from(host.name, rendered, self._folder)
        except ConfigError as error:
            names = [name for name in rendered if name in error.message.split()]
            error.position = error.position or (variables[names[0]].position if names else None)
            raise

    def _rendered(self, value: Any, name: str, variables: Mapping[str, Node]) -> Any:
        return self._templates.render(from_plain(value, variables[name].position), variables)


def _mentions(host: Host, name: str) -> bool:
    """Is ``name`` a variable of the host, or a word in one?"""
    words = re.compile(rf"\b{re.escape(name)}\b")
    return name in host.variables or any(words.search(json.dumps(node.plain())) for node in host.variables.values())
