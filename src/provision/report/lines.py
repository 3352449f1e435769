"""Lines of styled text, clean of control characters: what plain output and the terminal share."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Literal, TypeAlias

Style: TypeAlias = Literal["", "ok", "changed", "unknown", "failed", "added", "removed", "dim", "bold"]
Line: TypeAlias = tuple[tuple[str, Style], ...]
"""Spans of text and style; no span holds a line break."""

WIDEST = 100
"""Columns above which prose is hard to read."""

# Ansible's colours, as parameters of SGR (ECMA-48, 8.3.117), in shades of xterm's 256 that have a contrast of 3:1 on
# white and on black (WCAG 2.1, 1.4.11): a terminal's own yellow and cyan can hardly be read on white.
_SGR: dict[Style, str] = {
    "ok": "38;5;28",
    "changed": "38;5;136",
    "unknown": "38;5;31",
    "failed": "1;38;5;196",
    "added": "38;5;28",
    "removed": "38;5;196",
    "dim": "2",
    "bold": "1",
}
# CSI and OSC sequences, other two-character escapes, and what is left of C0 and C1 controls.
_CONTROL = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b.|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)


def line(text: str, style: Style = "") -> Line:
    """One line in one style."""
    return ((text, style),)


def text_of(content: Line) -> str:
    """The bare text of a line."""
    return "".join(text for text, _ in content)


def ansi(content: Line, *, color: bool) -> str:
    """A line as a terminal wants it; bare text without ``color``."""
    if not color:
        return text_of(content)
    return "".join(f"\x1b[{_SGR[style]}m{text}\x1b[0m" if style and text else text for text, style in content)


def printable(text: str) -> str:
    """One line from a host, safe to print: no escape sequences, and of a progress bar only its last state."""
    return _CONTROL.sub("", text.rstrip("\r\n").rpartition("\r")[2]).expandtabs(8)


def printable_lines(text: str) -> list[str]:
    """The lines of ``text``, each :func:`printable`."""
    return [printable(part) for part in text.removesuffix("\n").split("\n")] if text else []


def wrapped(content: Line, width: int | None, indent: int = 0) -> Iterator[Line]:
    """``content`` in lines of ``width`` columns or less, all but the first behind ``indent`` spaces."""
    text = text_of(content)
    width = width and min(width, WIDEST)
    if width is None or len(text) <= width:
        yield content
        return
    styles = [style for part, style in content for _ in part]
    end = 0
    for number, piece in enumerate(_pieces(text, width, " " * indent)):
        margin = indent if number else 0
        start = text.index(piece[margin:], end)
        end = start + len(piece) - margin
        spans = groupby(range(start, end), lambda at: styles[at])
        yield (*line(" " * margin), *(("".join(text[at] for at in span), style) for style, span in spans))


def prose(text: str, *, indent: str, width: int | None, style: Style = "") -> Iterator[Line]:
    """``text`` wrapped to ``width`` columns; an indented line is a command or a listing and stays whole."""
    width = width and min(width, WIDEST)
    for part in printable_lines(text):
        if width is None or part.startswith(" "):
            yield line(f"{indent}{part}", style)
            continue
        yield from (line(f"{indent}{piece}", style) for piece in _pieces(part, width - len(indent)) or [""])


def _pieces(text: str, width: int, indent: str = "") -> list[str]:
    """Words longer than ``width`` stay whole: a path or an address must be copied in one piece."""
    return textwrap.wrap(
        text, max(width, len(indent) + 1), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def clock(seconds: float) -> str:
    """A time that is over: ``0.6s``, ``12.3s``, ``1m05s``, ``2h00m``."""
    return f"{seconds:.1f}s" if seconds < 59.95 else ticking(seconds + 0.5)


def ticking(seconds: float) -> str:
    """A time that still runs, in whole units, so that it changes no more than once a second."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"
