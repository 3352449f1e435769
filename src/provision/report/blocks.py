"""An error as one block: where, what, the line or the log that shows it, and what to do next."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator

from provision.environment import discreet
from provision.errors import ConfigError, HostError, Interrupted, Locked, Position, ProvisionError, Unreachable
from provision.report.headlines import INDENT
from provision.report.lines import Line, Style, line, printable, prose, wrapped
from provision.yamlfile import source_line

LOG_LINES = 20
"""How much of a failed step's log is shown; the cause of an error stands in its last lines."""

SOURCE_COLUMNS = 100
"""How much of a source line is shown where no terminal says how wide it is."""


def error_block(error: ProvisionError, *, width: int | None = None, label: str = "error") -> list[Line]:
    """The block of an error that belongs to no host. ``width`` wraps its prose; None leaves it in one line."""
    position = error.position if isinstance(error, ConfigError) else None
    head, *rest = _from_here(error.message).split("\n")
    start = f"{_place(position)}: {label}:" if position else f"{label}:"
    block: list[Line] = []
    for number, part in enumerate(prose(f"{start} {head}", indent="", width=width)):
        block.append(_with_head(part, start) if number == 0 else part)
    block.extend(part for text in rest for part in prose(text, indent="  ", width=width))
    if position:
        block.extend(_source(position, width))
    block.extend(_hint(error.hint, width))
    return block


def host_block(host: str, error: ProvisionError, *, width: int | None = None) -> list[Line]:
    """The block of an error that ended ``host``."""
    task = error.task if isinstance(error, HostError) else ""
    word = _word(error)
    head: Line = ((f"{word:<8} ", "failed"), (f"[{host}]", "bold"), (f" {printable(task)}" if task else "", ""))
    block = list(wrapped(head, width, INDENT))
    block.extend(prose(_from_here(error.message), indent="  ", width=width))
    if isinstance(error, ConfigError) and error.position:
        block.append(line(f"  {_place(error.position)}"))
        block.extend(_source(error.position, width))
    if isinstance(error, HostError):
        block.extend(_log(error.log))
    block.extend(_hint(error.hint, width))
    return block


def _word(error: ProvisionError) -> str:
    for kind, word in ((Unreachable, "unreachable:"), (Locked, "locked:"), (Interrupted, "stopped:")):
        if isinstance(error, kind):
            return word
    return "failed:"


def _with_head(content: Line, head: str) -> Line:
    text = content[0][0]
    return ((head, "failed"), (text.removeprefix(head), "")) if text.startswith(head) else content


def _place(position: Position) -> str:
    """``file:line:column``; a value of the command line has neither line nor column."""
    return str(position.file) if str(position.file).startswith("--set ") else _from_here(str(position))


def _from_here(text: str) -> str:
    """``text`` with the paths below the current folder as its user would type them."""
    try:
        here = os.getcwd()
    except OSError:
        return text
    return text if here == "/" else re.sub(rf"(?<![\w./-]){re.escape(here)}/", "", text)


def _source(position: Position, width: int | None) -> Iterator[Line]:
    """The line a ConfigError points at, in the manner of compilers."""
    source = discreet(source_line(position))
    if not source.strip():
        return
    gutter = f"{position.line:>5} | "
    start = position.column - 1
    before, after = _cut(source[:start], source[start:], (width or SOURCE_COLUMNS) - len(gutter))
    yield ((gutter, "dim"), (before + after, ""))
    yield ((" " * (len(gutter) - 2) + "| ", "dim"), (" " * _columns(before) + "^", "failed"))


def _cut(before: str, after: str, room: int) -> tuple[str, str]:
    """What ``room`` columns can show of a line on both sides of its caret; ``...`` stands for the rest."""
    left, right = _visible(before[-room - 1 :]), _visible(after[: room + 1])
    if _columns(left + right) <= room:
        return left, right
    if _columns(left) > room * 2 // 3:
        while _columns(left) > room // 2 - 3:
            left = left[1:]
        left = f"...{left}"
    if _columns(left + right) > room:
        while _columns(left + right) > room - 3:
            right = right[:-1]
        right = f"{right}..."
    return left, right


def _visible(text: str) -> str:
    """Text of a file, safe to print, and as many columns wide as it looks."""
    shown = ("    " if char == "\t" else char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return "".join(shown)


def _columns(text: str) -> int:
    """How wide a terminal shows ``text`` (Unicode Standard Annex 11)."""
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def _log(log: tuple[str, ...]) -> Iterator[Line]:
    shown = log[-LOG_LINES:]
    if len(shown) < len(log):
        yield line(f"    | ... {len(log) - len(shown)} lines before", "dim")
    for entry in shown:
        yield (("    | ", "dim"), (printable(entry), ""))


def _hint(hint: str, width: int | None) -> Iterator[Line]:
    head: Style = "bold"
    label = "  hint: "
    for number, (content, *_) in enumerate(prose(_from_here(hint), indent=" " * len(label), width=width)):
        text = content[0]
        yield ((label, head), (text[len(label) :], "")) if number == 0 else line(text)
