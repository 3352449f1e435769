"""Failures of Jinja as ConfigErrors that point at the place in the YAML or template file."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from typing import Any

from jinja2 import StrictUndefined, Template, UndefinedError
from jinja2.exceptions import TemplateSyntaxError
from jinja2.utils import missing

from provision.errors import ConfigError, Position
from provision.nearest import did_you_mean
from provision.yamlfile import Node, describe, from_plain

_OPENING = re.compile(r"\{[{%]")
_UNKNOWN_TAG = re.compile(r"Encountered unknown tag '(\w+)'")
_INNERMOST = re.compile(r"innermost block that needs to be closed is '(\w+)'")
_BLOCKS = ("if", "for", "set", "macro", "call", "filter", "raw", "with")
_STATEMENTS = {"else": "if", "elif": "if", **{f"end{name}": name for name in _BLOCKS}, **dict.fromkeys(_BLOCKS, "")}
"""The words after ``{%``, and for those that need one before them, which."""

_PLAIN_TEXT = "Text that is not a template goes between {% raw %} and {% endraw %}."


class UndefinedVariable(ConfigError):
    """A name or key that nothing defines; ``default`` and ``is defined`` forgive it."""


class FactsNeeded(Exception):
    """A fact was used before the host has been surveyed. Internal: never shown to a user."""

    def __init__(self, fact: str) -> None:
        super().__init__(fact)
        self.fact = fact


class MissingName(UndefinedError):
    """What using an :class:`Absent` raises: the name, and the object that lacks it, Jinja's ``missing`` for none."""

    def __init__(self, name: str, owner: Any) -> None:
        super().__init__(name)
        self.name = name
        self.owner = owner


class Absent(StrictUndefined):
    """Jinja's stand-in for a value that is not there. Any use raises, but for ``default`` and ``is defined``.

    Its attributes are absent too, so that ``a.b.c | default(1)`` works as in Ansible. ``because`` is raised instead of
    MissingName: the undefined variable, or the unknown fact, that the value of this one would need.
    """

    __slots__ = ("because",)

    def __init__(
        self, hint: str | None = None, obj: Any = missing, name: Any = None, because: Exception | None = None
    ) -> None:
        super().__init__(hint, obj, name, self._failure)  # type: ignore[arg-type]  # Jinja only calls it
        self.because = because

    def _failure(self, _message: str) -> Exception:
        return self.because or MissingName(str(self._undefined_name), self._undefined_obj)

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, *_key: Any) -> Absent:  # type: ignore[override]  # Jinja's never returns
        return self


def syntax_error(error: TemplateSyntaxError, node: Node, *, expression: bool) -> ConfigError:
    """What Jinja cannot parse, in plain words where it is one of the usual slips."""
    problem = (error.message or "cannot be parsed").rstrip(".")
    if problem.endswith("got '='"):
        place = node.position if expression else position_of_line(node, error.lineno)
        return ConfigError("a single = compares nothing", position=place, hint="Write ==.")
    if expression:
        problem = problem.replace("'end of print statement'", "end of condition")
        return ConfigError(f"Jinja: {problem}", position=node.position)
    text, position = str(node.value), position_of_line(node, error.lineno)
    inner = _INNERMOST.search(problem)
    if found := _UNKNOWN_TAG.match(problem):
        message, hint = _misplaced(found[1], inner[1] if inner else "")
    elif inner:
        position = _position(node, _unclosed(text, inner[1]), _OPENING)
        message, hint = f"this {{% {inner[1]} %}} is never closed", f"Write {{% end{inner[1]} %}}."
    elif problem.startswith("unexpected end of template"):
        start, end = ("{%", "%}") if "statement block" in problem else ("{{", "}}")
        message, hint = f"this {start} is never closed", f"Write {end} after it. {_PLAIN_TEXT}"
    elif problem == "unexpected '}'":
        message, hint = "this {{ is closed by one }", f"Write }}}}. {_PLAIN_TEXT}"
    elif re.search(r"\{\{[^}]*\{\{", text):
        message, hint = "{{ inside of {{ }}", "Inside {{ }} a variable stands by its bare name."
    else:
        problem = problem.replace("'end of print statement'", "}}").replace("'end of statement block'", "%}")
        message, hint = f"Jinja: {problem}", _PLAIN_TEXT
    return ConfigError(message, position=position, hint=hint)


def _misplaced(tag: str, inner: str) -> tuple[str, str]:
    """Message and hint for a ``{% tag %}`` that Jinja has not, or not inside of ``{% inner %}``."""
    if tag not in _STATEMENTS:
        return f"there is no {{% {tag} %}} in Jinja", did_you_mean(tag, _STATEMENTS, _PLAIN_TEXT)
    if inner:
        return f"{{% {tag} %}} before {{% {inner} %}} is closed", f"Write {{% end{inner} %}} first."
    return f"{{% {tag} %}} without a beginning", f"Write {{% {_STATEMENTS[tag]} %}} before it, or remove it."


def _unclosed(text: str, tag: str) -> int:
    """The offset of the innermost ``{% tag`` without its end."""
    opened: list[int] = []
    for found in re.finditer(rf"\{{%[-+]?\s*(end)?{tag}\b", text):
        if not found[1]:
            opened.append(found.start())
        elif opened:
            opened.pop()
    return opened[-1] if opened else 0


def undefined(error: MissingName, node: Node, known: Iterable[str], line: int) -> UndefinedVariable:
    """A variable that is not defined, or an object without that key."""
    start = _line_start(node, line)
    if error.owner is missing:
        position = position_of(node, error.name, start)
        message = f"the variable {error.name} is not defined"
        return UndefinedVariable(message, position=position, hint=_where_to_define(error.name, known))
    keys = [str(key) for key in error.owner] if isinstance(error.owner, dict) else []
    owner = "this mapping" if keys else describe(from_plain(error.owner, node.position))
    position = _position(node, start, re.compile(rf"(?<=[.'\"\[]){re.escape(error.name)}(?!\w)"))
    hint = f"Its keys: {', '.join(keys)}." if keys else ""
    return UndefinedVariable(
        f"{owner} has no {error.name}", position=position, hint=did_you_mean(error.name, keys, hint)
    )


def _where_to_define(name: str, known: Iterable[str]) -> str:
    if name == "item":
        return "Only a task with `loop:` has an item."
    own = [other for other in known if other.startswith("ansible_") == name.startswith("ansible_")]
    return did_you_mean(name, own, "Set it in the inventory, or in the role's defaults/main.yml.")


def failed(error: Exception, node: Node, line: int) -> ConfigError:
    """An expression that Python could not compute."""
    named = isinstance(error, KeyError | RecursionError) or not str(error)
    reason = f"{type(error).__name__}: {error}".removesuffix(": ") if named else str(error)
    reason = re.sub(r"\bdo_(\w+)\(\)", r"the filter \1", reason)  # Jinja's functions are named so
    hint = "Join text and numbers with ~." if "concatenate" in reason else ""
    return ConfigError(f"this cannot be computed: {reason}", position=position_of_line(node, line), hint=hint)


def unknown(what: str, name: str, node: Node, known: Iterable[str]) -> ConfigError:
    """A filter or a test that does not exist here."""
    name = name.removeprefix("ansible.builtin.")
    before = r"\|" if what == "filter" else r"\bis(?:\s+not)?"
    pattern = re.compile(rf"{before}\s*(?P<name>(ansible\.builtin\.)?{re.escape(name)})(?!\w)")
    hint = did_you_mean(name, known, f"docs/ansible.md lists the {what}s there are.")
    return ConfigError(f"there is no {what} {name}", position=_position(node, 0, pattern), hint=hint)


def position_of(node: Node, name: str, start: int = 0) -> Position:
    """Where the variable ``name`` stands in ``node``, at or after offset ``start`` of its text."""
    return _position(node, start, re.compile(rf"(?<![\w.'\"])(?P<name>{re.escape(name)})(?!\w)"))


def position_of_line(node: Node, line: int) -> Position:
    """Where the first template of line ``line`` (from 1) of the text of ``node`` begins."""
    return _position(node, _line_start(node, line), _OPENING)


def line_of(error: Exception, template: Template) -> int:
    """The line of the template that raised ``error``, counted from 1."""
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == "<template>"]
    return template.get_corresponding_lineno(lines[-1]) if lines else 1


def _line_start(node: Node, line: int) -> int:
    """The offset of line ``line`` (from 1) in the text of ``node``."""
    return sum(len(part) for part in str(node.value).splitlines(keepends=True)[: line - 1])


def _position(node: Node, start: int, pattern: re.Pattern[str]) -> Position:
    """The place of the first match inside {{ }} or {% %} from ``start`` on.

    A scalar's value and its source differ in quotes, escapes and folding, but not in the words of its expressions. So
    the match is counted in the value, and the match of the same number is looked up in the file.
    """
    text = str(node.value)
    matches = list(pattern.finditer(text))
    inside = [index for index, match in enumerate(matches) if _inside(text, match.start())]
    wanted = next((index for index in inside if matches[index].start() >= start), inside[0] if inside else None)
    if wanted is None:
        return node.position if pattern is _OPENING else _position(node, start, _OPENING)
    return _in_file(node.position, pattern, wanted)


def _inside(text: str, offset: int) -> bool:
    """Is ``offset`` in an expression? A text without any braces, a ``when``, is all expression."""
    if not _OPENING.search(text):
        return True
    before = text[: offset + 2]
    opened = max(before.rfind("{{"), before.rfind("{%"))
    return opened > max(text[:offset].rfind("}}"), text[:offset].rfind("%}"))


def _in_file(start: Position, pattern: re.Pattern[str], wanted: int) -> Position:
    try:
        lines = start.file.read_text("utf-8-sig").split("\n")[start.line - 1 :]
    except (OSError, UnicodeDecodeError):
        return start
    # The opening quote is no part of the value, where a name at its start stands after nothing.
    source = "\n".join(lines)
    skipped = start.column if source[start.column - 1 : start.column] in ("'", '"') else start.column - 1
    text = " " * skipped + source[skipped:]
    for index, match in enumerate(pattern.finditer(text)):
        if index == wanted:
            offset = match.start("name") if "name" in pattern.groupindex else match.start()
            before = text[:offset].split("\n")
            return Position(start.file, start.line + len(before) - 1, len(before[-1]) + 1)
    return start
