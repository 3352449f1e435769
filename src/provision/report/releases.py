"""The deployments of hosts as a table, or as JSON lines."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from provision.errors import ProvisionError
from provision.ops.releases import Deployed, Records
from provision.report import wants_color, width_of
from provision.report.blocks import host_block
from provision.report.jsonl import error_fields
from provision.report.lines import Line, Style, ansi, line

_HEAD = ("", "MADE (UTC)", "RELEASE", "WORKERS", "SLOT", "STATE")
_STYLES: Mapping[str, Style] = {"serving": "ok", "down": "failed", "failed": "failed", "rolled-back": "changed"}


def print_releases(hosts: Sequence[str], records: Records, errors: Mapping[str, ProvisionError], *, json: bool) -> None:
    """Print the deployments of each host, the newest first; the errors of hosts go to standard error."""
    if json:
        for values in _objects(hosts, records, errors):
            sys.stdout.write(json_module.dumps(values) + "\n")
        return
    for position, host in enumerate(host for host in hosts if host in records):
        color = wants_color(sys.stdout)
        for content in (*([line("")] if position else []), line(host, "bold"), *_table(records[host])):
            sys.stdout.write(ansi(content, color=color) + "\n")
    sys.stdout.flush()
    for host, error in errors.items():
        for content in host_block(host, error, width=width_of(sys.stderr)):
            sys.stderr.write(ansi(content, color=wants_color(sys.stderr)) + "\n")


def _objects(
    hosts: Sequence[str], records: Records, errors: Mapping[str, ProvisionError]
) -> Iterator[dict[str, object]]:
    for host in hosts:
        if host in errors:
            yield {"event": "host_failed", "host": host, "error": error_fields(errors[host])}
        for deployed in reversed(records.get(host, ())):
            yield {"event": "deployment", "host": host, **asdict(deployed)}


def _table(records: Sequence[Deployed]) -> list[Line]:
    if not records:
        return [line("  nothing is deployed", "dim")]
    rows = [_HEAD, *map(_cells, reversed(records))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    styles: list[Style] = ["dim", *(_STYLES.get(deployed.state, "") for deployed in reversed(records))]
    return [_row(row, widths, style) for row, style in zip(rows, styles, strict=True)]


def _row(row: Sequence[str], widths: Sequence[int], style: Style) -> Line:
    number, *rest = row[:-1]
    cells = [f"{number:>{widths[0]}}", *(f"{cell:<{width}}" for cell, width in zip(rest, widths[1:], strict=True))]
    plain: Style = "dim" if style == "dim" else ""
    return (("  " + "  ".join(cells) + "  ", plain), (row[-1], style))


def _cells(deployed: Deployed) -> tuple[str, ...]:
    memory = f" x {deployed.memory_mb} MB" if deployed.memory_mb else ""
    made = deployed.when.replace("T", " ").removesuffix("Z")
    return (
        str(deployed.number),
        made,
        deployed.release[:12],
        f"{deployed.workers}{memory}",
        deployed.slot,
        deployed.state,
    )
