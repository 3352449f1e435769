"""A roll's order: who comes when, who is left alone, and who does the work that others share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from provision.batches import Batches
from provision.errors import HostError, ProvisionError, Unreachable
from provision.events import HostFinished
from provision.resources.base import Shared, Step
from provision.resources.task import Task
from provision.roll import Roll
from provision.shell import Sh
from provision.worker import Worker

TASK = Task("app", "Deploy", "deployment", None)


def shared(key: str) -> Shared:
    return Shared(key, "", done=False, needs=frozenset(), work=Step(Sh("work")), note=Step(Sh("note")))


def finished(name: str, *, well: bool) -> HostFinished:
    return HostFinished(name, 0, 0, 0, 0, 0, 0.0, error=None if well else HostError("broken"))


@dataclass
class Play:
    batches: Batches


@dataclass(eq=False)
class Stub:
    """A worker that only writes down what is asked of it."""

    name: str
    story: list[str]
    key: str = ""
    waiting: bool = True
    breaks: bool = False
    done: bool = False
    play: Play = field(default_factory=lambda: Play(Batches()))
    result: HostFinished | None = None

    @property
    def failed(self) -> bool:
        return self.result is not None and self.result.error is not None

    @property
    def out_of_reach(self) -> bool:
        return self.result is not None and isinstance(self.result.error, Unreachable)

    def unshared(self) -> list[tuple[Task, Shared]]:
        return [(TASK, shared(self.key))] if self.key else []

    def has_done(self, key: str) -> bool:
        return self.done

    def second(self, noted: Sequence[tuple[Task, Shared]] = ()) -> None:
        self.story.append(self.name + "".join(f" told {of.key}" for _, of in noted))
        self.result = finished(self.name, well=not self.breaks)

    def leave(self, reason: str) -> None:
        self.story.append(f"{self.name} left: {reason}")


def roll(stubs: Sequence[Stub], performers: dict[str, str] | None = None, *, performs: bool = True) -> list[str]:
    """What happened, in its order; ``performers`` are hosts by key."""
    story = stubs[0].story

    def perform(name: str, key: str) -> Worker:
        story.append(f"{name} performs {key}")
        return cast(Worker, Stub(name, story, result=finished(name, well=performs)))

    def each(workers: Sequence[Worker], work: Callable[[Worker], None]) -> None:
        for worker in workers:
            work(worker)

    def performer(shared: Shared, host: str) -> str:
        return (performers or {}).get(shared.key, host)

    Roll([cast(Worker, stub) for stub in stubs], performer, perform, each).go()
    return story


def stubs(names: str, **options: object) -> list[Stub]:
    story: list[str] = []
    return [Stub(name, story, **options) for name in names]  # type: ignore[arg-type]


def test_one_after_the_other() -> None:
    assert roll(stubs("abc", play=Play(Batches("1")))) == ["a", "b", "c"]


def test_a_failed_canary_stops_the_roll_whatever_may_fail() -> None:
    hosts = stubs("abc", play=Play(Batches("1", max_fail=3)))
    hosts[0].breaks = True

    reason = "a failed; this host keeps what it serves"
    assert roll(hosts) == ["a", f"b left: {reason}", f"c left: {reason}"]


@pytest.mark.parametrize(("max_fail", "last"), [(0, "d left: b failed; this host keeps what it serves"), (1, "d")])
def test_failures_that_are_allowed(max_fail: int, last: str) -> None:
    hosts = stubs("abcd", play=Play(Batches("2", max_fail)))
    hosts[1].breaks = True

    assert roll(hosts) == ["a", "b", "c", last]


def test_who_migrates_goes_ahead_of_those_who_share() -> None:
    assert roll(stubs("abc", key="db"), {"db": "b"}) == ["b", "a told db", "c told db"]


def test_two_databases_in_one_batch() -> None:
    hosts = stubs("abcd", key="one")
    for host in hosts[2:]:
        host.key = "two"

    assert roll(hosts, {"one": "a", "two": "d"}) == ["a", "d", "b told one", "c told two"]


def test_a_host_outside_of_the_run_does_it_once_and_first() -> None:
    assert roll(stubs("bcd", key="db"), {"db": "a"}) == ["a performs db", "b told db", "c told db", "d told db"]


def test_without_the_migration_nobody_goes_on() -> None:
    reason = "a, which migrates for this host, did not succeed; it keeps what it serves"

    assert roll(stubs("bc", key="db"), {"db": "a"}, performs=False) == [
        "a performs db",
        f"b left: {reason}",
        f"c left: {reason}",
    ]


def test_what_a_settled_host_has_on_record_is_not_done_again() -> None:
    settled, *hosts = stubs("abc", key="db")
    settled.waiting, settled.done, settled.result = False, True, finished("a", well=True)

    assert roll([settled, *hosts], {"db": "a"}) == ["b told db", "c told db"]


@pytest.mark.parametrize(("error", "goes_on"), [(HostError("broken"), False), (Unreachable("no route"), True)])
def test_what_failed_before_the_roll_stops_it_unless_it_was_out_of_reach(error: ProvisionError, goes_on: bool) -> None:
    database, *hosts = stubs("dab")
    database.waiting, database.result = False, replace(finished("d", well=True), error=error)

    reason = "d failed; this host keeps what it serves"
    assert roll([database, *hosts]) == (["a", "b"] if goes_on else [f"a left: {reason}", f"b left: {reason}"])


def test_a_host_that_failed_before_the_roll_has_not_migrated() -> None:
    broken, *hosts = stubs("abc", key="db")
    broken.waiting, broken.result = False, finished("a", well=False)

    reason = "a failed; this host keeps what it serves"
    assert roll([broken, *hosts], {"db": "a"}) == [f"b left: {reason}", f"c left: {reason}"]
    for host in (broken, *hosts):
        host.play = Play(Batches(max_fail=1))
    reason = "a, which migrates for this host, did not succeed; it keeps what it serves"
    assert roll([broken, *hosts], {"db": "a"})[2:] == [f"b left: {reason}", f"c left: {reason}"]
