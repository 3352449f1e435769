"""The state of a host and of what runs on it, as data.

Memory of processes is their proportional set size (PSS): what several share counts once. CPU is what a process used
between two looks within one trip, in per cent of one core; the kernel counts in steps of 10 ms, so of 2 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from provision.ops import history
from provision.ops.certificates import Stored

FULL = (50, 90)
"""The per cent of a machine's memory between which it is well used, as FastAPI's deployment concepts have it."""


@dataclass(frozen=True)
class Process:
    """One process of a unit."""

    pid: int
    kind: str
    """``worker``; ``supervisor`` of workers; ``main``, of a unit without workers; ``process``."""
    up_seconds: float | None
    memory_mb: int | None
    cpu_percent: float | None
    """Of one core; None for one that has just begun."""


@dataclass(frozen=True)
class Unit:
    """A systemd unit with its processes."""

    name: str
    state: str
    """systemd's ActiveState."""
    since: datetime | None
    """When it became active; None where it is not."""
    up_seconds: float | None
    restarts: int
    """By systemd, since somebody started it."""
    memory_high_mb: int | None
    memory_max_mb: int | None
    memory_peak_mb: int | None
    """Of its control group, with the cache of its files; None where the kernel does not count it."""
    processes: tuple[Process, ...]

    @property
    def active(self) -> bool:
        """Does it run?"""
        return self.state == "active"

    @property
    def memory_mb(self) -> int:
        """What its processes take."""
        return sum(process.memory_mb or 0 for process in self.processes)

    @property
    def cpu_percent(self) -> float:
        """What its processes use of one core."""
        return sum(process.cpu_percent or 0 for process in self.processes)


@dataclass(frozen=True)
class App:
    """An app that provision has put on the host."""

    name: str
    slot: str
    """The one that serves; empty where nothing is deployed."""
    deployment: int | None
    made: str
    """When the deployment was made, by the host's clock: RFC 3339, UTC."""
    release: str
    workers: int
    """As many it shall have."""
    main: Unit | None
    """The slot's own unit; None where nothing is deployed."""
    others: tuple[Unit, ...]
    """Those of the slot's further processes, and what runs of the other slot."""

    @property
    def state(self) -> str:
        """``serving``; ``down``, it should serve and does not run; ``starting``; ``none``, nothing is deployed."""
        if self.main is None:
            return "none"
        return {"active": "serving", "activating": "starting"}.get(self.main.state, "down")

    @property
    def memory_mb(self) -> int:
        """What all its processes take."""
        return sum(unit.memory_mb for unit in (self.main, *self.others) if unit is not None)


@dataclass(frozen=True)
class Disk:
    """A file system on which provision keeps something."""

    mount: str
    size_mb: int
    used_mb: int
    free_mb: int
    """For root; a file system may keep some back for it."""

    @property
    def used_percent(self) -> int:
        """As df(1) counts it, rounded up."""
        return -(-100 * self.used_mb // max(1, self.used_mb + self.free_mb))


@dataclass(frozen=True)
class Status:
    """A host as it was at ``now``, by its own clock."""

    now: datetime
    system: str
    cores: int
    load: tuple[float, ...]
    """Over 1, 5 and 15 minutes."""
    memory_mb: int
    available_mb: int
    apps: tuple[App, ...]
    services: tuple[Unit, ...]
    disks: tuple[Disk, ...]
    certificates: tuple[Stored, ...]
    last_run: history.Entry | None

    @property
    def used_percent(self) -> int:
        """The share of the memory that is in use."""
        return self.share(self.memory_mb - self.available_mb)

    @property
    def empty(self) -> bool:
        """Has provision never been here?"""
        return not self.apps and not self.services and self.last_run is None

    def share(self, memory_mb: int) -> int:
        """Per cent of the host's memory."""
        return memory_mb * 100 // max(1, self.memory_mb)
