"""A role's meta/argument_specs.yml, Ansible's format: the types of its variables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from provision import coerce
from provision.errors import ConfigError, Position
from provision.nearest import did_you_mean
from provision.yamlfile import Node

_TYPES = ("str", "int", "bool", "list", "dict", "path", "float", "raw")
_OPTION_KEYS = frozenset(
    {"type", "elements", "choices", "required", "default", "description", "no_log", "options", "version_added"}
)


@dataclass(frozen=True)
class Argument:
    """One variable of a role."""

    name: str
    type: str = "str"
    elements: str = "raw"
    choices: tuple[Any, ...] = ()
    required: bool = False
    default: Any = None
    description: str = ""
    no_log: bool = False
    options: Mapping[str, Argument] = field(default_factory=dict)
    """The keys of a dict, or of each dict of a list; empty where all are allowed."""


def parse(node: Node) -> Mapping[str, Argument]:
    """The arguments of the entry point ``main``. Raises ConfigError."""
    specs = coerce.mapping(_get(coerce.mapping(node, "argument_specs.yml"), "argument_specs", node), "argument_specs")
    main = _get(specs, "main", node)
    options = coerce.mapping(main, "main").get("options")
    return _options(options) if options is not None else {}


def convert(argument: Argument, node: Node, what: str) -> Node:
    """A rendered value with its declared type: text keeps its source (``3.10``). Raises ConfigError.

    Nothing (null) stands for "not given" and is allowed unless the argument is required.
    """
    if node.value is None and not argument.required:
        return node
    if argument.type == "list":
        element = replace(argument, type=argument.elements, elements="raw", required=True)
        items = [convert(element, item, f"{what}, item {number}") for number, item in _numbered(node, what)]
        return replace(node, value=items)
    if argument.choices:
        coerce.choice(node, what, argument.choices)
    if argument.type == "dict":
        return replace(node, value=_converted_keys(argument, node, what))
    if argument.type == "raw":
        return node
    value = _SCALARS[argument.type](node, what)
    return replace(node, value=value) if type(value) is not type(node.value) or value != node.value else node


def check_names(
    role: str,
    arguments: Mapping[str, Argument],
    known: Collection[str],
    given: Mapping[str, Node],
    others: Collection[str],
) -> None:
    """Refuse a variable that carries the role's prefix and is none of its variables; ``others`` are other roles."""
    prefix = f"{role}_"
    for name, node in given.items():
        if not name.startswith(prefix) or name in arguments or name in known:
            continue
        if any(name.startswith(f"{other}_") for other in others if len(other) > len(role)):
            continue
        hint = did_you_mean(name, {*arguments, *known}, f"Its variables: {', '.join(arguments)}.")
        raise ConfigError(
            f"the role {role} has no variable {name}", position=node.key_position or node.position, hint=hint
        )


def check_required(
    role: str, arguments: Mapping[str, Argument], known: Mapping[str, Node], place: Position | None = None
) -> None:
    """Refuse a required variable that nothing sets, or sets to nothing; ``place`` is where the role was asked for."""
    for name, argument in arguments.items():
        if argument.required and (name not in known or known[name].value is None):
            position = known[name].position if name in known else place
            hint = f"{argument.description} Set it in the inventory.".strip()
            raise ConfigError(f"the role {role} needs the variable {name}", position=position, hint=hint)


def _get(mapping: Mapping[str, Node], key: str, node: Node) -> Node:
    if key not in mapping:
        raise ConfigError(f"{key} is missing in argument_specs.yml", position=node.position)
    return mapping[key]


def _options(node: Node) -> dict[str, Argument]:
    return {name: _argument(name, spec) for name, spec in coerce.mapping(node, "options").items()}


def _argument(name: str, node: Node) -> Argument:
    spec = coerce.mapping(node, name)
    for key in spec:
        if key not in _OPTION_KEYS:
            hint = did_you_mean(key, _OPTION_KEYS, f"Ansible's keys: {', '.join(sorted(_OPTION_KEYS))}.")
            raise ConfigError(f"{key} is no key of an argument", position=node.keys[key], hint=hint)
    kind = str(coerce.choice(spec["type"], f"type of {name}", _TYPES)) if "type" in spec else "str"
    elements = str(coerce.choice(spec["elements"], f"elements of {name}", _TYPES)) if "elements" in spec else "raw"
    return Argument(
        name=name,
        type=kind,
        elements=elements,
        choices=tuple(item.plain() for item in coerce.items(spec["choices"], "choices")) if "choices" in spec else (),
        required="required" in spec and coerce.boolean(spec["required"], "required"),
        default=spec["default"].plain() if "default" in spec else None,
        description=_prose(spec.get("description")),
        no_log="no_log" in spec and coerce.boolean(spec["no_log"], "no_log"),
        options=_options(spec["options"]) if "options" in spec else {},
    )


def _prose(node: Node | None) -> str:
    if node is None:
        return ""
    parts = node.value if isinstance(node.value, list) else [node]
    return " ".join(coerce.text(part, "description").strip() for part in parts)


def _numbered(node: Node, what: str) -> list[tuple[int, Node]]:
    return list(enumerate(coerce.items(node, what), start=1))


def _converted_keys(argument: Argument, node: Node, what: str) -> dict[str, Node]:
    values = coerce.mapping(node, what)
    for key in values:
        if argument.options and key not in argument.options:
            hint = did_you_mean(key, argument.options, f"Its keys: {', '.join(argument.options)}.")
            raise ConfigError(f"{what} has no key {key}", position=node.keys.get(key, node.position), hint=hint)
    for key, option in argument.options.items():
        if option.required and key not in values:
            raise ConfigError(f"{what} needs the key {key}", position=node.position)
    return {
        key: convert(argument.options[key], value, f"{key} of {what}") if key in argument.options else value
        for key, value in values.items()
    }


_SCALARS: Mapping[str, Callable[[Node, str], Any]] = {
    "str": coerce.text,
    "path": coerce.text,
    "int": coerce.integer,
    "float": coerce.number,
    "bool": coerce.boolean,
}
