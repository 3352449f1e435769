"""The state of hosts as blocks, one for each, or as JSON lines."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from provision.ops.certificates import Stored
from provision.ops.history import Entry, Unreadable
from provision.ops.status import FULL, App, Disk, Process, Status, Unit
from provision.ops.status_run import Drift, Seen
from provision.report import wants_color, width_of
from provision.report.blocks import host_block
from provision.report.jsonl import error_fields
from provision.report.lines import Line, Style, ansi, line, printable, wrapped

_INDENT = 2
_NAMED = 3
"""So many pending changes are named."""

_STATES: Mapping[str, Style] = {
    **dict.fromkeys(("serving", "active", "valid", "ok", "in_sync"), "ok"),
    **dict.fromkeys(("down", "failed", "inactive", "early", "expired", "unreadable", "lost"), "failed"),
    **dict.fromkeys(("starting", "activating", "late", "pending", "stopped"), "changed"),
}
_CERTIFICATES = {
    "early": ", and is not valid yet: a clock was or is wrong",
    "late": ", and should have been renewed: see the journal of caddy",
    "unreadable": "cannot be read",
}
_FULL_DISK = (80, 95)
"""Per cent above which a file system is worth a look, and above which it is about to be full."""

Row = tuple[str, Line]
"""A label, and what there is to say."""


def print_status(hosts: Sequence[str], seen: Mapping[str, Seen], *, json: bool) -> None:
    """Print what was seen of each host; the errors of hosts go to standard error."""
    found = [seen[host] for host in hosts if host in seen]
    if json:
        for each in found:
            sys.stdout.write(as_json(each) + "\n")
        return
    separator = ""
    for each in found:
        if each.status is not None:
            sys.stdout.write(separator)
            write(block(each, width_of(sys.stdout)))
            separator = "\n"
    sys.stdout.flush()
    for each in found:
        if each.error is not None:
            for content in host_block(each.host, each.error, width=width_of(sys.stderr)):
                sys.stderr.write(ansi(content, color=wants_color(sys.stderr)) + "\n")


def write(content: Iterable[Line]) -> None:
    """Write lines to standard output; what it cannot encode is escaped."""
    color, encoding = wants_color(sys.stdout), sys.stdout.encoding or "utf-8"
    for part in content:
        text = ansi(part, color=color) + "\n"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def as_json(seen: Seen) -> str:
    """One JSON object: the event ``status``, or ``host_failed`` as `up --json` has it."""
    if seen.status is None:
        error = error_fields(seen.error) if seen.error is not None else None
        return json_module.dumps({"event": "host_failed", "host": seen.host, "error": error})
    status = seen.status
    values: dict[str, Any] = {
        **asdict(status),
        "used_percent": status.used_percent,
        "apps": [_app_values(app, status) for app in status.apps],
        "services": list(map(_unit_values, status.services)),
        "disks": [{**asdict(disk), "used_percent": disk.used_percent} for disk in status.disks],
        "drift": asdict(seen.drift) if seen.drift is not None else None,
    }
    return json_module.dumps({"event": "status", "host": seen.host, **values}, default=_json_value)


def _app_values(app: App, status: Status) -> dict[str, Any]:
    return {
        **asdict(app),
        "state": app.state,
        "memory_mb": app.memory_mb,
        "memory_percent": status.share(app.memory_mb),
        "main": _unit_values(app.main) if app.main is not None else None,
        "others": list(map(_unit_values, app.others)),
    }


def _unit_values(unit: Unit) -> dict[str, Any]:
    return {**asdict(unit), "memory_mb": unit.memory_mb, "cpu_percent": round(unit.cpu_percent, 1)}


def _json_value(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat().replace("+00:00", "Z")


def block(seen: Seen, width: int | None) -> Iterator[Line]:
    """A host in lines of ``width`` columns."""
    if seen.status is None:
        if seen.error is not None:
            yield from host_block(seen.host, seen.error, width=width)
        return
    status = seen.status
    load = " ".join(f"{value:.2f}" for value in status.load)
    cores = f"{status.cores} core{'s' * (status.cores != 1)}"
    yield ((seen.host, "bold"), (f"  {printable(status.system)}, {cores}, load {load}", "dim"))
    if status.empty:
        yield line(" " * _INDENT + "nothing of provision is here yet", "dim")
    rows = [*_rows(status), *([("drift", _drift(seen.drift))] if seen.drift is not None else [])]
    room = max(len(label) for label, _ in rows) + _INDENT
    for label, content in rows:
        head: Line = ((f"{'':{_INDENT}}{label:<{room}}", "dim"),)
        yield from wrapped((*head, *content), width, _INDENT + room)


def _rows(status: Status) -> Iterator[Row]:
    for app in status.apps:
        yield from _app(app, status)
    for unit in status.services:
        yield printable(unit.name), (*_unit(unit), (f", {_use(unit)}", "") if unit.active else ("", ""))
    yield "memory", _memory(status)
    for disk in status.disks:
        yield "disk", _disk(disk)
    for found in status.certificates:
        yield "certificate", _certificate(found, status.now)
    if status.last_run is not None:
        yield "last run", _run(status.last_run)


def _app(app: App, status: Status) -> Iterator[Row]:
    if app.main is None:
        yield printable(app.name), line("nothing is deployed", "dim")
        return
    number = f"deployment {app.deployment} in {app.slot}" if app.deployment else app.slot
    yield printable(app.name), ((app.state, _STATES[app.state]), (f"  {printable(number)}", ""), *_times(app.main))
    workers = [process for process in app.main.processes if process.kind == "worker"]
    if len(workers) < app.workers and any(process.kind == "supervisor" for process in app.main.processes):
        yield "", line(f"{len(workers)} of {app.workers} workers run", "failed")
    yield from _processes(app.main.processes)
    for unit in app.others:
        yield "", ((f"{printable(unit.name)}  ", ""), *_unit(unit))
        yield from _processes(unit.processes)
    yield "", line(f"memory {app.memory_mb} MB, {status.share(app.memory_mb)} % of the host{_limits(app.main)}")


def _processes(processes: Sequence[Process]) -> Iterator[Row]:
    """In columns, the workers first; what uvicorn has beside them takes little and is left out."""
    supervised = any(process.kind == "supervisor" for process in processes)
    shown = [process for process in processes if process.kind != "process" or not supervised]
    for process in sorted(shown, key=lambda each: ("worker", "main", "supervisor", "process").index(each.kind)):
        memory = "-" if process.memory_mb is None else f"{process.memory_mb} MB"
        cpu = "-" if process.cpu_percent is None else f"{process.cpu_percent:.0f} % CPU"
        up = "-" if process.up_seconds is None else f"up {age(process.up_seconds)}"
        yield "", line(f"{process.kind:<10}  {process.pid:>7}  {memory:>8}  {cpu:>9}  {up}")


def _unit(unit: Unit) -> Line:
    return ((printable(unit.state), _STATES.get(unit.state, "unknown")), *_times(unit))


def _times(unit: Unit) -> Line:
    up: Line = () if unit.up_seconds is None else ((f", up {age(unit.up_seconds)}", ""),)
    restarts = f"{unit.restarts} restart{'s' * (unit.restarts != 1)}"
    return (*up, (", ", ""), (restarts, "changed" if unit.restarts else ""))


def _use(unit: Unit) -> str:
    return f"{unit.memory_mb} MB, {unit.cpu_percent:.0f} % CPU"


def _limits(unit: Unit) -> str:
    known = {"high": unit.memory_high_mb, "max": unit.memory_max_mb}
    words = ", ".join(f"{name} {value} MB" for name, value in known.items() if value is not None)
    return f"; limits: {words}" if words else ""


def _memory(status: Status) -> Line:
    used, (low, high) = status.used_percent, FULL
    text = f"{status.memory_mb - status.available_mb} of {status.memory_mb} MB used, {used} %: "
    if used > high:
        return ((text, ""), (f"above the target of {low}-{high} %", "failed"))
    where, style = ("below", "") if used < low else ("within", "ok")
    found: Style = "ok" if style else ""
    return ((text, ""), (f"{where} the target of {low}-{high} %", found))


def _disk(disk: Disk) -> Line:
    notable, full = _FULL_DISK
    style: Style = "failed" if disk.used_percent > full else "changed" if disk.used_percent > notable else ""
    size = f"{disk.used_mb / 1024:.1f} of {disk.size_mb / 1024:.1f} GB"
    return ((f"{printable(disk.mount)}  {size} used, ", ""), (f"{disk.used_percent} %", style))


def _certificate(found: Stored, now: datetime) -> Line:
    authority = "Caddy's own authority" if found.authority == "local" else printable(found.authority)
    head = f"{printable(found.name)}  {authority}, "
    style = _STATES[found.state]
    if found.not_after is None:
        return ((head, ""), (_CERTIFICATES["unreadable"], style))
    left = (found.not_after - now).total_seconds()
    text = f"expires in {age(left)}" if left > 0 else f"expired {age(-left)} ago"
    return ((head, ""), (text + _CERTIFICATES.get(found.state, ""), style))


def _run(entry: Entry) -> Line:
    when = entry.when.replace("T", " ").removesuffix("Z")
    if isinstance(entry, Unreadable):
        return ((f"{when}  " if when else "", ""), ("its line in the record is unreadable", "failed"))
    changed = "" if entry.changed is None else f" changed={entry.changed}"
    failed = f", {printable(entry.role)} : {printable(entry.task)}" if entry.task else ""
    style = _STATES.get(entry.result, "unknown")
    return ((f"{when}  ", ""), (entry.result + failed, style), (f"{changed}, {printable(entry.who)}", ""))


def _drift(drift: Drift) -> Line:
    if drift.state == "unknown":
        return (("unknown", "unknown"), (f": {printable(drift.reason)}", ""))
    if not drift.changes:
        return line("in sync with the inventory", "ok")
    count = len(drift.changes)
    named = "; ".join(map(printable, drift.changes[:_NAMED])) + "; ..." * (count > _NAMED)
    return ((f"{count} change{'s' * (count != 1)} pending", "changed"), (f", see `provision plan`: {named}", ""))


def age(seconds: float) -> str:
    """A time in two units at most: ``5s``, ``12m``, ``3h05m``, ``2d04h``, ``83d``."""
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes}m" if minutes else f"{int(seconds)}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h" if days < 10 else f"{days}d"
