"""Batches: a canary first, then as many hosts at a time as was said."""

from __future__ import annotations

import pytest

from provision.batches import Batches


@pytest.mark.parametrize(
    ("hosts", "serial", "batches"),
    [
        ("a", "100%", ["a"]),
        ("abcd", "100%", ["a", "bcd"]),
        ("abcd", "1", ["a", "b", "c", "d"]),
        ("abcde", "2", ["a", "bc", "de"]),
        ("abcd", "3", ["a", "bcd"]),
        ("abcd", "99", ["a", "bcd"]),
        ("abcdefgh", "25%", ["a", "bc", "de", "fg", "h"]),
        ("abc", "10%", ["a", "b", "c"]),
    ],
)
def test_the_first_host_is_alone(hosts: str, serial: str, batches: list[str]) -> None:
    assert Batches(serial).of(hosts) == batches


@pytest.mark.parametrize("serial", ["", "0", "0%", "101%", "-1", "half", "1.5", "[1, 2]"])
def test_a_serial_that_is_none(serial: str) -> None:
    with pytest.raises(ValueError, match="serial is a number of hosts or a percentage such as 25%"):
        Batches(serial)


def test_less_than_no_failures() -> None:
    with pytest.raises(ValueError, match="max_fail is a number of hosts, not -1"):
        Batches("1", -1)
