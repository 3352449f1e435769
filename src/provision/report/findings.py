"""What lint found, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from provision.inventory import Host
from provision.lint import Findings
from provision.report.blocks import error_block
from provision.report.jsonl import error_fields
from provision.report.lines import Line, Style, line, prose, text_of


def findings(found: Findings, inventory: Path, hosts: Sequence[Host], *, width: int | None) -> Iterator[Line]:
    """Notes, errors and warnings, and at the end how many there are."""
    for note in found.notes:
        first, *rest = prose(f"notice:  {note}", indent="", width=width)
        yield (("notice:  ", "unknown"), (text_of(first).removeprefix("notice:  "), ""))
        yield from (line(f"{'':<9}{text_of(part)}") for part in rest)
    for error in found.errors:
        yield from error_block(error, width=width)
        yield line("")
    for warning in found.warnings:
        for content in error_block(warning, width=width, label="warning"):
            yield tuple((text, _milder(style)) for text, style in content)
        yield line("")
    on = f" ({_count(len(hosts), 'host')})" if hosts else ""
    yield line(f"{inventory}: {_verdict(found)}{on}", "failed" if found.errors else "ok")


def finding_fields(found: Findings) -> Iterator[dict[str, object]]:
    """The same for programs: an object for each."""
    for note in found.notes:
        yield {"event": "finding", "severity": "notice", "message": note, "hint": ""}
    for severity, errors in (("error", found.errors), ("warning", found.warnings)):
        for error in errors:
            values = error_fields(error)
            told = [key for key in ("message", "hint", "file", "line", "column") if key in values]
            yield {"event": "finding", "severity": severity} | {key: values[key] for key in told}


def _milder(style: Style) -> Style:
    return "changed" if style == "failed" else style


def _verdict(found: Findings) -> str:
    if not (found.errors or found.warnings):
        return "nothing is wrong"
    counts = [(len(found.errors), "error"), (len(found.warnings), "warning")]
    return ", ".join(_count(number, word) for number, word in counts if number)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
