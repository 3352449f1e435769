"""Everything that is wrong with an inventory, its roles and its apps, found without any host.

`up` ends at the first mistake; this goes on wherever a mistake does not hide what comes after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from provision import argument_specs
from provision.argument_specs import Argument
from provision.errors import ConfigError, Position
from provision.inventory import Host, Inventory
from provision.nearest import did_you_mean
from provision.ops.targets import APP_ROLE, Targets
from provision.resources.kinds import KINDS
from provision.role import Modules, Role
from provision.tasks import parse_handlers, parse_tasks
from provision.template_errors import FactsNeeded, UndefinedVariable
from provision.vault import Vault
from provision.yamlfile import Node

T = TypeVar("T")


@dataclass
class Findings:
    """What lint has to say; of the same mistake met on several hosts once."""

    errors: list[ConfigError] = field(default_factory=list)
    """What `up` refuses."""
    warnings: list[ConfigError] = field(default_factory=list)
    """What is most likely a slip."""
    notes: list[str] = field(default_factory=list)
    _known: set[tuple[str, Position | None]] = field(default_factory=set)

    def attempt(self, action: Callable[[], T]) -> T | None:
        """What ``action`` gives; None where it raises a ConfigError, which is kept."""
        try:
            return action()
        except ConfigError as error:
            self.add(error)
            return None

    def add(self, error: ConfigError, host: str = "") -> None:
        """Keep an error; ``host`` is named where another host may well not have it."""
        key = (error.message, error.position)
        if key in self._known:
            return
        self._known.add(key)
        if host:
            error = ConfigError(f"{error.message} on {host}", position=error.position, hint=error.hint)
        self.errors.append(error)


def inventory_mistakes(path: Path, vault: Vault | None = None) -> list[ConfigError]:
    """What keeps an inventory from being loaded, each mistake of it that does not follow from another."""
    found = Findings()
    found.attempt(lambda: Inventory.load(path, vault, ask_vagrant=False, attempt=found.attempt))
    return sorted(found.errors, key=_in_reading_order)


def lint(targets: Targets) -> Findings:
    """All that can be found out about the hosts of ``targets``."""
    found = Findings(notes=list(targets.inventory.notes))
    roles: dict[str, Role] = {}
    broken: set[str] = set()
    complete = True
    for host in targets.hosts:
        loaders = found.attempt(partial(targets.loaders, host)) or {}
        usable = [role for load_one in loaders.values() if (role := found.attempt(load_one))]
        roles |= {role.name: role for role in usable}
        broken |= loaders.keys() - roles.keys()
        found.attempt(partial(targets.login, host))
        wrong = _check_variables(targets, host, usable, found)
        if len(usable) == len(loaders) > 0:
            _check_tasks(targets, host, usable, wrong, found)
        else:
            complete = False
    for name in sorted(broken):
        _check_entries(targets, name, found)
    if complete:
        found.attempt(targets.ensure_set_is_used)
        said = {error.position for error in found.errors}
        found.warnings += (warning for warning in _unused(targets, roles.values()) if warning.position not in said)
        found.notes += _app_notes(targets)
    found.errors.sort(key=_in_reading_order)
    found.warnings.sort(key=_in_reading_order)
    return found


def _check_variables(targets: Targets, host: Host, roles: Sequence[Role], found: Findings) -> set[str]:
    """Names, types and what is required, each on its own; returns the names of the variables that are wrong."""
    given, wrong = targets.given(host), set()
    defaults = {name: node for role in roles for name, node in role.defaults.items()}

    def judge(name: str, check: Callable[[], object]) -> None:
        try:
            check()
        except FactsNeeded:
            return
        except ConfigError as error:
            found.add(error)
            wrong.add(name)

    for role in roles:
        arguments = role.arguments
        if arguments is None:
            continue
        others = [other.name for other in roles if other is not role]
        for name, node in given.items():
            judge(name, partial(argument_specs.check_names, role.name, arguments, defaults, {name: node}, others))
        for name, argument in arguments.items():
            known = {**defaults, **given}
            place = _place(given, role)
            judge(name, partial(argument_specs.check_required, role.name, {name: argument}, known, place))
        scope = targets.scope(host, roles)
        for name in arguments:
            if name in given and name not in wrong:
                judge(name, partial(scope.node, name))
    return wrong


def _check_tasks(targets: Targets, host: Host, roles: Sequence[Role], wrong: set[str], found: Findings) -> None:
    """Each task on its own, with the defaults in place of what is wrong and was said before."""
    given = {name: node for name, node in targets.given(host).items() if name not in wrong}
    lenient = [replace(role, tasks=(), arguments=_optional(role.arguments)) for role in roles]
    for number, role in enumerate(roles):
        for task in role.tasks or [None]:
            one = replace(lenient[number], tasks=(task,) if task else ())
            try:
                targets.play([*lenient[:number], one, *lenient[number + 1 :]], given).check()
            except UndefinedVariable as error:
                if not any(re.search(rf"\b{name}\b", error.message) for name in wrong):
                    found.add(error, host.name)
            except ConfigError as error:
                found.add(error)


def _check_entries(targets: Targets, name: str, found: Findings) -> None:
    """The tasks and handlers of a role that cannot be loaded, each on its own."""
    path = next((folder / name for folder in targets.search_path() if (folder / name).is_dir()), Path())
    modules = Modules(KINDS)
    parsers: dict[str, Callable[[Node], object]] = {
        "tasks": lambda node: parse_tasks(node, modules),
        "handlers": parse_handlers,
    }
    for folder, parse in parsers.items():
        for file in path.glob(f"{folder}/main.y*ml") if path.name else ():
            node = found.attempt(partial(targets.load, file))
            if node is None or not isinstance(node.value, list):
                continue
            for item in node.value:
                found.attempt(partial(parse, replace(node, value=[item])))


def _unused(targets: Targets, roles: Iterable[Role]) -> Iterator[ConfigError]:
    """Variables of the inventory that no role has, and that no role and no other variable mentions."""
    roles = list(roles)
    known = {name for role in roles for name in (*(role.arguments or ()), *role.defaults)}
    used = known | {"roles"} | {word for role in roles for word in _words_of(role.path)}
    layers = {id(layer.variables): layer.variables for host in targets.hosts for layer in host.layers}
    for variables in layers.values():
        used |= {word for node in variables.values() for word in _words(json.dumps(node.plain(), default=str))}
    for variables in layers.values():
        for name, node in variables.items():
            if name not in used and not name.startswith("ansible_"):
                place = node.key_position or node.position
                yield ConfigError(f"nothing uses the variable {name}", position=place, hint=did_you_mean(name, known))


def _words_of(path: Path) -> set[str]:
    """The words of a role that may be names of variables."""
    files = [file for folder in ("tasks", "handlers", "defaults", "templates") for file in path.glob(f"{folder}/**/*")]
    return {word for file in files if file.is_file() for word in _words(file.read_text("utf-8", errors="replace"))}


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z_]\w*", text)


def _app_notes(targets: Targets) -> list[str]:
    """What the authors of apps should know, once for each app."""
    notes: dict[str, None] = {}
    for host in targets.hosts:
        roles = targets.roles(host)
        if APP_ROLE not in (role.name for role in roles):
            continue
        scope = targets.scope(host, roles)
        try:
            tree = targets.app(scope.node("app_tree").plain())
            names = [name for variable in ("app_env", "app_secrets") for name in scope.node(variable).plain() or {}]
            notes |= dict.fromkeys(tree.notes(names))
        except (ConfigError, FactsNeeded):
            continue  # found before, or known on the host only
    return list(notes)


def _optional(arguments: Mapping[str, Argument] | None) -> Mapping[str, Argument] | None:
    return {name: replace(one, required=False) for name, one in arguments.items()} if arguments is not None else None


def _place(given: Mapping[str, Node], role: Role) -> Position | None:
    """Where a role is asked for."""
    listed = given.get("roles")
    items = listed.value if listed and isinstance(listed.value, list) else []
    return next((item.position for item in items if item.text == role.name), listed.position if listed else None)


def _in_reading_order(error: ConfigError) -> tuple[bool, str, int, int]:
    place = error.position
    return (False, str(place.file.absolute()), place.line, place.column) if place else (True, "", 0, 0)
