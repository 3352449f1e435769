"""Tasks and handlers of a role as they are written, not rendered; parsed once for all hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provision import coerce, refusals
from provision.errors import ConfigError, Position
from provision.nearest import did_you_mean
from provision.schema import Module
from provision.yamlfile import Node, describe

SERVICE_MODULES = ("service", "systemd", "systemd_service")
"""The modules a handler may use."""

ACTIONS = ("restarted", "reloaded")
"""The states that only handlers have."""

_ELSEWHERE = {
    "ansible.posix.authorized_key": "authorized_key",
    "ansible.posix.sysctl": "sysctl",
    "community.general.timezone": "timezone",
    "community.postgresql.postgresql_db": "postgresql_db",
    "community.postgresql.postgresql_ext": "postgresql_ext",
    "community.postgresql.postgresql_pg_hba": "postgresql_pg_hba",
    "community.postgresql.postgresql_user": "postgresql_user",
}
"""Modules that Ansible has in collections of their own."""

_TASK_KEYWORDS = frozenset({"name", "when", "loop", "loop_control", "notify", "tags", "no_log"})
_HANDLER_KEYWORDS = frozenset({"name", "listen"})
_HANDLER_FIELDS = frozenset({"name", "service", "unit", "state", "daemon_reload"})


@dataclass(frozen=True)
class TaskSource:
    """One task of tasks/main.yml."""

    position: Position
    """Where the name of the module stands."""
    module: Module | None
    """None for ``meta: flush_handlers``."""
    fields: Mapping[str, Node] = field(default_factory=dict)
    """What the user gave, by the name of the kind's field."""
    name: Node | None = None
    when: Node | None = None
    loop: Node | None = None
    label: Node | None = None
    notify: tuple[Node, ...] = ()
    tags: frozenset[str] = field(default=frozenset())
    no_log: bool = False


@dataclass(frozen=True)
class HandlerSource:
    """One handler of handlers/main.yml."""

    name: Node
    unit: Node
    action: str
    listen: tuple[Node, ...] = ()


def parse_tasks(node: Node, modules: Mapping[str, Module]) -> tuple[TaskSource, ...]:
    """The tasks of a file, checked as far as that goes without variables. Raises ConfigError."""
    return tuple(_task(item, modules) for item in _entries(node, "tasks"))


def parse_handlers(node: Node) -> tuple[HandlerSource, ...]:
    """The handlers of a file. Raises ConfigError."""
    return tuple(_handler(item) for item in _entries(node, "handlers"))


def _entries(node: Node, what: str) -> list[Node]:
    if not isinstance(node.value, list):
        hint = f"Begin each of the {what} with a dash: `- name: ...`."
        raise ConfigError(f"a file of {what} is a list, not {describe(node)}", position=node.position, hint=hint)
    return node.value


def _task(node: Node, modules: Mapping[str, Module]) -> TaskSource:
    entry = coerce.mapping(node, "a task")
    key = _module_key(node, entry, _TASK_KEYWORDS, modules)
    position = node.keys[key]
    if _short(key) == "meta":
        if entry[key].value != "flush_handlers":
            hint = "Only `meta: flush_handlers` is supported."
            raise ConfigError(f"meta: {entry[key].text} is not supported", position=entry[key].position, hint=hint)
        return TaskSource(position, None, tags=_tags(entry.get("tags")))
    if _short(key) not in modules:
        raise _unknown_module(_short(key), position, modules)
    module = modules[_short(key)]
    fields = module.given(entry[key], position)
    if module.name in SERVICE_MODULES and "state" in fields and fields["state"].text in ACTIONS:
        state = fields["state"]
        hint = f"Write `notify: NAME` on the tasks it depends on, and a handler NAME with state: {state.text}."
        raise ConfigError(f"state: {state.text} is for handlers only", position=state.position, hint=hint)
    return TaskSource(
        position=position,
        module=module,
        fields=fields,
        name=entry.get("name"),
        when=entry.get("when"),
        loop=entry.get("loop"),
        label=_label(entry.get("loop_control")),
        notify=_names(entry.get("notify"), "notify"),
        tags=_tags(entry.get("tags")),
        no_log="no_log" in entry and coerce.boolean(entry["no_log"], "no_log"),
    )


def _module_key(node: Node, entry: Mapping[str, Node], keywords: frozenset[str], kinds: Mapping[str, Any]) -> str:
    """The one key that names a module."""
    for key in entry:
        if key in keywords:
            continue
        if key.startswith(refusals.LOOPS_PREFIX):
            raise ConfigError(f"{key} is not supported", position=node.keys[key], hint=refusals.LOOPS_HINT)
        if key in refusals.TASK_KEYWORDS:
            raise ConfigError(f"{key} is not supported", position=node.keys[key], hint=refusals.TASK_KEYWORDS[key])
    candidates = [key for key in entry if key not in keywords]
    if not candidates:
        raise ConfigError("this task names no module", position=node.position, hint=f"Modules: {', '.join(kinds)}.")
    strange = [key for key in candidates if _short(key) not in {*kinds, *refusals.MODULES, "meta"}]
    if len(candidates) > 1:
        key = strange[0] if strange else candidates[1]
        hint = "A task has one module; make two tasks of it."
        what = f"{candidates[0]} and {key} in one task"
        if strange:
            what, hint = f"there is no keyword or module {key}", did_you_mean(_short(key), {*keywords, *kinds}, hint)
        raise ConfigError(what, position=node.keys[key], hint=hint)
    return candidates[0]


def _unknown_module(module: str, position: Position, kinds: Mapping[str, Any]) -> ConfigError:
    if module in refusals.MODULES:
        return ConfigError(f"the module {module} is not supported", position=position, hint=refusals.MODULES[module])
    hint = did_you_mean(module, {*kinds, *_TASK_KEYWORDS}, f"Modules: {', '.join(kinds)}.")
    return ConfigError(f"there is no module {module}", position=position, hint=hint)


def _short(name: str) -> str:
    return _ELSEWHERE.get(name, name.removeprefix("ansible.builtin."))


def _label(node: Node | None) -> Node | None:
    if node is None:
        return None
    control = coerce.mapping(node, "loop_control")
    for key in control:
        if key != "label":
            hint = "Only label is; the item is called item."
            raise ConfigError(f"{key} of loop_control is not supported", position=node.keys[key], hint=hint)
    return control.get("label")


def _names(node: Node | None, what: str) -> tuple[Node, ...]:
    """A name or a list of names; a name may hold a comma."""
    if node is None:
        return ()
    names = node.value if isinstance(node.value, list) else [node]
    for name in names:
        coerce.text(name, what)
    return tuple(names)


def _tags(node: Node | None) -> frozenset[str]:
    words = [name.text for name in _names(node, "tags")]
    return frozenset(tag.strip() for word in words for tag in word.split(",") if tag.strip())


def _handler(node: Node) -> HandlerSource:
    entry = coerce.mapping(node, "a handler")
    if "when" in entry:
        hint = "Put the condition on the tasks that notify it."
        raise ConfigError("when is not supported in a handler", position=node.keys["when"], hint=hint)
    key = _module_key(node, entry, _HANDLER_KEYWORDS, dict.fromkeys(SERVICE_MODULES))
    if "name" not in entry:
        raise ConfigError("a handler needs a name", position=node.position)
    coerce.text(entry["name"], "name of a handler")
    if _short(key) not in SERVICE_MODULES:
        hint = f"A handler uses {', '.join(SERVICE_MODULES)} with state: restarted or reloaded."
        raise ConfigError(f"a handler cannot use {key}", position=node.keys[key], hint=hint)
    fields = coerce.mapping(entry[key], key)
    for name in fields:
        if name not in _HANDLER_FIELDS:
            hint = did_you_mean(name, _HANDLER_FIELDS, "A handler has name and state; put the rest into a task.")
            raise ConfigError(f"{name} is not supported in a handler", position=entry[key].keys[name], hint=hint)
    units = [fields[name] for name in ("name", "service", "unit") if name in fields]
    if len(units) != 1 or "state" not in fields:
        raise ConfigError(f"{key} needs name and state in a handler", position=node.keys[key])
    coerce.text(units[0], f"name of {key}")
    action = str(coerce.choice(fields["state"], f"state of {key} in a handler", ACTIONS))
    return HandlerSource(entry["name"], units[0], action, _names(entry.get("listen"), "listen"))
