"""One host through the engine, over a model of it: trips, rounds, failures, and what the report is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from provision.application import LOG_LINES
from provision.converge import describe
from provision.errors import ConnectionLost, HostError, Interrupted, NotConverged, Refused, StepFailed
from provision.events import Event, HandlerVerdict, Notice, Phase, TaskFinished, TaskOutput, TaskStarted, TaskVerdict
from provision.handlers import STAMP_READ
from provision.resources.base import Read, Reading
from provision.resources.copy import Copy
from provision.resources.task import Task
from provision.transport.frames import Frame

from .fake_host import DEBIAN, FakeHost, Setting, converge, handler, task, up

CONFIG, OTHER = Setting(key="config"), Setting(key="other")


def phases(events: list[Event]) -> list[str]:
    return [event.name for event in events if isinstance(event, Phase)]


def notices(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


# trips


def test_nothing_to_do_is_one_trip() -> None:
    fake = FakeHost(settings={"config": "new"})
    up(converge(fake, [task(CONFIG)]))
    assert (fake.trips, fake.log) == (1, [])


def test_a_first_run_is_three_trips() -> None:
    fake, events = FakeHost(), list[Event]()
    up(converge(fake, [task(CONFIG, "Restart"), task(OTHER)], [handler()], events=events))
    assert fake.trips == 3
    assert phases(events) == ["survey", "apply", "prove"]
    assert notices(events) == []


def test_a_second_order_change_takes_another_round() -> None:
    """A role where one task undoes another: three trips and two more, and the user is told."""
    fake = FakeHost(settings={"other": "new"}, follows={"config": lambda host: host.settings.update(other="old")})
    events = list[Event]()
    up(converge(fake, [task(OTHER), task(CONFIG)], events=events))
    assert fake.settings == {"config": "new", "other": "new"}
    assert fake.trips == 5
    assert phases(events) == ["survey", "apply", "prove", "apply", "prove"]
    assert notices(events) == ["another round is needed for other: value"]


def test_what_never_settles_is_named_after_three_rounds() -> None:
    fake, events = FakeHost(stubborn=frozenset({"other"})), list[Event]()
    host = converge(fake, [task(CONFIG), task(OTHER)], events=events)
    with pytest.raises(NotConverged, match=r"^these do not settle: other: value$") as caught:
        up(host)
    assert (fake.trips, fake.log.count("set other")) == (7, 3)
    assert caught.value.hint
    assert len(notices(events)) == 2


def test_an_identity_that_uses_a_fact_takes_one_more_trip() -> None:
    fake = FakeHost(settings={"config": "new", "other": "new"})
    host = converge(fake, [task(CONFIG), task(OTHER)], late=(OTHER,))
    host.survey()
    assert fake.trips == 2
    assert host.plan().items == []
    assert {read for read in OTHER.reads()} < set(host.observed.readings)


def test_a_skipped_task_is_worth_no_trip_of_its_own() -> None:
    fake = FakeHost()
    up(converge(fake, [task(OTHER, when=False)], late=(OTHER,)))
    assert fake.trips == 1


# the contents of files

MOTD = Copy(dest="/etc/motd", content="hello\n")


@pytest.mark.parametrize("diff", [False, True])
def test_old_contents_are_read_for_a_diff_only(diff: bool) -> None:
    fake, events = FakeHost(files={"/etc/motd": ("0644", "good bye\n")}), list[Event]()
    up(converge(fake, [task(MOTD)], diff=diff, events=events))
    assert fake.files == {"/etc/motd": ("0644", "hello\n")}
    assert fake.trips == 3
    assert ["frame content" in survey["main"].decode() for survey in fake.surveys] == [diff, diff]
    (verdict,) = (event for event in events if isinstance(event, TaskVerdict))
    assert ("-good bye\n+hello\n" in verdict.diff) is diff
    assert verdict.keys[0].startswith("/etc/motd: content" if diff else "/etc/motd")


# what the report is told


def test_events_tell_each_task_from_verdict_to_end() -> None:
    events = list[Event]()
    config = Setting(key="config", steps=2, script="say working")
    fake = FakeHost(settings={"other": "new"})
    up(converge(fake, [task(config, "Restart"), task(OTHER)], [handler()], events=events))
    told = [event for event in events if not isinstance(event, Phase)]
    assert [type(event) for event in told] == [
        *[TaskVerdict, TaskVerdict, HandlerVerdict],
        *[TaskStarted, TaskOutput, TaskFinished],
        *[TaskStarted, TaskFinished],
    ]
    assert told[:3] == [
        TaskVerdict("web1", "web", "config", "change", ("value none -> new",)),
        TaskVerdict("web1", "web", "other", "ok"),
        HandlerVerdict("web1", "web", "Restart", "notified by config"),
    ]
    assert told[4] == TaskOutput("web1", "config", "working\n")
    finished = [event for event in told if isinstance(event, TaskFinished)]
    assert [(event.task, event.status) for event in finished] == [("config", "changed"), ("Restart", "changed")]


def test_the_tally_counts_as_ansible_does() -> None:
    """A changed task is ok, too; a handler counts as changed; a skipped task counts as neither."""
    host = converge(FakeHost(settings={"other": "new"}), [task(CONFIG, "Restart"), task(OTHER), task(MOTD, when=False)])
    up(host)
    assert (host.tally.ok, host.tally.changed, host.tally.skipped, host.tally.unknown) == (2, 1, 1, 0)


def test_a_task_that_changes_in_two_rounds_counts_once() -> None:
    fake = FakeHost(follows={"config": lambda host: host.settings.update(other="old")})
    host = converge(fake, [task(OTHER), task(CONFIG)])
    up(host)
    assert host.tally.changed == 2


def test_turns_of_a_loop_with_one_name_count_each() -> None:
    """As those of no_log, whose items are not shown."""
    turns = [replace(task(setting), name="Set (item=None)") for setting in (CONFIG, OTHER)]
    fake = FakeHost(follows={"config": lambda host: host.settings.update(other="old")})
    host = converge(fake, turns[::-1])
    up(host)
    assert host.tally.changed == 2


@dataclass(frozen=True)
class Speaking(Setting):
    """A kind with something to say, as ``site`` is."""

    def notices(self, readings: Mapping[Read, Reading]) -> list[str]:
        return [f"{self.key} is {readings[self._read]['value']}"]

    def urls(self, readings: Mapping[Read, Reading]) -> list[str]:
        return [f"https://{self.key}"]


def test_notices_and_urls_come_from_the_resources_that_have_them() -> None:
    tasks = [task(CONFIG), task(Speaking(key="site")), task(Speaking(key="gone"), when=False)]
    host = converge(FakeHost(settings={"config": "new"}), tasks)
    assert (host.notices(), host.urls()) == ([], [])
    up(host)
    assert host.notices() == ["site is new"]
    assert host.urls() == ["https://site"]


# failures


def failing(script: str, timeout: int | None = None) -> list[Task]:
    tasks = [Setting(key="first"), Setting(key="second", script=script, timeout=timeout), Setting(key="third")]
    return [task(resource) for resource in tasks]


def test_a_failing_step_ends_the_host() -> None:
    fake, events = FakeHost(), list[Event]()
    shouts = "\n".join(f"say line {number}" for number in range(100))
    host = converge(fake, failing(f"{shouts}\nexit 3"), events=events)
    with pytest.raises(StepFailed, match="ended with status 3") as caught:
        up(host)
    assert (caught.value.rc, caught.value.task) == (3, "web : second")
    assert caught.value.log == tuple(f"line {number}" for number in range(100 - LOG_LINES, 100))
    assert (fake.settings, fake.trips) == ({"first": "new"}, 2)
    finished = [event for event in events if isinstance(event, TaskFinished)]
    assert [(event.task, event.status) for event in finished] == [("first", "changed"), ("second", "failed")]
    assert host.tally.changed == 1


def test_the_log_of_a_failure_is_its_own_task_s() -> None:
    first = Setting(key="first", script="say all is well")
    with pytest.raises(StepFailed) as caught:
        up(converge(FakeHost(), [task(first), *failing("say oh\nexit 1")]))
    assert caught.value.log == ("oh",)


def test_the_log_of_a_failure_is_bounded() -> None:
    with pytest.raises(StepFailed) as caught:
        up(converge(FakeHost(), failing(f"say {'x' * 200_000}\nexit 1")))
    assert len("".join(caught.value.log)) <= 64 * 1024


@pytest.mark.parametrize(
    ("status", "timeout", "said"),
    [(124, 5, "did not end within 5 s"), (137, 5, "did not end within 5 s"), (124, None, "ended with status 124")],
)
def test_a_step_over_its_time_says_so(status: int, timeout: int | None, said: str) -> None:
    with pytest.raises(StepFailed, match=said):
        up(converge(FakeHost(), failing(f"exit {status}", timeout)))


def test_a_stopped_run_is_interrupted_between_two_steps() -> None:
    fake = FakeHost(stop_before=2)
    with pytest.raises(Interrupted):
        up(converge(fake, failing("")))
    assert fake.settings == {"first": "new"}


def test_a_failed_apply_leaves_its_handlers_due() -> None:
    fake = FakeHost()
    host = converge(fake, [task(CONFIG, "Restart"), *failing("exit 1")], [handler()])
    with pytest.raises(StepFailed):
        up(host)
    assert set(host.observed.readings[STAMP_READ]) == {"rc"}
    up(converge(fake, [task(CONFIG, "Restart")], [handler()]))
    assert fake.log[-2] == "fresh web.service"


def test_the_running_step_is_known_while_it_runs() -> None:
    config = Setting(key="config")
    seen: list[object] = []
    fake = FakeHost(follows={"config": lambda _: seen.append(host.running)})
    host = converge(fake, [task(config)])
    assert host.running is None
    up(host)
    assert [getattr(step, "script", None) for step in seen] == ["set config new"]
    assert host.running is None


# hosts that cannot be managed


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (DEBIAN.replace("id=debian", "id=alpine").replace("version=12", "version=3.20"), "this host runs Alpine 3.20"),
        ("", "this host runs an unknown system"),
        (DEBIAN.replace("uid=0", "uid=1000"), "the shell on this host is not root's"),
    ],
)
def test_a_host_that_cannot_be_managed_is_refused_unchanged(facts: str, said: str) -> None:
    fake = FakeHost(facts=facts)
    with pytest.raises(Refused) as caught:
        up(converge(fake, [task(CONFIG)]))
    assert caught.value.message == said
    assert caught.value.hint
    assert (fake.trips, fake.log) == (1, [])


def test_derivatives_of_debian_are_debian() -> None:
    fake = FakeHost(facts=DEBIAN.replace("id=debian", "id=ubuntu\nid_like=debian"))
    up(converge(fake, [task(CONFIG)]))
    assert fake.settings == {"config": "new"}


class Hostile(FakeHost):
    """Answers an apply with one frame of the test's choice."""

    answer: Frame = Frame(("over",))

    def _apply(self, files: Mapping[str, bytes], on_frame: Callable[[Frame], None]) -> None:
        on_frame(self.answer)


@pytest.mark.parametrize(
    "words",
    [
        *("start", "start x", "start 0", "start -1", "start 2", "start 1 1", "output", "output 9999999999"),
        *("status", "status 1", "status 1 x", "status 1 -1", "status 1 0 0", "status ² 0"),
    ],
)
def test_a_frame_that_no_step_asked_for_is_an_error_of_the_host(words: str) -> None:
    fake = Hostile()
    fake.answer = Frame(tuple(words.split()))
    with pytest.raises(HostError, match="was not asked"):
        up(converge(fake, [task(CONFIG)]))


def test_a_frame_of_another_kind_is_no_news() -> None:
    fake = Hostile()
    fake.answer = Frame(("chatter",))
    with pytest.raises(Interrupted):
        up(converge(fake, [task(CONFIG)]))


# errors


def test_every_foreseen_error_is_one_of_ours() -> None:
    ours = StepFailed("x", rc=1)
    assert describe(ours) is ours
    lost = describe(ConnectionResetError(104, "Connection reset by peer"))
    assert isinstance(lost, ConnectionLost)
    assert "reset by peer" in lost.message
    with pytest.raises(ZeroDivisionError):
        describe(ZeroDivisionError())
