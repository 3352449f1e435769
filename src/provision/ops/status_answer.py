"""What asks a host for its status, and its answer -> a Status. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from provision.errors import HostError
from provision.ops import history
from provision.ops.certificates import Stored, stored
from provision.ops.status import App, Disk, Process, Status, Unit
from provision.resources.base import Facts, Reading, Shell
from provision.resources.certificates import STORAGE
from provision.resources.programs import program
from provision.shell import Sh, lines, sh

PAUSE = "0.5"
"""Seconds between the two looks at processes."""

_TIME = re.compile(r"\w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", re.ASCII)
_PARENT, _STARTED, _USED = 1, 19, (11, 12)
"""Fields of /proc/PID/stat behind the name, see proc(5): ppid, starttime, and utime and stime."""


def read() -> Shell:
    """What asks a host for its status."""
    own = Path(__file__).with_name("status.sh").read_text(encoding="utf-8")
    of_app = lines("of_app() {", program("state.sh", NAME=Sh('"$1"')), "}")
    given = sh("pause={} lines={} certificates={}", PAUSE, history.TRIPS, STORAGE)
    return Shell(lines(given, of_app, own), timeout=20)


def parse(reading: Reading, facts: Facts) -> Status:
    """The answer to ``read()``. Raises HostError for one that is damaged."""
    if reading.get("rc") != "0" or not _number(reading.get("now")):
        raise HostError(
            "its status could not be read: the program for that "
            + ("took too long" if reading.get("rc") == "124" else f"ended with {reading.get('rc') or 'nothing'}"),
            hint="try again; a host that is short of memory answers late",
        )
    return _Answer(reading).status(facts)


class _Answer:
    """The lines of an answer, by the first word of their keys."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._now = datetime.fromtimestamp(min(_number(reading["now"]), 1 << 36), UTC)
        self._ticks = _number(reading.get("ticks")) or 100
        self._uptimes = [_decimal(reading.get(when)) for when in ("before", "after")]
        self._groups: dict[str, dict[str, str]] = {}
        for key, text in reading.items():
            kind, _, rest = key.partition(" ")
            if rest:
                self._groups.setdefault(kind, {})[rest] = text

    def status(self, facts: Facts) -> Status:
        """All of it."""
        memory = self._of("memory")
        services = [name for name, text in self._of("unit").items() if text.startswith("service ")]
        return Status(
            now=self._now,
            system=f"{facts.distribution} {facts.distribution_version}",
            cores=facts.processor_vcpus,
            load=tuple(map(_decimal, self._reading.get("load", "").split()[:3])),
            memory_mb=_number(memory.get("MemTotal")) // 1024,
            available_mb=_number(memory.get("MemAvailable")) // 1024,
            apps=tuple(self._app(name) for name in self._of("app") if " " not in name),
            services=tuple(self._unit(name) for name in services),
            disks=tuple(self._disks()),
            certificates=tuple(self._certificates()),
            last_run=next(iter(history.parse("\n".join(self._of("run").values()), 1)), None),
        )

    def _of(self, kind: str) -> Mapping[str, str]:
        return self._groups.get(kind, {})

    def _app(self, name: str) -> App:
        values = self._of("app")
        units = [unit for unit, text in self._of("unit").items() if text == f"app {name}"]
        slot = values[name] if values[name] in {"blue", "green"} else ""
        own = f"app-{name}@{slot}.service"
        # One worker has no supervisor.
        alone = "worker" if values.get(f"{name} workers") == "1" else "main"
        return App(
            name=name,
            slot=slot,
            deployment=_number(values.get(f"{name} number")) or None,
            made=values.get(f"{name} when", ""),
            release=values.get(f"{name} release", ""),
            workers=_number(values.get(f"{name} workers")),
            main=self._unit(own, alone) if own in units else None,
            others=tuple(self._unit(unit) for unit in units if unit != own),
        )

    def _unit(self, name: str, main: str = "main") -> Unit:
        """``main`` is the kind of a main process that has spawned no workers."""
        found = self._of("unit")
        state = found.get(f"{name} ActiveState", "") or "unknown"
        since = _time(found.get(f"{name} ActiveEnterTimestamp", "")) if state == "active" else None
        processes = [self._process(pid, found.get(f"{name} MainPID", ""), main) for pid in self._pids(name)]
        return Unit(
            name=name.removesuffix(".service"),
            state=state,
            since=since,
            up_seconds=max(0.0, (self._now - since).total_seconds()) if since else None,
            restarts=_number(found.get(f"{name} NRestarts")),
            memory_high_mb=_megabytes(found.get(f"{name} MemoryHigh")),
            memory_max_mb=_megabytes(found.get(f"{name} MemoryMax")),
            memory_peak_mb=_megabytes(found.get(f"{name} MemoryPeak")),
            processes=tuple(process for process in processes if process is not None),
        )

    def _pids(self, unit: str) -> Iterator[str]:
        return (pid for pid, owner in self._of("process").items() if owner == unit)

    def _process(self, pid: str, main: str, alone: str) -> Process | None:
        """None for one that ended meanwhile."""
        before, after = (self._of(when).get(pid, "").split() for when in ("before", "after"))
        if len(after) < 20 or not _number(pid):
            return None
        began = _number(after[_STARTED])
        cpu = None
        if len(before) >= 20 and before[_STARTED] == after[_STARTED]:
            used = sum(_number(after[field]) - _number(before[field]) for field in _USED)
            elapsed = self._uptimes[1] - self._uptimes[0]
            cpu = round(100 * used / self._ticks / elapsed, 1) if elapsed > 0 else None
        size = self._of("pss").get(pid)
        return Process(
            pid=int(pid),
            kind=self._kind(pid, after[_PARENT], main) or alone,
            up_seconds=round(max(0.0, self._uptimes[1] - began / self._ticks), 2),
            memory_mb=round(_number(size) / 1024) if size else None,
            cpu_percent=cpu,
        )

    def _kind(self, pid: str, parent: str, main: str) -> str:
        """As gate.py tells workers: the supervisor spawns them, and the tracker of its resources beside them."""
        spawned = self._of("spawned")
        if pid != main:
            return "worker" if pid in spawned and parent == main else "process"
        parents = {fields[_PARENT] for each in spawned if len(fields := self._of("after").get(each, "").split()) > 1}
        return "supervisor" if main in parents else ""

    def _disks(self) -> Iterator[Disk]:
        for mount, text in self._of("disk").items():
            sizes = [_number(word) >> 20 for word in text.split()]
            if len(sizes) == 3 and sizes[0]:
                yield Disk(mount, *sizes)

    def _certificates(self) -> Iterator[Stored]:
        """Of each name the last that was issued: Caddy keeps those of an authority it has left."""
        found: dict[str, Stored] = {}
        for place, encoded in sorted(self._of("certificate").items()):
            authority, _, site = place.partition(" ")
            new = stored(authority, site, encoded, self._now)
            old = found.get(new.name)
            if old is None or (new.not_before and (not old.not_before or new.not_before > old.not_before)):
                found[new.name] = new
        yield from found.values()


def _time(text: str) -> datetime | None:
    found = _TIME.fullmatch(text)
    try:
        return datetime.fromisoformat(f"{found[1]}+00:00") if found else None
    except ValueError:
        return None


def _number(text: str | None) -> int:
    """A number that the kernel or systemd may have counted; 0 for anything else."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else 0


def _decimal(text: str | None) -> float:
    return float(text) if text and re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", text) else 0.0


def _megabytes(text: str | None) -> int | None:
    """Of bytes; None for what is no limit: ``infinity``, ``[not set]``."""
    return _number(text) >> 20 if text and re.fullmatch(r"[0-9]{1,18}", text) else None
