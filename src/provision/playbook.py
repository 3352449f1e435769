"""The tasks of one host: roles and variables in, resources out, in two phases around the survey.

Before the facts are known :meth:`HostPlay.reads` says what to read, from the identities of the tasks alone; with the
facts :meth:`HostPlay.resolve` renders everything.
"""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from provision import argument_specs, coerce
from provision.batches import Batches
from provision.errors import ConfigError, Position
from provision.nearest import did_you_mean
from provision.resources.base import Facts, Read, Resource, partial
from provision.resources.task import Handler, Playbook, Task
from provision.role import Role, check_defaults
from provision.role_files import RoleFiles
from provision.schema import Module
from provision.scope import Scope
from provision.source import Sources
from provision.tasks import TaskSource
from provision.template_errors import FactsNeeded, UndefinedVariable
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
        self._folder = folder
        self._apps = sources or Sources(folder)
        self._given = {**variables, **(extra or {})}
        self._defaults = {name: node for role in roles for name, node in role.defaults.items()}
        self._variables = {**self._defaults, **self._given}
        self._arguments = {name: argument for role in roles for name, argument in (role.arguments or {}).items()}
        self._secrets = {name for name, argument in self._arguments.items() if argument.no_log}

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
            if source.module is None:
                continue
            try:
                for turn in self._turns(source, scope):
                    found.update(self._identity(role, source, source.module, turn).reads())
            except (ConfigError, FactsNeeded):
                continue
        return found

    def resolve(self, facts: Facts) -> Playbook:
        """All tasks and handlers, rendered. Raises ConfigError."""
        scope = self._scope(facts)
        self._check_types([scope])
        handlers = self._handlers(scope)
        tasks = [task for role, source in self._sources() for task in self._tasks(role, source, handlers, scope)]
        return Playbook(tuple(tasks), handlers, self.rolling)

    def likely(self) -> Playbook:
        """The tasks as they would be on one of the usual hosts, before the real one has been asked."""
        return _on_any(_PLACEHOLDERS, self.resolve)

    @property
    def batches(self) -> Batches:
        """To how many hosts at a time a rolling role comes, by its variables NAME_serial and NAME_max_fail.

        Raises ConfigError.
        """
        scope = self._scope(_PLACEHOLDERS[0])
        serial, max_fail = (
            next((scope.node(f"{role}_{name}") for role in sorted(self.rolling) if f"{role}_{name}" in scope), None)
            for name in ("serial", "max_fail")
        )
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
        self._check_types(scopes := [self._scope(facts) for facts in _PLACEHOLDERS])
        _ = self.batches  # what it raises should be known before anything is sent
        handlers = _on_any(scopes, self._handlers)
        for role, source in self._sources():
            self._check_syntax(source)
            _on_any(scopes, functools.partial(self._tasks, role, source, handlers))

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

    def _check_syntax(self, source: TaskSource) -> None:
        for node in (*source.fields.values(), source.name, source.loop, source.label):
            if node is not None:
                self._templates.check_syntax(node)
        if source.when is not None:
            self._templates.check_syntax(source.when, expression=True)

    def _turns(self, source: TaskSource, scope: Scope) -> list[Scope]:
        """One scope for each item of the task's loop; the scope itself without a loop."""
        scope.used.clear()
        if source.loop is None:
            return [scope]
        loop = self._templates.resolve(source.loop, scope)
        if not isinstance(loop.value, list):
            hint = "Use the filter dict2items." if isinstance(loop.value, dict) else "Write [ONE, TWO]."
            raise coerce.wrong("loop", "a list", loop, hint)
        return [scope.with_item(item, scope.used) for item in loop.value]

    def _handlers(self, scope: Scope) -> tuple[Handler, ...]:
        """Of several handlers of one name the last counts, as in Ansible."""
        found: dict[str, Handler] = {}
        for role in self._roles:
            for source in role.handlers:
                name, unit = self._text(source.name, scope), self._text(source.unit, scope)
                listen = tuple(self._text(topic, scope) for topic in source.listen)
                found[name] = Handler(role.name, name, unit, source.action, listen)
        return tuple(found.values())

    def _tasks(self, role: Role, source: TaskSource, handlers: Sequence[Handler], scope: Scope) -> list[Task]:
        """The task, once for each item of its loop."""
        if source.module is None:
            return [Task(role.name, "flush_handlers", "meta", None, tags=source.tags)]
        try:
            turns = self._turns(source, scope)
        except UndefinedVariable:
            if source.when is None or self._templates.evaluate(source.when, scope):
                raise
            turns = [scope]
        return [self._task(role, source, source.module, handlers, turn) for turn in turns]

    def _task(self, role: Role, source: TaskSource, module: Module, handlers: Sequence[Handler], scope: Scope) -> Task:
        when = source.when is None or self._templates.evaluate(source.when, scope)
        scope.used.clear()
        if when:
            files = self._files(role, scope)
            resource = module.build(source.fields, self._resolver(scope), files, source.position)
        else:
            resource = self._skipped(role, source, module, scope)
        no_log = source.no_log or module.has_secret(source.fields) or not self._secrets.isdisjoint(scope.used)
        return Task(
            role=role.name,
            name=self._name(source, module, scope, when=when, no_log=no_log),
            kind=module.name,
            resource=resource,
            notify=self._notify(source, handlers, scope, when=when),
            tags=source.tags,
            when=when,
            no_log=no_log,
        )

    def _identity(self, role: Role, source: TaskSource, module: Module, scope: Scope) -> Resource:
        return module.identity(source.fields, self._resolver(scope), self._files(role, scope))

    def _skipped(self, role: Role, source: TaskSource, module: Module, scope: Scope) -> Resource:
        """What a condition protects need not even be defined."""
        try:
            return self._identity(role, source, module, scope)
        except ConfigError:
            return partial(module.kind, {})

    def _files(self, role: Role, scope: Scope) -> RoleFiles:
        return RoleFiles(role.path, self._folder, self._templates, scope, self._apps)

    def _resolver(self, scope: Scope) -> Callable[[Node], Node]:
        return lambda node: self._templates.resolve(node, scope)

    def _text(self, node: Node, scope: Scope) -> str:
        return coerce.text(self._templates.resolve(node, scope), "a name")

    def _name(self, source: TaskSource, module: Module, scope: Scope, *, when: bool, no_log: bool) -> str:
        try:
            name = module.name if source.name is None else self._text(source.name, scope)
            if source.loop is None or "item" not in scope:
                return name
            if no_log:
                return f"{name} (item=None)"
            label = self._templates.resolve(source.label or Node("{{ item }}", source.position), scope)
            nested = isinstance(label.value, dict | list)
            return f"{name} (item={json.dumps(label.plain()) if nested else label.text})"
        except UndefinedVariable:
            if when:
                raise
            return source.name.text if source.name else module.name

    def _notify(self, source: TaskSource, handlers: Sequence[Handler], scope: Scope, *, when: bool) -> tuple[str, ...]:
        names = []
        for node in source.notify:
            try:
                name = self._text(node, scope)
            except UndefinedVariable:
                if when:
                    raise
                continue
            if not any(handler.hears(name) for handler in handlers):
                known = [name for handler in handlers for name in (handler.name, *handler.listen)]
                hint = did_you_mean(name, known, "Write it into handlers/main.yml of the role.")
                raise ConfigError(f"no handler is called {name}", position=node.position, hint=hint)
            names.append(name)
        return tuple(names)


def _on_any(circumstances: Sequence[C], action: Callable[[C], T]) -> T:
    """What ``action`` gives in the first circumstance where it succeeds; its first error if it fails in all."""
    errors = []
    for circumstance in circumstances:
        try:
            return action(circumstance)
        except ConfigError as error:
            errors.append(error)
    raise errors[0]
