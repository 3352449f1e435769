"""The runs that hosts have on record, or JSON lines of them."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from provision.errors import ProvisionError
from provision.ops.history import Entry, Records, Unreadable, merged
from provision.report import wants_color, width_of
from provision.report.blocks import host_block
from provision.report.jsonl import error_fields
from provision.report.lines import Line, Style, ansi, line, printable, wrapped

_STYLES: Mapping[str, Style] = {"ok": "ok", "failed": "failed", "lost": "failed", "stopped": "changed"}
_INDENT = 4
_SHOWN = 60
"""Characters of a line that cannot be read."""


def print_history(hosts: Sequence[str], records: Records, errors: Mapping[str, ProvisionError], *, json: bool) -> None:
    """Print the runs of all hosts, the newest last; the errors of hosts go to standard error."""
    if json:
        for values in _objects(hosts, records, errors):
            sys.stdout.write(json_module.dumps(values) + "\n")
        return
    for content in _lines(hosts, records, width_of(sys.stdout)):
        sys.stdout.write(_encodable(ansi(content, color=wants_color(sys.stdout)), sys.stdout.encoding) + "\n")
    sys.stdout.flush()
    for host, error in errors.items():
        for content in host_block(host, error, width=width_of(sys.stderr)):
            sys.stderr.write(ansi(content, color=wants_color(sys.stderr)) + "\n")


def _encodable(text: str, encoding: str | None) -> str:
    """What a command holds that was no text where it was typed, or is none where it is shown, is shown escaped."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _objects(
    hosts: Sequence[str], records: Records, errors: Mapping[str, ProvisionError]
) -> Iterator[dict[str, object]]:
    for host in hosts:
        if host in errors:
            yield {"event": "host_failed", "host": host, "error": error_fields(errors[host])}
    for host, entry in merged(records):
        name = "unreadable_line" if isinstance(entry, Unreadable) else "run"
        yield {"event": name, "host": host, **asdict(entry)}


def _lines(hosts: Sequence[str], records: Records, width: int | None) -> Iterator[Line]:
    found = merged(records)
    heads = [_head(host, entry) for host, entry in found]
    widths = [max((len(head[column]) for head in heads), default=0) for column in range(len(heads[0]) if heads else 0)]
    for head, (_, entry) in zip(heads, found, strict=True):
        yield from _block(head, widths, entry, width)
    for host in hosts:
        if host in records and not records[host]:
            yield line(f"{host}: no run is on record", "dim")


def _head(host: str, entry: Entry) -> tuple[str, ...]:
    when = entry.when.replace("T", " ").removesuffix("Z") or "?"
    if isinstance(entry, Unreadable):
        return when, host, "unreadable", ""
    changed = "" if entry.changed is None else f"changed={entry.changed}"
    return when, host, entry.result, changed


def _block(head: Sequence[str], widths: Sequence[int], entry: Entry, width: int | None) -> Iterator[Line]:
    """When, where and how, who; below that what."""
    when, host, result, changed = (f"{cell:<{room}}" for cell, room in zip(head, widths, strict=True))
    styled: Line = ((f"{when}  ", "dim"), (f"{host}  ", "bold"), (result, _STYLES.get(head[2], "unknown")))
    if isinstance(entry, Unreadable):
        yield styled
        yield line(" " * _INDENT + printable(entry.text)[:_SHOWN], "dim")
        return
    origin = f" from {printable(entry.origin)}" if entry.origin else ""
    who: Line = ((f"  {changed}  {printable(entry.who)}{origin}, {printable(entry.version)}", ""),)
    yield from wrapped((*styled, *who), width, _INDENT)
    yield from _indented(entry.command, width)
    if entry.task:
        yield from _indented(f"failed: {entry.role} : {entry.task}", width, "failed")


def _indented(text: str, width: int | None, style: Style = "") -> Iterator[Line]:
    return wrapped(line(" " * _INDENT + printable(text.replace("\n", " ")), style), width, _INDENT)
