"""The fields of a kind of resource, and an instance of it from what the user wrote.

The kind's dataclass is the schema: names, annotations, defaults and the metadata of resources/fields.py. So a module's
options are declared once, where its code reads them.
"""

from __future__ import annotations

import re
import shlex
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints

from provision import coerce
from provision.errors import ConfigError, Position
from provision.nearest import did_you_mean
from provision.resources.base import LocalFile, Rendered, Resource, partial
from provision.resources.fields import Expression, Mode
from provision.scope import as_written
from provision.source import SourceTree
from provision.templating import OMIT, written_at
from provision.yamlfile import Node

_TYPE_NAMES = {
    str: "str",
    int: "int",
    bool: "bool",
    float: "float",
    Mode: "mode",
    LocalFile: "path",
    Rendered: "path",
    SourceTree: "path",
    Expression: "str",
    Any: "raw",
}


class Files(Protocol):
    """Where the files of a task come from: its role's ``files/`` and ``templates/``."""

    def local(self, path: Node) -> LocalFile:
        """The file that ``path`` names, read. Raises ConfigError."""
        ...

    def rendered(self, path: Node) -> Rendered:
        """The template that ``path`` names, rendered. Raises ConfigError or FactsNeeded."""
        ...

    def tree(self, path: Node) -> SourceTree:
        """The app in the folder that ``path`` names, packed. Raises ConfigError."""
        ...

    def expression(self, node: Node) -> Expression:
        """A bare expression and its value on this host. Raises ConfigError or FactsNeeded."""
        ...


@dataclass(frozen=True)
class Option:
    """One field of a module as its user sees it."""

    name: str
    annotation: Any
    aliases: tuple[str, ...] = ()
    required: bool = False
    default: Any = None
    no_log: bool = False

    @property
    def type(self) -> str:
        """The type in Ansible's words: ``str``, ``list of str``, ``dict``, ``mode``, ..."""
        return _type_name(self.annotation)

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values a Literal allows, else empty."""
        plain = _without_none(self.annotation)
        return get_args(plain) if get_origin(plain) is Literal else ()


def fields_of(kind: type) -> tuple[Option, ...]:
    """The options of a kind, in the order of its fields."""
    hints = get_type_hints(kind)
    return tuple(
        Option(
            name=field.name,
            annotation=hints[field.name],
            aliases=tuple(field.metadata.get("aliases", ())),
            required=field.metadata.get("required", False)
            or (field.default is MISSING and field.default_factory is MISSING),
            default=_default(field.default, field.default_factory),
            no_log=field.metadata.get("no_log", False),
        )
        for field in fields(kind)
    )


class Module:
    """A kind under its name in YAML. Made once per run."""

    def __init__(self, name: str, kind: type[Resource]) -> None:
        self.name = name
        self.kind = kind

    # Most runs use a few of the kinds, and reading the annotations of all takes longer than the rest of a small check.
    @cached_property
    def options(self) -> Mapping[str, Option]:
        """The options by the name of their field."""
        return {option.name: option for option in fields_of(self.kind)}

    @cached_property
    def _by_name(self) -> Mapping[str, Option]:
        return {alias: option for option in self.options.values() for alias in (option.name, *option.aliases)}

    def given(self, arguments: Node, position: Position) -> dict[str, Node]:
        """What the user gave, by field name, not rendered; ``position`` is where the module's name stands.

        Raises ConfigError for a field that is unknown, given twice or missing.
        """
        if isinstance(arguments.value, str):
            raise self._free_form(arguments)
        if not isinstance(arguments.value, dict | None):
            raise coerce.wrong(self.name, "a mapping of its fields", arguments)
        found: dict[str, Node] = {}
        for name, node in (arguments.value or {}).items():
            option = self._by_name.get(name)
            place = arguments.keys.get(name, node.position)
            if option is None:
                hint = did_you_mean(name, self._by_name, f"Its fields: {', '.join(self.options)}.")
                raise ConfigError(f"{self.name} has no field {name}", position=place, hint=hint)
            if option.name in found:
                hint = f"{name} is another name of {option.name}." if name != option.name else ""
                raise ConfigError(f"{self.name} has {option.name} twice", position=place, hint=hint)
            found[option.name] = node
        self._refuse_missing(found, position)
        return found

    def identity(self, given: Mapping[str, Node], resolve: Callable[[Node], Node], files: Files) -> Resource:
        """An instance that has its IDENTITY alone, enough for ``reads``. Raises ConfigError or FactsNeeded."""
        own = {name: given[name] for name in self.kind.IDENTITY if name in given}
        values = self._converted(own, {name: resolve(node) for name, node in own.items()}, files)
        return partial(self.kind, {name: values.get(name, self.options[name].default) for name in self.kind.IDENTITY})

    def build(
        self, given: Mapping[str, Node], resolve: Callable[[Node], Node], files: Files, position: Position
    ) -> Resource:
        """An instance of the kind from what :meth:`given` found. Raises ConfigError or FactsNeeded."""
        rendered = {name: resolve(node) for name, node in given.items()}
        values = self._converted(given, rendered, files)
        self._refuse_missing(values, position)
        try:
            return self.kind(**values)
        except ValueError as error:
            # The first field that the kind names is the one to look at, wherever its value was written.
            field = next((word for word in re.findall(r"\w+", str(error)) if word in rendered), "")
            place = rendered[field].position if field else position
            raise ConfigError(self._refusal(str(error), given.get(field)), position=place) from error
        except ConfigError as error:  # of what lies in the folder that src names
            error.position = error.position or (written_at(rendered["src"]) if "src" in rendered else position)
            raise

    def has_secret(self, given: Mapping[str, Node]) -> bool:
        """Is a field among them that must not be shown?"""
        return any(self.options[name].no_log for name in given)

    def _converted(self, given: Mapping[str, Node], rendered: Mapping[str, Node], files: Files) -> dict[str, Any]:
        remote = rendered.get("remote_src")
        on_host = remote is not None and coerce.boolean(remote, f"remote_src of {self.name}")
        return {
            name: _convert(self._annotation(name, on_host), node, self._subject(name, given[name]), files)
            for name, node in rendered.items()
            if node.value != OMIT
        }

    def _annotation(self, name: str, on_host: bool) -> Any:
        """The type of a field; one that is a file of either side is of the side that the task says."""
        annotation = self.options[name].annotation
        if annotation == LocalFile | str:
            return str if on_host else LocalFile
        return annotation

    def _refusal(self, message: str, node: Node | None) -> str:
        """What a kind says of its fields, of the variable if the field in question is one."""
        variable = _variable(node) if node else ""
        first, _, rest = message.partition(" ")
        if variable and first in self.options:
            return f"{variable} {rest}"
        return message if first == self.name else f"{variable or self.name}: {message}"

    def _subject(self, name: str, node: Node) -> str:
        """What a message is about: the variable that the field is, or the field."""
        return _variable(node) or f"{name} of {self.name}"

    def _refuse_missing(self, found: Mapping[str, object], position: Position) -> None:
        missing = [option.name for option in self.options.values() if option.required and option.name not in found]
        if missing:
            raise ConfigError(f"{self.name} needs {' and '.join(missing)}", position=position)

    def _free_form(self, arguments: Node) -> ConfigError:
        try:
            words = shlex.split(arguments.text)
        except ValueError:
            words = arguments.text.split()
        pairs = dict(word.split("=", 1) for word in words if re.match(r"\w+=", word))
        rest = " ".join(word for word in words if not re.match(r"\w+=", word))
        if rest:
            required = [option.name for option in self.options.values() if option.required]
            main = "cmd" if "cmd" in self.options else next(iter(required), "name")
            pairs = {main: rest} | pairs
        example = "\n".join([f"{self.name}:", *(f"  {name}: {value}" for name, value in pairs.items())])
        return ConfigError(
            f"{self.name} takes a mapping of its fields, not text",
            position=arguments.position,
            hint=f"Write:\n{example}",
        )


def _variable(node: Node) -> str:
    """The name in a text that is wholly ``{{ name }}``, else empty."""
    found = re.fullmatch(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}", node.value) if isinstance(node.value, str) else None
    return found[1] if found and found[1] != "item" else ""


def _default(default: Any, factory: Any) -> Any:
    if factory is not MISSING:
        return factory()
    return None if default is MISSING else default


def _convert(annotation: Any, node: Node, what: str, files: Files) -> Any:
    """The value of ``node`` as ``annotation`` says."""
    coerce.refuse_unsendable(node, what)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation == LocalFile | Rendered | str:
        return _file_text(node, what, files)
    if origin in (Union, types.UnionType):
        return None if node.value is None else _convert(_without_none(annotation), node, what, files)
    if origin is Literal:
        return coerce.choice(node, what, arguments)
    if origin is tuple:
        return tuple(_convert(arguments[0], item, what, files) for item in coerce.items(node, what))
    if origin is not None and issubclass(origin, Mapping):
        pairs = coerce.mapping(node, what)
        for key in pairs:
            coerce.refuse_unsendable(Node(key, node.keys.get(key, node.position), key), f"a key of {what}")
        return {key: _convert(arguments[1], item, f"{key} in {what}", files) for key, item in pairs.items()}
    if annotation is LocalFile:
        return files.local(node)
    if annotation is Rendered:
        return files.rendered(node)
    if annotation is SourceTree:
        return files.tree(node)
    if annotation is Expression:
        return files.expression(node)
    if annotation is Any:
        return as_written(node)
    return _SCALARS[annotation](node, what)


def _file_text(node: Node, what: str, files: Files) -> LocalFile | Rendered | str:
    """The content of a file: the text itself, ``{src: FILE}`` or ``{template: FILE}``."""
    if not isinstance(node.value, dict):
        return coerce.text(node, what)
    match list(node.value.items()):
        case [("src", path)]:
            return files.local(path)
        case [("template", path)]:
            return files.rendered(path)
    raise coerce.wrong(what, "text, {src: FILE} or {template: FILE}", node)


_SCALARS: Mapping[Any, Callable[[Node, str], Any]] = {
    str: coerce.text,
    int: coerce.integer,
    bool: coerce.boolean,
    float: coerce.number,
    Mode: coerce.mode,
}


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    first, *_ = (part for part in get_args(annotation) if part is not type(None))
    return first


def _type_name(annotation: Any) -> str:
    plain = _without_none(annotation)
    origin, arguments = get_origin(plain), get_args(plain)
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    if origin is Literal:
        return _type_name(type(arguments[0]))
    return _TYPE_NAMES.get(plain, "dict")
