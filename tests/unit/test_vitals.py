"""What a survey learns of a host's health, and what of it is worth a notice."""

from __future__ import annotations

import pytest

from provision.answers import disk_of
from provision.errors import HostError
from provision.vitals import Disk, Vitals, ahead, clock, disks, memory, notices

HEALTHY = Disk("/", free_mb=5000, total_mb=20000, inodes_free=900_000, inodes_total=1_000_000, key="fd00")


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (1000.0, 0.0),
        (1001.5, 0.0),
        (1003.0, 1.0),
        (999.0, 0.0),
        (990.0, -9.0),
        (4602.0, 3600.0),
        (None, None),
    ],
)
def test_the_trip_explains_a_difference_up_to_its_length(time: float | None, seconds: float | None) -> None:
    """We asked between 1000 and 1002; the host says whole seconds."""
    assert ahead(Vitals(time), 1000.0, 1002.0) == seconds


@pytest.mark.parametrize(
    ("seconds", "status", "says"),
    [
        (0.0, "ok", "agrees"),
        (-5.0, "ok", "agrees"),
        (12.0, "warn", "the clock is 12 s ahead of this machine's"),
        (-59.0, "warn", "the clock is 59 s behind this machine's"),
        (-61.0, "fail", "61 s behind this machine's: apt and certificate authorities refuse"),
        (7200.0, "fail", "2 hours ahead"),
        (-864000.0, "fail", "10 days behind"),
        (None, "skipped", "does not say"),
    ],
)
def test_a_clock(seconds: float | None, status: str, says: str) -> None:
    check = clock(seconds)
    assert (check.status, says in check.found) == (status, True), check
    assert bool(check.advice) == check.bad


@pytest.mark.parametrize(
    ("available", "total", "status", "says"),
    [
        (900, 2000, "ok", "900 of 2000 MB"),
        (300, 480, "ok", "300 of 480 MB"),
        (60, 2000, "warn", "60 of 2000 MB"),
        (200, 400, "warn", "200 of 400 MB"),
        (None, 2000, "skipped", "does not say"),
    ],
)
def test_memory(available: int | None, total: int, status: str, says: str) -> None:
    check = memory(Vitals(memory_available_mb=available, memory_total_mb=total))
    assert (check.status, says in check.found) == (status, True), check


@pytest.mark.parametrize(
    ("free", "inodes", "of", "status", "says"),
    [
        (5000, 900_000, 1_000_000, "ok", "4.9 GB of 19.5 GB are free on /srv"),
        (1000, 900_000, 1_000_000, "warn", "1000 MB of 19.5 GB are free"),
        (20, 900_000, 1_000_000, "fail", "20 MB of 19.5 GB"),
        (5000, 9_000, 1_000_000, "warn", "9000 of 1000000 inodes"),
        (5000, 0, 1_000_000, "fail", "0 of 1000000 inodes"),
        (5000, 0, 0, "ok", "are free"),
    ],
)
def test_a_disk(free: int, inodes: int, of: int, status: str, says: str) -> None:
    (check,) = disks(Vitals(disks=(Disk("/srv", free, 20_000, inodes, of, "a"),)))
    assert (check.status, says in check.found) == (status, True), check
    assert bool(check.advice) == check.bad


def test_folders_of_one_file_system_are_one_disk() -> None:
    found = (HEALTHY, Disk("/var", 5000, 20000, 1, 1, "fd00"), Disk("/srv", 10, 100, 1, 0, "fd01"))
    assert [check.status for check in disks(Vitals(disks=found))] == ["ok", "fail"]
    assert [check.status for check in disks(Vitals())] == ["skipped"]


def test_only_what_is_bad_is_worth_a_notice() -> None:
    assert notices(Vitals(1000.0, 1.0, 900, 2000, (HEALTHY,)), 1000.0, 1001.0) == []
    assert notices(Vitals(), 1000.0, 1001.0) == []
    full = Disk("/var", 0, 100, 10, 10, "x")
    said = notices(Vitals(2000.0, 1.0, 20, 2000, (HEALTHY, full)), 1000.0, 1001.0)
    assert len(said) == 3
    assert said[0].startswith("the clock is 17 minutes ahead of this machine's")
    assert said[2].startswith("0 MB of 100 MB are free on /var; make room: ")


def test_a_file_system_as_stat_has_it() -> None:
    assert disk_of(["9c1", "262144", "524288", "100", "200", "4096", "/mnt/a b"]) == Disk(
        "/mnt/a b", 1024, 2048, 100, 200, "9c1"
    )


@pytest.mark.parametrize("row", ["9c1 a 5 1 2 4096 /", "9c1 5 5 1 2 4k /", f"9c1 {'9' * 30} 5 1 2 4096 /"])
def test_a_damaged_file_system(row: str) -> None:
    with pytest.raises(HostError, match="cannot be used: of a file system it says"):
        disk_of(row.split(" ", 6))
