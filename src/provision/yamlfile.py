"""YAML as Ansible reads it (YAML 1.1), with the place and the source text of every value.

Parsed from libyaml's events, not by its composer, which overflows the C stack on deeply nested text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import yaml
from yaml.constructor import SafeConstructor
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from provision.errors import ConfigError, Position
from provision.vault import MARK, Vault, as_text
from provision.yaml_errors import position_at, split_lines, syntax_error

MAX_DEPTH = 100
"""Levels of nesting; no configuration has more, and Python's own stack ends at about 300 of them."""

_Event: TypeAlias = Any
"""One of yaml.events; their stubs know nothing of marks, anchors and tags."""

_TAG = "tag:yaml.org,2002:"
_TYPED = {_TAG + name for name in ("null", "bool", "int", "float")}
# Dates stay text, as do a plain `=` and a plain `<<` that is not a key.
_TEXT = {_TAG + name for name in ("str", "timestamp", "value", "merge")}
_VAULT_TAGS = ("!vault", "!vault-encrypted")
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_NO_KEYS: Mapping[str, Position] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Node:
    """One YAML value with its place."""

    value: dict[str, Node] | list[Node] | str | int | float | bool | None
    position: Position
    text: str = ""
    """A scalar's source text (``3.10``, ``0644``), without the quotes."""
    quoted: bool = False
    """The scalar was quoted or a block scalar."""
    keys: Mapping[str, Position] = field(default_factory=lambda: _NO_KEYS)
    """Of a mapping: where each key stands."""
    key_position: Position | None = field(default=None, compare=False)
    """Of a mapping's value: where its key stands."""
    ciphertext: str = field(default="", repr=False, compare=False)
    """Of a ``!vault`` value: what is written. Its plain text is no template, as in Ansible."""

    def plain(self) -> Any:
        """The value without places, as nested dicts and lists."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def texts(self) -> Iterator[str]:
        """The source texts of all scalars in it."""
        if isinstance(self.value, dict | list):
            for node in self.value.values() if isinstance(self.value, dict) else self.value:
                yield from node.texts()
        elif self.text:
            yield self.text


def load(path: Path, vault: Vault | None = None) -> Node:
    """Read the one document of ``path``; an empty file gives None, ``vault`` opens what is encrypted.

    Raises ConfigError.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        position = position_at(data[: error.start].decode(), path)
        raise ConfigError("this is not UTF-8 text", position=position, hint="save the file as UTF-8") from error
    return parse(text, path, vault)


def parse(text: str, file: Path, vault: Vault | None = None) -> Node:
    """Read the one document of ``text``; ``file`` is named in positions, ``vault`` opens what is encrypted.

    Raises ConfigError.
    """
    text, vault = text.removeprefix(_BOM), vault or Vault()
    if not text.startswith(MARK):
        return _parse(text, file, vault, encrypted=False)
    start = Position(file, 1, 1)
    text = as_text(vault.decrypt(text, start), start).removeprefix(_BOM)
    vault.files.add(file)
    try:
        return _parse(text, file, vault, encrypted=True)
    except ConfigError as error:
        # Its lines are those that an editor shows, not those of the file.
        message = f"{error.message}, in what is encrypted here"
        raise ConfigError(message, position=error.position, hint=error.hint) from None


def _parse(text: str, file: Path, vault: Vault, *, encrypted: bool) -> Node:
    try:
        return _Builder(text, file, vault, encrypted=encrypted).document()
    except UnicodeEncodeError as error:
        raise ConfigError("this is not UTF-8 text", position=position_at(text[: error.start], file)) from error
    except yaml.reader.ReaderError as error:
        position = position_at(text[: text.find(chr(error.character))], file)
        message = f"a control character (U+{error.character:04X}) is not allowed in YAML"
        raise ConfigError(message, position=position, hint="remove it, or write an escape in double quotes") from error
    except yaml.MarkedYAMLError as error:
        raise syntax_error(error, text, file) from error


def from_plain(value: Any, position: Position) -> Node:
    """Wrap a plain value, every part of it at ``position``: for ``--set`` and tests."""
    if isinstance(value, Mapping):
        items = {str(key): from_plain(item, position) for key, item in value.items()}
        return Node(items, position, keys=dict.fromkeys(items, position))
    if isinstance(value, list | tuple):
        return Node([from_plain(item, position) for item in value], position)
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return Node(value, position, text, quoted=isinstance(value, str))


def source_line(position: Position) -> str:
    """The line of ``position`` as it stands in its file; empty when it cannot be shown, or is encrypted."""
    try:
        text = position.file.read_text("utf-8", errors="replace").removeprefix(_BOM)
        if text.startswith(MARK):
            return ""
        return split_lines(text)[position.line - 1]
    except (OSError, IndexError):
        return ""


def describe(node: Node) -> str:
    """The type of a value, in words for a message: ``a mapping``, ``text``, ``nothing``."""
    names: dict[type, str] = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", type(None): "nothing"}
    return names.get(type(node.value), "a number")


class _Builder:
    """Builds nodes from the events of one text."""

    def __init__(self, text: str, file: Path, vault: Vault, *, encrypted: bool) -> None:
        self._file, self._vault, self._encrypted = file, vault, encrypted
        self._loader = yaml.CSafeLoader(text)
        self._resolver: Any = self._loader
        self._constructor: Any = SafeConstructor()
        self._anchors: dict[str, Node] = {}
        self._depth = 0

    def document(self) -> Node:
        self._next()  # the start of the stream
        if isinstance(self._next(), StreamEndEvent):
            return Node(None, Position(self._file, 1, 1))
        root = self._value(self._next())
        self._next()  # the end of the document
        after = self._next()
        if isinstance(after, DocumentStartEvent):
            raise self._error(after, "a second document in one file", "keep one document; remove this `---`")
        return root

    def _next(self) -> _Event:
        return self._loader.get_event()

    def _position(self, event: _Event) -> Position:
        return Position(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _error(self, event: _Event, message: str, hint: str = "") -> ConfigError:
        return ConfigError(message, position=self._position(event), hint=hint)

    def _value(self, event: _Event) -> Node:
        """Of an encrypted file what is no key is a secret, also where it turns out to be wrong."""
        if self._encrypted and isinstance(event, ScalarEvent) and event.tag not in _VAULT_TAGS:
            self._vault.remember(event.value)
        return self._node(event)

    def _node(self, event: _Event) -> Node:
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                message = f"the alias *{event.anchor} has no finished anchor &{event.anchor} above it"
                raise self._error(event, message, "quote it if it is text")
            return self._anchors[event.anchor]
        if isinstance(event, ScalarEvent):
            node = self._scalar(event)
        else:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._error(event, f"nested more than {MAX_DEPTH} levels deep")
            node = self._mapping(event) if isinstance(event, MappingStartEvent) else self._sequence(event)
            self._depth -= 1
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, event: ScalarEvent) -> Node:
        text, position, quoted, tag = event.value, self._position(event), bool(event.style), event.tag
        if tag in _VAULT_TAGS:
            plain = self._vault.reveal(text, position)
            return Node(plain, position, plain, quoted=True, ciphertext=text)
        if tag in (None, "!"):
            tag = self._resolver.resolve(yaml.ScalarNode, text, event.implicit)
        if tag in _TEXT:
            return Node(text, position, text, quoted)
        if tag not in _TYPED:
            raise self._unknown_tag(event)
        try:
            value = self._constructor.yaml_constructors[tag](self._constructor, yaml.ScalarNode(tag, text))
        except (ValueError, KeyError, IndexError, OverflowError) as error:
            kind = tag.removeprefix(_TAG)
            raise self._error(event, f"{text!r} is not a valid {kind}", "quote it if it is text") from error
        return Node(value, position, text, quoted)

    def _sequence(self, start: _Event) -> Node:
        if start.tag not in (None, "!", _TAG + "seq"):
            raise self._unknown_tag(start)
        items = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._value(event))
        return Node(items, self._position(start))

    def _mapping(self, start: _Event) -> Node:
        if start.tag not in (None, "!", _TAG + "map"):
            raise self._unknown_tag(start)
        value: dict[str, Node] = {}
        keys: dict[str, Position] = {}
        merged, merged_keys = dict(value), dict(keys)
        while not isinstance(event := self._next(), MappingEndEvent):
            if isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]:
                for source in self._merge_sources(event):
                    merged |= source.value if isinstance(source.value, dict) else {}
                    merged_keys |= source.keys
                continue
            key, position = self._key(start, event), self._position(event)
            if key in keys:
                first = keys[key].line
                raise self._error(event, f"the key {key!r} is already in line {first}", "keep one of the two")
            keys[key] = position
            value[key] = replace(self._value(self._next()), key_position=position)
        # Merged keys come first, as in PyYAML: the order of hosts depends on it.
        return Node(merged | value, self._position(start), keys=merged_keys | keys)

    def _merge_sources(self, event: _Event) -> list[Node]:
        """What a ``<<`` merges, weakest first."""
        node = self._node(self._next())
        sources = node.value[::-1] if isinstance(node.value, list) else [node]
        if not all(isinstance(source.value, dict) for source in sources):
            raise self._error(event, f"<< merges a mapping or a list of mappings, not {describe(node)}")
        return sources

    def _key(self, start: _Event, event: _Event) -> str:
        if event.start_mark.index == start.start_mark.index + 1 and isinstance(event, MappingStartEvent):
            raise self._error(start, "a value that begins with {{ must be quoted", 'write "{{ name }}"')
        if getattr(event, "tag", None) in _VAULT_TAGS:
            raise self._error(event, "a key cannot be encrypted", "write the key as it is, and encrypt its value")
        node = self._node(event)
        if isinstance(node.value, dict | list):
            raise self._error(event, f"a key must be text, not {describe(node)}")
        return node.text

    def _unknown_tag(self, event: _Event) -> ConfigError:
        if event.tag in _VAULT_TAGS:
            kind = "a mapping" if isinstance(event, MappingStartEvent) else "a list"
            return self._error(event, f"{event.tag} belongs before the text that ansible-vault wrote, not {kind}")
        if event.tag == "!unsafe":
            return self._error(event, f"the tag {event.tag} is not supported yet")
        shown = "!!" + event.tag.removeprefix(_TAG) if event.tag.startswith(_TAG) else event.tag
        return self._error(event, f"the tag {shown} is not known", "remove the tag")
