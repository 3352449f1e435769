"""Tasks and handlers as they are written, rendered with the variables of one host."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from provision import coerce
from provision.errors import ConfigError
from provision.nearest import did_you_mean
from provision.resources.base import Resource, partial
from provision.resources.task import Handler, Task
from provision.role import Role
from provision.role_files import RoleFiles
from provision.schema import Module
from provision.scope import Scope
from provision.source import Sources
from provision.tasks import TaskSource
from provision.template_errors import UndefinedVariable
from provision.templating import Templates
from provision.yamlfile import Node


class Rendering:
    """Makes resources of tasks. The variables are those of a scope, so one serves before the facts and with them.

    ``secrets`` are the names of arguments whose values must not be shown: a task that uses one has ``no_log``.
    """

    def __init__(self, templates: Templates, folder: Path, sources: Sources, secrets: Iterable[str]) -> None:
        self._templates = templates
        self._folder = folder
        self._apps = sources
        self._secrets = frozenset(secrets)

    def check_syntax(self, source: TaskSource) -> None:
        """Find a template of the task that is none. Raises ConfigError."""
        for node in (*source.fields.values(), source.name, source.loop, source.label):
            if node is not None:
                self._templates.check_syntax(node)
        if source.when is not None:
            self._templates.check_syntax(source.when, expression=True)

    def identities(self, role: Role, source: TaskSource, scope: Scope) -> Iterator[Resource]:
        """What the task is about, once for each item of its loop, whatever its condition says.

        Raises ConfigError, and FactsNeeded where that depends on the host.
        """
        if source.module is not None:
            for turn in self._turns(source, scope):
                yield self._identity(role, source, source.module, turn)

    def handlers(self, roles: Sequence[Role], scope: Scope) -> tuple[Handler, ...]:
        """Of several handlers of one name the last counts, as in Ansible."""
        found: dict[str, Handler] = {}
        for role in roles:
            for source in role.handlers:
                name, unit = self._text(source.name, scope), self._text(source.unit, scope)
                listen = tuple(self._text(topic, scope) for topic in source.listen)
                found[name] = Handler(role.name, name, unit, source.action, listen)
        return tuple(found.values())

    def tasks(self, role: Role, source: TaskSource, handlers: Sequence[Handler], scope: Scope) -> list[Task]:
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
