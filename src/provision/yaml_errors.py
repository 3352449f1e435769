"""What libyaml finds wrong, in plain words and at the place where it is to be mended."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from provision.errors import ConfigError, Position

# libyaml counts these as ends of line, so its line numbers do too.
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_COLON_WITHOUT_SPACE = re.compile(r"\s*[\w.-]+(:)[^\s:/]+\s*")

_PLAIN_WORDS = {
    "mapping values are not allowed in this context": (
        "a ': ' that does not fit here",
        "quote the value if the colon belongs to it; otherwise check the indentation",
    ),
    "did not find expected key": ("this line does not fit the mapping above it", "check its indentation"),
    "did not find expected '-' indicator": ("this line does not fit the list above it", "check its indentation"),
    "could not find expected ':'": ("a key without ':'", "write `key: value`"),
    "found unexpected end of stream": ("this quote is never closed", "add the closing quote"),
    "did not find expected ',' or ']'": ("this '[' is not closed, or a comma is missing", "check up to the ']'"),
    "did not find expected ',' or '}'": ("this '{' is not closed, or a comma is missing", "check up to the '}'"),
    "block sequence entries are not allowed in this context": (
        "a list cannot start on the line of its key",
        "put each `- item` on a line of its own",
    ),
    "found unknown escape character": (
        "an unknown escape in double quotes",
        "write the backslash twice, or use single quotes",
    ),
    "did not find expected node content": ("a value is missing here", "quote it if it begins with this character"),
}
_NEEDS_QUOTES = {
    "found character that cannot start any token",
    "did not find expected alphabetic or numeric character",
}


def split_lines(text: str) -> list[str]:
    """The lines of ``text``, as libyaml counts them."""
    return _LINE_END.split(text)


def position_at(before: str, file: Path) -> Position:
    """The place in ``file`` after the text ``before``."""
    lines = split_lines(before)
    return Position(file, len(lines), len(lines[-1]) + 1)


def syntax_error(error: yaml.MarkedYAMLError, text: str, file: Path) -> ConfigError:
    """The error for what libyaml found in ``text``."""
    problem, mark = error.problem or "", error.problem_mark
    unclosed = problem.startswith(("could not find expected ':'", "found unexpected end", "did not find expected ','"))
    if mark is None or ((unclosed or problem in _NEEDS_QUOTES) and error.context_mark is not None):
        mark = error.context_mark
    if mark is None:
        return ConfigError(f"not valid YAML: {problem}", position=Position(file, 1, 1))
    lines = split_lines(text)
    row, column = mark.line, mark.column
    line, above = (lines[number] if 0 <= number < len(lines) else "" for number in (row, row - 1))
    indent = line[: len(line) - len(line.lstrip())]
    message, hint = _PLAIN_WORDS.get(problem, (f"not valid YAML: {problem}", ""))
    if "\t" in indent or line[column : column + 1] == "\t":
        column = line.index("\t") if "\t" in indent else column
        message, hint = "a tab: YAML indents with spaces", "replace it with spaces"
    elif problem in _NEEDS_QUOTES:
        message, hint = f"a value cannot begin with {line[column]}", "put it in quotes"
    elif problem == "did not find expected key" and line[:column].strip():
        message, hint = "the value ended before this", "put all of it in quotes"
    elif problem.startswith("mapping values") and (found := _COLON_WITHOUT_SPACE.fullmatch(above)):
        row, column = row - 1, found.start(1)
        message, hint = "a ':' without a space after it", "write `key: value`"
    return ConfigError(message, position=Position(file, row + 1, column + 1), hint=hint)
