"""What a deployment's size follows from: workers, limits, and whether two copies fit at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.resources.base import Facts
from provision.resources.memory import SWITCHING, SYSTEM_MB, Demand, Sizes


def sizes(memory: int, cores: int, worker: int, **demand: Any) -> Sizes:
    """With both limits chosen, unless ``demand`` says otherwise."""
    return Demand(**{"memory_high": "auto", **demand}).sizes(Facts(memtotal_mb=memory, processor_vcpus=cores), worker)


@pytest.mark.parametrize(
    ("memory", "cores", "worker", "expected"),
    [
        (480, 1, 70, (1, "switch")),
        (480, 1, 100, (1, "restart")),
        (980, 1, 100, (2, "switch")),
        (980, 2, 300, (1, "switch")),
        (980, 2, 500, (1, "restart")),
        (1500, 2, 560, (1, "restart")),
        (4000, 2, 100, (2, "switch")),
        (16000, 8, 100, (8, "switch")),
        (16000, 8, 2000, (3, "switch")),
        (0, 1, 100, (1, "restart")),
    ],
)
def test_workers_follow_cores_and_memory(memory: int, cores: int, worker: int, expected: tuple[int, str]) -> None:
    found = sizes(memory, cores, worker)
    assert (found.workers, found.strategy) == expected


@pytest.mark.parametrize(
    ("demand", "expected"),
    [
        ({"workers": "4"}, (4, "restart")),
        ({"workers": "4", "strategy": "switch"}, (4, "switch")),
        ({"workers": "2"}, (2, "switch")),
        ({"processes": 2}, (1, "switch")),
        ({"target": 0.9}, (2, "switch")),
        ({"strategy": "restart"}, (2, "restart")),
    ],
    ids=str,
)
def test_what_the_inventory_says_comes_first(demand: dict[str, Any], expected: tuple[int, str]) -> None:
    found = sizes(1000, 2, 100, **demand)
    assert (found.workers, found.strategy) == expected


@given(
    memory=st.integers(256, 300_000),
    cores=st.integers(1, 64),
    worker=st.integers(20, 4000),
    processes=st.integers(0, 4),
    target=st.floats(0.5, 0.9),
)
def test_what_is_chosen_fits(memory: int, cores: int, worker: int, processes: int, target: float) -> None:
    found = sizes(memory, cores, worker, processes=processes, target=target)
    assert 1 <= found.workers <= max(2, cores)
    copy = (found.workers + processes) * worker + (60 if found.workers > 1 else 0)
    if found.strategy == "switch":
        assert 2 * copy + SYSTEM_MB <= memory * SWITCHING
    if found.workers > 1:
        assert copy + SYSTEM_MB <= memory * target
    high, most = int(found.memory_high[:-1]), int(found.memory_max[:-1])
    assert high <= most <= memory * 0.8
    if found.strategy == "switch":
        assert most >= copy


def test_a_slot_is_not_slowed_down_unless_that_is_asked_for() -> None:
    facts = Facts(memtotal_mb=2000, processor_vcpus=2)
    assert [Demand().sizes(facts, measured).memory_high for measured in (0, 110)] == ["infinity"] * 2


def test_limits_are_open_until_a_worker_was_measured() -> None:
    found = sizes(2000, 2, 0)
    assert (found.memory_high, found.memory_max) == ("70%", "80%")


@pytest.mark.parametrize(
    ("worker", "demand", "limits"),
    [
        (110, {}, ("1143M", "1270M")),
        (110, {"strategy": "restart"}, ("1395M", "1550M")),
        (700, {}, ("910M", "1050M")),
        (110, {"memory_high": "40%", "memory_max": "1G"}, ("40%", "1G")),
    ],
    ids=str,
)
def test_a_slot_leaves_the_system_and_the_other_slot_what_they_need(
    worker: int, demand: dict[str, Any], limits: tuple[str, str]
) -> None:
    found = sizes(2000, 2, worker, **demand)
    assert (found.memory_high, found.memory_max) == limits


@pytest.mark.parametrize(
    ("worker", "demand", "summary"),
    [
        (0, {}, "memory: 2 slots x (2 workers x 100 MB (assumed) + 60) = 520 of 2000 MB (26 %)"),
        (80, {"processes": 1}, "memory: 2 slots x ((2 workers + 1 process) x 80 MB + 60) = 600 of 2000 MB (30 %)"),
        (
            1000,
            {},
            "memory: 2 slots x (1 worker x 1000 MB) = 2000 of 2000 MB (100 %) and 250 for the system do not fit into "
            "90%, so the old release is stopped before the new one starts; one slot takes 1000 of 2000 MB (50 %)",
        ),
        (
            80,
            {"strategy": "restart"},
            "memory: 2 workers x 80 MB + 60 = 220 of 2000 MB (11 %); the old release is stopped before the new one "
            "starts",
        ),
        (
            300,
            {"workers": "4", "strategy": "switch"},
            "memory: 2 slots x (4 workers x 300 MB + 60) = 2520 of 2000 MB (126 %); more than the target of 70%",
        ),
    ],
)
def test_the_arithmetic_is_one_line(worker: int, demand: dict[str, Any], summary: str) -> None:
    assert sizes(2000, 2, worker, **demand).summary == summary


FOUND = {"workers": "2", "memory_per_worker": "700", "memtotal_mb": "2000", "cores": "2"}


@pytest.mark.parametrize(
    ("found", "demand", "says"),
    [
        (
            FOUND,
            {},
            ["a runs 2 workers and would have 1 now, with 700 MB a worker, of 2000 MB: see `provision up --resize`"],
        ),
        (FOUND | {"sized_for": "2000 MB, 2 cores"}, {}, []),
        (FOUND | {"sized_for": "4000 MB, 2 cores"}, {}, ["a runs 2 workers and would have 1 now"]),
        (FOUND | {"workers": "1"}, {}, []),
        (FOUND | {"memory_per_worker": ""}, {}, []),
        (FOUND, {"workers": "2"}, []),
        ({}, {}, []),
    ],
)
def test_a_deployment_that_would_be_sized_otherwise_says_so(
    found: dict[str, str], demand: dict[str, Any], says: list[str]
) -> None:
    notices = Demand(**demand).notices("a", found)
    assert len(notices) == len(says)
    assert all(notice.startswith(start) for notice, start in zip(notices, says, strict=True))
