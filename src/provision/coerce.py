"""A YAML value as the type that a field or variable declares, converted as Ansible converts it.

Each function takes ``what``, the subject of its message: ``mode of copy``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from provision.errors import ConfigError
from provision.nearest import did_you_mean
from provision.yamlfile import Node, describe

_TRUE = frozenset({"yes", "on", "true", "1", "y", "t"})
_FALSE = frozenset({"no", "off", "false", "0", "n", "f"})
_SYMBOLIC = re.compile(r"(?P<who>[ugoa]*)(?P<how>[=+-])(?P<bits>[rwxX]*)")


def wrong(what: str, wanted: str, node: Node, hint: str = "") -> ConfigError:
    """The error for a value that is not what was ``wanted``."""
    short = 0 < len(node.text) <= 40 and not isinstance(node.value, dict | list | None)
    shown = repr(node.text) if short else describe(node)
    return ConfigError(f"{what} must be {wanted}, not {shown}", position=node.position, hint=hint)


def refuse_unsendable(node: Node, what: str) -> None:
    """Refuse text that no script, path or argument can hold."""
    if not isinstance(node.value, str):
        return
    if "\0" in node.value:
        hint = "a file with such bytes can be copied with src" if what.startswith("content ") else ""
        raise ConfigError(f"{what} holds a NUL character", position=node.position, hint=hint)
    if found := re.search("[\ud800-\udfff]", node.value):
        hint = "write the character itself, or \\U with eight digits: \\u with four cannot give all of them"
        raise ConfigError(f"{what} holds {found[0]!r}, which is no character", position=node.position, hint=hint)


def text(node: Node, what: str) -> str:
    """Any scalar, as it stands in the source: ``3.10`` is ``3.10``."""
    if node.value is None or isinstance(node.value, dict | list):
        raise wrong(what, "text", node)
    return node.text


def integer(node: Node, what: str) -> int:
    """A whole number, or text that is one, as templates give it."""
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value
    if isinstance(node.value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", node.value, re.ASCII):
        return int(node.value)
    raise wrong(what, "a whole number", node)


def number(node: Node, what: str) -> float:
    """A number, or text that is one."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node.value, str) and re.fullmatch(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)\s*", node.value, re.ASCII):
        return float(node.value)
    raise wrong(what, "a number", node)


def boolean(node: Node, what: str) -> bool:
    """A boolean, or one of the words and digits that mean one in YAML."""
    if isinstance(node.value, bool):
        return node.value
    word = node.text.lower()
    if isinstance(node.value, str | int) and word in _TRUE | _FALSE:
        return word in _TRUE
    raise wrong(what, "true or false", node)


def choice(node: Node, what: str, choices: Sequence[object]) -> object:
    """One of ``choices``, compared as text."""
    names = {str(value): value for value in choices}
    if isinstance(node.value, bool) and node.value in [value for value in choices if isinstance(value, bool)]:
        return node.value
    if node.text in names and not isinstance(node.value, dict | list):
        return names[node.text]
    wanted = f"one of {', '.join(names)}" if len(names) > 1 else ", ".join(names)
    raise wrong(what, wanted, node, did_you_mean(node.text, names))


def items(node: Node, what: str) -> list[Node]:
    """A list; a single scalar is a list of one. Text with commas is refused: it reads like a list and is none."""
    if isinstance(node.value, list):
        return node.value
    if node.value is None or isinstance(node.value, dict):
        raise wrong(what, "a list", node, "Write [ONE, TWO], or each item after a dash on a line of its own.")
    if "," in node.text:
        raise wrong(what, "a list", node, f"Write [{', '.join(part.strip() for part in node.text.split(','))}].")
    return [node]


def mapping(node: Node, what: str) -> dict[str, Node]:
    """A mapping."""
    if not isinstance(node.value, dict):
        raise wrong(what, "a mapping", node, "Write one `name: value` per line, indented and without dashes.")
    return node.value


def mode(node: Node, what: str) -> str:
    """Permissions as four octal digits, from ``0644``, ``"0644"``, ``644`` or ``0o644``."""
    found = re.fullmatch(r"(?:0o)?([0-7]{3,4}|0[0-7]{4})", node.text)
    if found and not isinstance(node.value, dict | list):
        return found[1].zfill(4)[-4:]
    parts = [_SYMBOLIC.fullmatch(part) for part in node.text.split(",")]
    if all(parts):
        octal = _octal([part for part in parts if part])
        hint = f'Write "{octal}".' if octal else "Write the four octal digits that are wanted."
        raise wrong(what, "octal digits", node, hint)
    raise wrong(what, "octal digits such as 0644", node)


def _octal(parts: list[re.Match[str]]) -> str:
    """The octal digits of ``u=rw,g=r,o=``; empty where it depends on what the file has now."""
    bits = {"u": 0, "g": 0, "o": 0}
    for part in parts:
        if part["how"] != "=" or "X" in part["bits"]:
            return ""
        value = sum({"r": 4, "w": 2, "x": 1}[bit] for bit in set(part["bits"]))
        bits |= dict.fromkeys("ugo" if part["who"] in ("", "a") else part["who"], value)
    return "0" + "".join(str(bits[who]) for who in "ugo")
