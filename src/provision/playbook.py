"""The tasks of one host: roles and variables in, resources out, in two phases around the survey.

Before the facts are known :meth:`HostPlay.reads` says what to read, from the identities of the tasks alone; with the
facts :meth:`HostPlay.resolve` renders everything.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from provision import argument_specs
from provision.batches import Batches
from provision.errors import ConfigError, Position
from provision.rendering import Rendering
from provision.resources.base import Facts, Read
from provision.resources.task import Handler, Playbook
from provision.role import Role, check_defaults
from provision.scope import Scope
from provision.source import Sources
from provision.tasks import TaskSource
from provision.template_errors import FactsNeeded
from provision.templating import Templates
from provision.yamlfile import Node

T = TypeVar("T")
C = TypeVar("C")

_PLACEHOLDERS = tuple(
    Facts(
        distribution=distribution,
        distribution_release=release,
        distribution_version=version,
        os_family="Debian",
        architecture="x86_64",
        hostname="localhost",
        processor_vcpus=2,
        memtotal_mb=2048,
        python_version=python,
    )
    for distribution, release, version, python in (
        ("Debian", "bookworm", "12", "3.11.2"),
        ("Debian", "trixie", "13", "3.13.5"),
        ("Ubuntu", "jammy", "22.04", "3.10.12"),
        ("Ubuntu", "noble", "24.04", "3.12.3"),
    )
)
"""Hosts to try a playbook on before the real one is known; a mistake is reported if it is one on each of them."""


class HostPlay:
    """Everything one host shall have. Roles and templates are shared with other hosts; this belongs to one thread.

    ``variables`` are the inventory's for this host, ``extra`` those of ``--set``; ``folder`` is the inventory's.
    ``sources`` packs each app once, however many hosts ship it.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        variables: Mapping[str, Node],
        templates: Templates,
        *,
        extra: Mapping[str, Node] | None = None,
        folder: Path = Path(),
        sources: Sources | None = None,
    ) -> None:
        self._roles = roles
        self._templates = templates
        self._given = {**variables, **(extra or {})}
        self._defaults = {name: node for role in roles for name, node in role.defaults.items()}
        self._variables = {**self._defaults, **self._given}
        self._arguments = {name: argument for role in roles for name, argument in (role.arguments or {}).items()}
        secrets = (name for name, argument in self._arguments.items() if argument.no_log)
        self._rendering = Rendering(templates, folder, sources or Sources(folder), secrets)

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of the host's roles, in their order."""
        return tuple(role.name for role in self._roles)

    @property
    def tags(self) -> frozenset[str]:
        """All tags of the host's tasks."""
        return frozenset(tag for _, source in self._sources() for tag in source.tags)

    @property
    def rolling(self) -> frozenset[str]:
        """The names of the roles that are applied batch by batch."""
        return frozenset(role.name for role in self._roles if role.rolling)

    def reads(self) -> set[Read]:
        """What to read from the host: of every task whose identity needs no fact. No condition is asked.

        A task that cannot be identified contributes nothing; if it is a mistake, ``resolve`` says so.
        """
        scope = self._scope(None)
        found: set[Read] = set()
        for role, source in self._sources():
            try:
                for resource in self._rendering.identities(role, source, scope):
                    found.update(resource.reads())
            except (ConfigError, FactsNeeded):
                continue
        return found

    def resolve(self, facts: Facts) -> Playbook:
        """All tasks and handlers, rendered. Raises ConfigError."""
        scope = self._scope(facts)
        self._check_types([scope])
        handlers = self._handlers(scope)
        made = (self._rendering.tasks(role, source, handlers, scope) for role, source in self._sources())
        return Playbook(tuple(itertools.chain.from_iterable(made)), handlers, self.rolling)

    def likely(self) -> Playbook:
        """The tasks as they would be on one of the usual hosts, before the real one has been asked."""
        return _on_any(_PLACEHOLDERS, self.resolve)

    @property
    def batches(self) -> Batches:
        """To how many hosts at a time a rolling role comes, by its variables NAME_serial and NAME_max_fail.

        Raises ConfigError.
        """
        scope = self._scope(_PLACEHOLDERS[0])
        serial, max_fail = self._of_rolling(scope, "serial"), self._of_rolling(scope, "max_fail")
        try:
            return Batches(serial.text if serial else "100%", int(max_fail.text) if max_fail else 0)
        except ValueError as error:
            position = node.position if (node := serial or max_fail) else None
            raise ConfigError(str(error), position=position) from error

    def check(self) -> None:
        """Find what is wrong without any host: names, types, templates, files. Raises the first ConfigError."""
        check_defaults(self._roles, self._given)
        for role in self._roles:
            if role.arguments is not None:
                others = [other.name for other in self._roles if other is not role]
                argument_specs.check_names(role.name, role.arguments, self._defaults, self._given, others)
                argument_specs.check_required(role.name, role.arguments, self._variables, self._place(role))
        scopes = [self._scope(facts) for facts in _PLACEHOLDERS]
        self._check_types(scopes)
        _ = self.batches  # what it raises should be known before anything is sent
        handlers = _on_any(scopes, self._handlers)
        for role, source in self._sources():
            self._rendering.check_syntax(source)
            _on_any(scopes, functools.partial(self._rendering.tasks, role, source, handlers))

    def _of_rolling(self, scope: Scope, name: str) -> Node | None:
        """The variable ROLE_name of the first role that is rolled and has it."""
        variables = (f"{role}_{name}" for role in sorted(self.rolling))
        return next((scope.node(variable) for variable in variables if variable in scope), None)

    def _handlers(self, scope: Scope) -> tuple[Handler, ...]:
        return self._rendering.handlers(self._roles, scope)

    def _place(self, role: Role) -> Position | None:
        """Where the user asked for a role; None where it is one of the default roles."""
        listed = self._given.get("roles")
        items = listed.value if listed and isinstance(listed.value, list) else []
        return next((item.position for item in items if item.text == role.name), listed.position if listed else None)

    def _sources(self) -> Iterator[tuple[Role, TaskSource]]:
        return ((role, source) for role in self._roles for source in role.tasks)

    def _scope(self, facts: Facts | None) -> Scope:
        return self._templates.scope(self._variables, facts, self._convert)

    def _convert(self, name: str, node: Node) -> Node:
        argument = self._arguments.get(name)
        return argument_specs.convert(argument, node, name) if argument else node

    def _check_types(self, scopes: Sequence[Scope]) -> None:
        for name in self._given:
            if name in self._arguments:
                _on_any(scopes, operator.methodcaller("node", name))


def _on_any(circumstances: Sequence[C], action: Callable[[C], T]) -> T:
    """What ``action`` gives in the first circumstance where it succeeds; its first error if it fails in all."""
    errors = []
    for circumstance in circumstances:
        try:
            return action(circumstance)
        except ConfigError as error:
            errors.append(error)
    raise errors[0]
