"""An error as one block: where, what, the line or the log that shows it, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

from provision.errors import ConfigError, HostError, Interrupted, Locked, ProvisionError, Unreachable
from provision.report.lines import Line, Style, line, printable, prose
from provision.yamlfile import excerpt

LOG_LINES = 20
"""How much of a failed step's log is shown; the cause of an error stands in its last lines."""


def error_block(error: ProvisionError, *, width: int | None = None, label: str = "error") -> list[Line]:
    """The block of an error that belongs to no host. ``width`` wraps its prose; None leaves it in one line."""
    position = error.position if isinstance(error, ConfigError) else None
    head, *rest = error.message.split("\n") or [""]
    start = f"{position}: {label}:" if position else f"{label}:"
    block: list[Line] = []
    for number, part in enumerate(prose(f"{start} {head}", indent="", width=width)):
        block.append(_with_head(part, start) if number == 0 else part)
    block.extend(part for text in rest for part in prose(text, indent="  ", width=width))
    if position:
        block.extend(_source(excerpt(position), position.line))
    block.extend(_hint(error.hint, width))
    return block


def host_block(host: str, error: ProvisionError, *, width: int | None = None) -> list[Line]:
    """The block of an error that ended ``host``."""
    task = error.task if isinstance(error, HostError) else ""
    word = _word(error)
    block: list[Line] = [
        ((f"{word:<8} ", "failed"), (f"[{host}]", "bold"), (f" {printable(task)}" if task else "", ""))
    ]
    block.extend(prose(error.message, indent="  ", width=width))
    if isinstance(error, ConfigError) and error.position:
        block.append(line(f"  {error.position}"))
        block.extend(_source(excerpt(error.position), error.position.line))
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


def _source(shown: str, number: int) -> Iterator[Line]:
    """The line a ConfigError points at, in the manner of compilers."""
    if not shown:
        return
    source, _, caret = shown.partition("\n")
    gutter = f"{number:>5} | "
    # Tabs are in both lines, so expanding both keeps the caret under its column.
    yield ((gutter, "dim"), (source.expandtabs(4), ""))
    yield ((" " * (len(gutter) - 2) + "| ", "dim"), (caret.expandtabs(4), "failed"))


def _log(log: tuple[str, ...]) -> Iterator[Line]:
    shown = log[-LOG_LINES:]
    if len(shown) < len(log):
        yield line(f"    | ... {len(log) - len(shown)} lines before", "dim")
    for entry in shown:
        yield (("    | ", "dim"), (printable(entry), ""))


def _hint(hint: str, width: int | None) -> Iterator[Line]:
    head: Style = "bold"
    label = "  hint: "
    for number, (content, *_) in enumerate(prose(hint, indent=" " * len(label), width=width)):
        text = content[0]
        yield ((label, head), (text[len(label) :], "")) if number == 0 else line(text)
