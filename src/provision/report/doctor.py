"""What `provision doctor` found, as a list for each host or as JSON lines."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator, Mapping, Sequence

from provision.checks import Check, Status
from provision.ops.doctor.examine import Findings
from provision.report import wants_color, width_of
from provision.report.blocks import host_block
from provision.report.jsonl import error_fields
from provision.report.lines import Line, Style, ansi, line, printable, wrapped

_SYMBOLS: Mapping[Status, str] = {"ok": "✓", "warn": "!", "fail": "✗", "skipped": "–"}  # noqa: RUF001
_WORDS: Mapping[Status, str] = {"ok": "ok", "warn": "warn", "fail": "fail", "skipped": "-"}
_STYLES: Mapping[Status, Style] = {"ok": "ok", "warn": "changed", "fail": "failed", "skipped": "dim"}


def print_findings(hosts: Sequence[str], found: Findings, *, json: bool) -> None:
    """Print the checks of each host and a summary; the errors of hosts go to standard error."""
    if json:
        for values in _objects(hosts, found):
            sys.stdout.write(json_module.dumps(values) + "\n")
        return
    marks = _SYMBOLS if _is_terminal_of_symbols() else _WORDS
    for content in _lines(hosts, found, marks, width_of(sys.stdout)):
        sys.stdout.write(ansi(content, color=wants_color(sys.stdout)) + "\n")
    sys.stdout.flush()
    for host, error in found.errors.items():
        for content in host_block(host, error, width=width_of(sys.stderr)):
            sys.stderr.write(ansi(content, color=wants_color(sys.stderr)) + "\n")


def _is_terminal_of_symbols() -> bool:
    if not sys.stdout.isatty():
        return False
    try:
        "".join(_SYMBOLS.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _objects(hosts: Sequence[str], found: Findings) -> Iterator[dict[str, object]]:
    for host in hosts:
        if host in found.errors:
            yield {"event": "host_failed", "host": host, "error": error_fields(found.errors[host])}
        for check in found.checks.get(host, ()):
            yield {
                "event": "check",
                "host": host,
                "id": check.id,
                "subject": check.subject,
                "status": check.status,
                "found": check.found,
                "advice": check.advice,
            }


def _lines(hosts: Sequence[str], found: Findings, marks: Mapping[Status, str], width: int | None) -> Iterator[Line]:
    mark = max(map(len, marks.values()))
    names = max((len(check.id) for checks in found.checks.values() for check in checks), default=0)
    for host in hosts:
        if host in found.checks:
            yield line(host, "bold")
            for check in found.checks[host]:
                yield from _check(check, f"{marks[check.status]:<{mark}}", names, width)
    yield _summary(found)


def _check(check: Check, mark: str, names: int, width: int | None) -> Iterator[Line]:
    indent = 2 + len(mark) + 2 + names + 2
    quiet: Style = "dim" if check.status == "skipped" else ""
    head: Line = ((f"  {mark}  ", _STYLES[check.status]), (f"{check.id:<{names}}  ", "dim"))
    yield from wrapped((*head, (printable(check.found), quiet)), width, indent)
    if check.bad and check.advice:
        hint: Line = ((" " * indent + "hint: ", "bold"), (printable(check.advice), ""))
        yield from wrapped(hint, width, indent + len("hint: "))


def _summary(found: Findings) -> Line:
    every = [check.status for checks in found.checks.values() for check in checks]
    failed, warned = every.count("fail"), every.count("warn")
    bad = [f"{failed} failed"] * bool(failed) + [_count(warned, "warning")] * bool(warned)
    unread = f", {_count(len(found.errors), 'host')} could not be asked" if found.errors else ""
    what = ", ".join(bad) if bad else "nothing is wrong" if every else "nothing was found out"
    told = f"{_count(len(found.checks), 'host')}, {_count(len(every), 'check')}: {what}{unread}"
    return line(told, "failed" if failed or found.errors else "changed" if warned else "ok")


def _count(number: int, word: str) -> str:
    return f"{number} {word if number == 1 else word + 's'}"
