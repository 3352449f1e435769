"""A role in Ansible's layout, read from disk once for all hosts of a run.

Not named roles.py: the folder of shipped roles, ``roles``, lies beside this file, and tools take it for a package.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provision import argument_specs, coerce, refusals
from provision.argument_specs import Argument
from provision.errors import ConfigError, Position
from provision.nearest import did_you_mean
from provision.resources.base import Resource
from provision.schema import Module
from provision.tasks import HandlerSource, TaskSource, parse_handlers, parse_tasks
from provision.vault import Vault
from provision.yamlfile import Node, load

SHIPPED = Path(__file__).parent / "roles"
"""The roles that come with provision; users' own are searched before them."""

_META_KEYS = frozenset({"rolling", "dependencies", "galaxy_info", "allow_duplicates", "argument_specs"})


@dataclass(frozen=True)
class Role:
    """One role as it is written."""

    name: str
    path: Path
    tasks: tuple[TaskSource, ...] = ()
    handlers: tuple[HandlerSource, ...] = ()
    defaults: Mapping[str, Node] = field(default_factory=dict)
    rolling: bool = False
    """Applied to one batch of hosts after another."""
    arguments: Mapping[str, Argument] | None = None
    """What meta/argument_specs.yml declares; None without one."""


class Modules(Mapping[str, Module]):
    """The modules that tasks may use, each made from its kind when it is first asked for."""

    def __init__(self, kinds: Mapping[str, type[Resource]]) -> None:
        self._kinds = kinds
        self._made: dict[str, Module] = {}

    def __getitem__(self, name: str) -> Module:
        if name not in self._made:
            self._made[name] = Module(name, self._kinds[name])
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


def load_role(
    name: str,
    search: Sequence[Path],
    modules: Mapping[str, Module],
    position: Position | None = None,
    vault: Vault | None = None,
) -> Role:
    """The role ``name`` of the first folder in ``search`` that has it; ``position`` is where the user named it.

    Raises ConfigError for all that can be wrong without knowing a host's variables.
    """
    path = _find(name, search, position)
    for folder, hint in refusals.ROLE_FOLDERS.items():
        if (path / folder).is_dir():
            raise ConfigError(f"{path / folder}: {folder}/ of a role is not supported", position=position, hint=hint)
    meta = _meta(path, vault)
    rolling = _rolling(meta)
    arguments = _arguments(path, meta, vault)
    defaults = coerce.mapping(_read(path, "defaults", vault), "defaults/main.yml")
    tasks = parse_tasks(_read(path, "tasks", vault, []), modules)
    handlers = parse_handlers(_read(path, "handlers", vault, []))
    if not (tasks or handlers or defaults):
        hint = "A role has tasks/main.yml, and beside it defaults, handlers, templates, files and meta."
        raise ConfigError(f"the role {name} in {path} is empty", position=position, hint=hint)
    return Role(name, path, tasks, handlers, defaults, rolling, arguments)


def _find(name: str, search: Sequence[Path], position: Position | None) -> Path:
    if "/" in name or name.startswith("."):
        hint = "Put the role into roles/ beside the inventory."
        raise ConfigError(f"a role is given by its name, not by a path: {name}", position=position, hint=hint)
    for folder in search:
        if (folder / name).is_dir():
            return folder / name
    known = sorted({entry.name for folder in search if folder.is_dir() for entry in folder.iterdir() if entry.is_dir()})
    hint = did_you_mean(name, known, f"Roles: {', '.join(known)}. Your own go into {search[0]}/.")
    raise ConfigError(f"there is no role {name}", position=position, hint=hint)


def _read(path: Path, folder: str, vault: Vault | None, empty: Any = None) -> Node:
    """main.yml or main.yaml of a folder of the role; without one, or when it is empty, ``empty``."""
    files = [path / folder / name for name in ("main.yml", "main.yaml")]
    for file in files:
        if file.is_file():
            node = load(file, vault)
            if node.value is not None:
                return node
    return Node({} if empty is None else empty, Position(files[0], 1, 1))


def _meta(path: Path, vault: Vault | None) -> Node:
    node = _read(path, "meta", vault)
    for key in coerce.mapping(node, "meta/main.yml"):
        if key not in _META_KEYS:
            hint = did_you_mean(key, _META_KEYS, "provision reads rolling and dependencies.")
            raise ConfigError(f"{key} of meta/main.yml is not supported", position=node.keys[key], hint=hint)
    return node


def _rolling(meta: Node) -> bool:
    entries = coerce.mapping(meta, "meta/main.yml")
    if "dependencies" in entries and entries["dependencies"].value:
        hint = "List those roles in roles: of the inventory, before this one."
        raise ConfigError("dependencies of a role are not supported", position=meta.keys["dependencies"], hint=hint)
    return "rolling" in entries and coerce.boolean(entries["rolling"], "rolling")


def _arguments(path: Path, meta: Node, vault: Vault | None) -> Mapping[str, Argument] | None:
    for name in ("argument_specs.yml", "argument_specs.yaml"):
        if (path / "meta" / name).is_file():
            return argument_specs.parse(load(path / "meta" / name, vault))
    return argument_specs.parse(meta) if "argument_specs" in meta.keys else None


def check_defaults(roles: Sequence[Role], given: Container[str]) -> None:
    """Refuse a default that two roles give different values, unless it is ``given``.

    In Ansible each role sees its own; here all roles of a host see one. Raises ConfigError.
    """
    seen: dict[str, tuple[Role, Node]] = {}
    for role in roles:
        for name, node in role.defaults.items():
            first, other = seen.setdefault(name, (role, node))
            if name not in given and node.plain() != other.plain():
                raise ConfigError(
                    f"{name} is a default of the role {first.name} too, with another value ({other.position})",
                    position=node.position,
                    hint="rename one of them, such as with the role's name before it, or set it in the inventory",
                )
