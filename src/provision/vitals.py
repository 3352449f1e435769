"""What every survey learns of a host's health beside its facts, and what of it is worth a notice. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from provision.checks import Check

MB = 1024 * 1024

CLOCK_OFF, CLOCK_WRONG = 5.0, 60.0
"""Seconds. Certificates and signatures of repositories that were just made are refused by a clock that is behind."""

MEMORY_SMALL = 450
"""MB of a host below which apt and uv are killed for want of memory; 512 MB machines have a little less than that."""
MEMORY_SHORT = 80
"""MB that are available."""

DISK_FULL, DISK_SHORT = 250, 1024
"""MB: less than one build of an app takes, and room for a few."""
INODES_FULL, INODES_SHORT = 5_000, 20_000
"""A virtual environment has some thousand files."""


@dataclass(frozen=True)
class Disk:
    """The file system of a folder, as statfs(2) has it."""

    path: str
    free_mb: int
    """For others than root."""
    total_mb: int
    inodes_free: int
    inodes_total: int
    """0 where they are made when they are needed."""
    key: str
    """Equal for folders on one file system."""


@dataclass(frozen=True)
class Vitals:
    """All but the disks may be unknown."""

    time: float | None = None
    """Seconds since 1970, by the host's clock."""
    precision: float = 1.0
    """Seconds by which ``time`` may be too low."""
    memory_available_mb: int | None = None
    memory_total_mb: int | None = None
    disks: tuple[Disk, ...] = ()


def ahead(vitals: Vitals, began: float, ended: float) -> float | None:
    """Seconds, at least, by which the host's clock is before ours; negative behind it; 0 where the trip explains it.

    ``began`` and ``ended`` are the times of ours between which the host was asked for its own.
    """
    if vitals.time is None:
        return None
    return max(0.0, vitals.time - ended) + min(0.0, vitals.time + vitals.precision - began)


def clock(seconds: float | None) -> Check:
    """Does the host's clock, ``seconds`` ahead of ours, agree?"""
    if seconds is None:
        return Check("clock", "skipped", "the host does not say what time it is")
    off = abs(seconds)
    if off <= CLOCK_OFF:
        return Check("clock", "ok", "the clock agrees with this machine's")
    found = f"the clock is {_duration(off)} {'ahead of' if seconds > 0 else 'behind'} this machine's"
    advice = "see which of the two is wrong, and let NTP set it: on the host `timedatectl set-ntp true`"
    if off <= CLOCK_WRONG:
        return Check("clock", "warn", found, advice)
    return Check("clock", "fail", f"{found}: apt and certificate authorities refuse such a time", advice)


def memory(vitals: Vitals) -> Check:
    """Is there memory enough to work with, whatever the app needs?"""
    total, available = vitals.memory_total_mb, vitals.memory_available_mb
    if total is None or available is None:
        return Check("memory", "skipped", "the host does not say how much memory it has")
    found = f"{available} of {total} MB of memory are available"
    if available < MEMORY_SHORT:
        return Check("memory", "warn", found, "see what takes it (`systemd-cgtop -m`), or take a larger machine")
    if total < MEMORY_SMALL:
        advice = "apt and uv may be killed for want of it: add swap, or take a machine with 1 GB"
        return Check("memory", "warn", found, advice)
    return Check("memory", "ok", found)


def disks(vitals: Vitals) -> list[Check]:
    """Is there room, and are there inodes, on each file system?"""
    seen: dict[str, Disk] = {}
    for disk in vitals.disks:
        seen.setdefault(disk.key, disk)
    return [_disk(disk) for disk in seen.values()] or [
        Check("disk", "skipped", "the host does not say how full its file systems are")
    ]


def _disk(disk: Disk) -> Check:
    found = f"{_size(disk.free_mb)} of {_size(disk.total_mb)} are free on {disk.path}"
    advice = f"make room: `du -xh {disk.path} | sort -h | tail -n 30`, `apt-get clean`, `journalctl --vacuum-size=100M`"
    if disk.free_mb < DISK_SHORT:
        return Check("disk", "fail" if disk.free_mb < DISK_FULL else "warn", found, advice)
    if disk.inodes_total and disk.inodes_free < INODES_SHORT:
        found = f"{found}, but {disk.inodes_free} of {disk.inodes_total} inodes"
        advice = f"remove small files: `du -x --inodes {disk.path} | sort -n | tail -n 30` shows where they are"
        return Check("disk", "fail" if disk.inodes_free < INODES_FULL else "warn", found, advice)
    return Check("disk", "ok", found)


def notices(vitals: Vitals, began: float, ended: float) -> list[str]:
    """A sentence for each that is bad; see :func:`ahead`."""
    checks: Iterable[Check] = (clock(ahead(vitals, began, ended)), memory(vitals), *disks(vitals))
    return [f"{check.found}; {check.advice}" for check in checks if check.bad]


def _duration(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def _size(mb: int) -> str:
    return f"{mb / 1024:.1f} GB" if mb >= 1024 else f"{mb} MB"
