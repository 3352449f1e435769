"""Hosts that answer garbage, for ever, or nothing: each ends with an error of its own, and the others go on."""

from __future__ import annotations

import re
import threading
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fake_host import FakeHost, FakePlay, Setting, task
from tests.unit.fake_line import BadLine, GoodLine, ImpatientWatch, Say, frame
from tests.unit.waiting import eventually

from provision.application import Application
from provision.batches import Batches
from provision.errors import ConnectionLost, ProvisionError
from provision.events import HostNotReached
from provision.ops.commands import on_host
from provision.ops.events import CommandEnded, CommandEvent
from provision.ops.printed import LIMIT, Printed
from provision.ops.side_by_side import Job, SideBySide, exit_code
from provision.options import Options
from provision.plan import Item
from provision.resources.base import Step
from provision.resources.task import Playbook
from provision.run import Outcome, Run
from provision.shell import Sh
from provision.transport import session
from provision.transport.frames import BODY_LIMIT, LINE_LIMIT, NOISE_LIMIT, Frame
from provision.transport.protocol import Connection, Login
from provision.transport.session import Bounds, Session

MEGABYTE = b"\xff" * 1024 * 1024
SILENCE = 61.0
"""Seconds, see :func:`impatient`."""
SLACK = 4 * 1024 * 1024
STILL = b""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a host will say nothing, nobody waits for the end of the seconds, of which all others have enough."""
    monkeypatch.setattr(session, "Watch", ImpatientWatch)


def hello(nonce: str) -> bytes:
    return frame(nonce, "session", "/run/x")


def endless_frames(nonce: str) -> Iterator[bytes]:
    yield hello(nonce)
    yield from (frame(nonce, "content", body=b"/etc/%d\0" % number + MEGABYTE) for number in range(10_000))


BAD: Mapping[str, tuple[Say, str, int]] = {
    "nothing": (lambda nonce: [STILL], "has not answered for 0 s", 0),
    "nothing after a greeting": (lambda nonce: [b"Welcome!\n", STILL], "all it said is 'Welcome!'", 0),
    "the end": (lambda nonce: [], "ended before its last frame", 0),
    "a greeting and the end": (lambda nonce: [b"This account is not available.\n"], "account is not available", 0),
    "noise without a line break": (lambda nonce: repeat(MEGABYTE), "goes on saying", NOISE_LIMIT),
    "lines": (lambda nonce: repeat(b"y\n" * 4096), "goes on saying what it was not asked for: 'y", NOISE_LIMIT),
    "noise after a hello": (lambda nonce: chain([hello(nonce)], repeat(MEGABYTE)), "goes on saying", NOISE_LIMIT),
    "a frame without an end": (
        lambda nonce: chain([hello(nonce), frame(nonce, "facts")], repeat(MEGABYTE)),
        "bytes",
        BODY_LIMIT,
    ),
    "a first line without an end": (
        lambda nonce: chain([hello(nonce), f"\n@{nonce} facts".encode()], repeat(b"x" * 1000)),
        "with a line of more than",
        LINE_LIMIT,
    ),
    "frames without an end": (endless_frames, f"more than {BODY_LIMIT} bytes", BODY_LIMIT),
    "half a frame and the end": (
        lambda nonce: [hello(nonce), frame(nonce, "facts", body=b"id=deb")],
        "ended before its last frame",
        0,
    ),
    "half a frame and nothing": (
        lambda nonce: [hello(nonce), frame(nonce, "facts", body=b"id=deb"), STILL],
        "has not answered",
        0,
    ),
    "half a marker": (lambda nonce: [hello(nonce), f"\n@{nonce[:8]}".encode(), STILL], "has not answered", 0),
    "a hello and nothing": (lambda nonce: [hello(nonce), STILL], "has not answered", 0),
    "a hello without a folder": (lambda nonce: [frame(nonce, "session"), STILL], "has not answered", 0),
}


@dataclass
class Play(FakePlay):
    """One task."""

    rolling: frozenset[str] = frozenset()
    batches: Batches = field(default_factory=Batches)


def run(lines: Mapping[str, Connection], *, rolling: bool = False, silence: float = SILENCE) -> Outcome:
    """Run the same play on these hosts; each answers over its line."""
    play = Play(Playbook((task(Setting(key="a")),), ()), rolling=frozenset({"web"} if rolling else ()))
    events: list[object] = []
    hosts = [(play, Login(name, name)) for name in lines]
    outcome = Run(hosts, Options(silence=silence), events.append, lambda login: lines[login.name]).execute()
    assert rolling or not [event for event in events if isinstance(event, HostNotReached)]
    return outcome


def good() -> Connection:
    return GoodLine(FakeHost({"a": "old"}))


@pytest.mark.parametrize("case", BAD)
def test_the_others_go_on(case: str) -> None:
    say, message, size = BAD[case]
    bad = BadLine(say)
    outcome = run({"first": good(), "bad": bad, "last": good()})

    assert {name: (found.changed, found.error) for name, found in outcome.results.items() if name != "bad"} == {
        "first": (1, None),
        "last": (1, None),
    }
    error = outcome.results["bad"].error
    assert isinstance(error, ConnectionLost)
    assert message in error.message
    assert len(error.message) < 300
    assert error.hint or size
    assert (outcome.exit_code, outcome.results["bad"].unreachable) == (3, 1)
    assert bad.given <= size + SLACK
    assert bad.closed.is_set()
    assert bad.watch
    assert bad.watch.shortened in (SILENCE, None)


def test_a_roll_leaves_a_bad_host_alone() -> None:
    outcome = run({"bad": BadLine(BAD["nothing"][0]), "web": good()}, rolling=True)
    assert (outcome.exit_code, outcome.results["web"].error, outcome.results["web"].changed) == (3, None, 1)


def test_a_greeting_is_passed_over() -> None:
    greeting = b"\x1b[1mWelcome\r\n" + b"to all of this\n" * 1000
    outcome = run({"web": GoodLine(FakeHost({"a": "old"}), greeting=greeting)})
    assert (outcome.exit_code, outcome.results["web"].changed) == (0, 1)


def test_a_step_may_be_silent_for_longer_than_a_survey() -> None:
    line: list[GoodLine] = []

    def unwatched() -> bool:
        (watch,) = [each.watch for each in line]
        return watch is not None and not watch.armed

    line.append(GoodLine(FakeHost({"a": "old"}), before=lambda: eventually(unwatched)))
    outcome = run({"web": line[0]})
    assert (outcome.exit_code, outcome.results["web"].changed) == (0, 1)


def test_a_host_that_does_not_take_what_is_sent() -> None:
    outcome = run({"bad": BadLine(lambda nonce: [hello(nonce), STILL], deaf=True), "web": good()})
    assert "has not answered" in str(outcome.results["bad"].error)
    assert (outcome.exit_code, outcome.results["web"].error) == (3, None)


class Gone(BadLine):
    """A shell that has said its last before anything was sent."""

    def send(self, data: bytes) -> None:
        super().send(data)
        raise ConnectionLost("the shell has ended")


def test_a_shell_that_ends_before_it_is_spoken_to_is_heard_out() -> None:
    outcome = run({"bad": Gone(lambda nonce: [b"This account is currently not available.\n"]), "web": good()})
    error = outcome.results["bad"].error
    assert isinstance(error, ConnectionLost)
    assert "This account is currently not available." in error.message
    assert (outcome.exit_code, outcome.results["web"].error) == (3, None)


class Undecided:
    """A host that neither starts a shell nor refuses to."""

    by_key = True

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.watch: ImpatientWatch | None = None

    def root_stream(self, command: str) -> BadLine:
        if self.watch:
            self.watch.expire()
        self.closed.wait()
        raise ConnectionLost("the connection was lost")

    def close(self) -> None:
        self.closed.set()


def test_a_host_that_never_starts_the_shell() -> None:
    outcome = run({"bad": Undecided(), "web": good()})
    assert "has not answered for 0 s" in str(outcome.results["bad"].error)
    assert (outcome.exit_code, outcome.results["web"].error) == (3, None)


def test_a_hundred_megabytes_take_no_more_memory_than_one() -> None:
    def say(nonce: str) -> Iterator[bytes]:
        yield hello(nonce)
        for _ in range(200):
            yield MEGABYTE[: NOISE_LIMIT // 2]
            yield frame(nonce, "output", "1", body=b"x")
            yield frame(nonce, "end")
        yield frame(nonce, "over")

    talk = Session(BadLine(say))
    tracemalloc.start()
    try:
        talk.trip({"main": b""}, lambda found: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        talk.close()
    assert peak < SLACK


def test_no_thread_stays_behind() -> None:
    before = {thread for thread in threading.enumerate() if thread.name in {"silence", "heartbeat"}}
    for name in ("nothing", "the end", "lines"):
        run({"bad": BadLine(BAD[name][0])})
    eventually(
        lambda: {thread for thread in threading.enumerate() if thread.name in {"silence", "heartbeat"}} <= before
    )


def test_the_end_of_the_seconds_is_said_whatever_the_closed_line_says() -> None:
    with pytest.raises(ConnectionLost, match="has not answered for 0 s"), Session(BadLine(BAD["nothing"][0])) as one:
        one.trip({"main": b""}, lambda found: None, bounds=Bounds(0.05))


@pytest.mark.parametrize("case", [case for case in BAD if not re.match("half|a hello|frames", case)])
def test_commands_side_by_side(case: str) -> None:
    """Of `exec` and the like: once it has begun, a command may be silent or noisy for as long as it wishes."""
    say, message, _ = BAD[case]
    ended = side_by_side(say)
    if isinstance(ended.error, ConnectionLost):
        assert message.rpartition(" bytes")[0] in ended.error.message
    assert ended.error is not None


def side_by_side(say: Say, collector: Printed | None = None) -> CommandEnded:
    login, other = Login("bad", "bad"), Login("web", "web")
    lines: dict[str, Connection] = {"bad": BadLine(say), "web": BadLine(answer)}
    events: list[CommandEvent] = []
    work = SideBySide(
        [Job(login, on_host(["true"])), Job(other, on_host(["true"]))],
        collector or events.append,
        lambda login: lines[login.name],
        silence=SILENCE,
    )
    bad, web = work.execute()
    assert (web.status, web.error) == (0, None)
    return bad


WORDS = st.sampled_from(["start", "status", "output", "0", "1", "2", "9" * 400, "-1", "", "\x00", "\u0663"])


@given(st.lists(st.tuples(st.lists(WORDS, min_size=1, max_size=4), st.binary(max_size=20)), max_size=8))
def test_any_frames_come_from_an_apply(frames: list[tuple[list[str], bytes]]) -> None:
    follower = Application("bad", [Item("web", "Write", (Step(Sh("true")), Step(Sh("false"))))], lambda event: None)
    try:
        for words, body in frames:
            follower(Frame(tuple(words), body))
        follower.check()
    except ProvisionError:
        assert len(follower.finished) <= len(frames)


def test_a_character_in_two_frames_is_one() -> None:
    shown: list[str] = []
    follower = Application(
        "web", [Item("web", "Write", (Step(Sh("true")),))], lambda event: shown.append(getattr(event, "text", ""))
    )
    follower(Frame(("start", "1"), b""))
    follower(Frame(("output", "1"), b"p\xc3"))
    follower(Frame(("output", "1"), b"\xa4ss\xc3"))
    follower(Frame(("status", "1", "0"), b""))
    assert "".join(shown) == "päss\ufffd"


def answer(nonce: str) -> list[bytes]:
    return [hello(nonce), frame(nonce, "out", body=b"hi"), frame(nonce, "status", "command", "0"), frame(nonce, "over")]


@pytest.mark.parametrize("words", [(), ("command",), ("command", "x"), ("command", "9" * 500)])
def test_a_status_that_is_none(words: tuple[str, ...]) -> None:
    bad = side_by_side(lambda nonce: [hello(nonce), frame(nonce, "status", *words), frame(nonce, "over")])
    assert (bad.status, exit_code([bad])) == (255, 1)


def test_an_answer_that_does_not_end_is_not_kept() -> None:
    collector = Printed(["bad", "web"])
    end = side_by_side(lambda nonce: chain([hello(nonce)], repeat(frame(nonce, "out", body=MEGABYTE))), collector)
    assert isinstance(end.error, ProvisionError)
    assert f"more than {LIMIT} bytes" in end.error.message
