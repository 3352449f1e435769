"""The root shell's rules, over a real shell on this machine: lock, frames, steps that outlive the line."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.waiting import eventually

from provision import script
from provision.answers import SurveyParser
from provision.errors import ConnectionLost, Locked
from provision.resources.base import Read, Shell, Step
from provision.shell import Sh, sh
from provision.transport.frames import Frame
from provision.transport.local import LocalConnection
from provision.transport.session import LARGE, Session

SHELLS = ("dash", "bash")


@pytest.fixture(params=SHELLS)
def connection(request: pytest.FixtureRequest) -> Iterator[LocalConnection]:
    connection = LocalConnection(request.param)
    yield connection
    connection.close()


def apply(session: Session, *steps: Step) -> list[Frame]:
    frames: list[Frame] = []
    session.trip(script.apply(steps, audit={"test": "yes"}), frames.append)
    return frames


def statuses(frames: list[Frame]) -> list[tuple[str, ...]]:
    return [frame.words[1:] for frame in frames if frame.verb == "status"]


def output(frames: list[Frame]) -> bytes:
    return b"".join(frame.body for frame in frames if frame.verb == "output")


def test_steps_run_in_order_and_stop_at_the_first_failure(connection: LocalConnection, tmp_path: Path) -> None:
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        frames = apply(
            session,
            Step(Sh('echo one; cat "$FILES/note"'), files={"note": b"two\n"}),
            Step(Sh("false; echo not reached")),
            Step(Sh("echo never")),
        )
    assert statuses(frames) == [("1", "0"), ("2", "1")]
    assert output(frames) == b"one\ntwo\n"


@pytest.mark.parametrize(("size", "place"), [(3, "run"), (LARGE // 1024**2 + 1, "disk")])
def test_a_large_payload_arrives_whole(connection: LocalConnection, tmp_path: Path, size: int, place: str) -> None:
    """What is larger than /run may have room for goes to the disk, and nothing of it stays there."""
    data = os.urandom(size * 1024 * 1024)
    take = sh('cp "$FILES/blob" {}; cd -P "$FILES"; pwd', str(tmp_path / "blob"))
    with Session(connection, holder="test", base=str(tmp_path / "run"), disk=str(tmp_path / "disk")) as session:
        for _ in range(2):
            frames = apply(session, Step(take, files={"blob": data}))
            assert output(frames).decode().startswith(f"{tmp_path}/{place}/run.")
            assert (tmp_path / "blob").read_bytes() == data
            assert statuses(apply(session, Step(Sh("true")))) == [("1", "0")]
        assert not [*(tmp_path / "disk").glob("*")]


def test_much_output_at_once_comes_in_frames_that_can_be_taken(connection: LocalConnection, tmp_path: Path) -> None:
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        frames = apply(session, Step(Sh("head -c 5000000 /dev/zero")))
    assert output(frames) == bytes(5_000_000)
    assert max(len(frame.body) for frame in frames) <= 1024 * 1024


def test_a_step_has_default_signals_no_input_and_no_lock(connection: LocalConnection, tmp_path: Path) -> None:
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        # With SIGPIPE ignored `yes` would run for ever; with the lock's fd a daemon would keep the lock.
        frames = apply(session, Step(Sh("yes | head -n 1; cat; ls /proc/self/fd | tr '\\n' ' '; umask")))
    assert output(frames).split() == [b"y", b"0", b"1", b"2", b"3", b"0022"]


def test_a_secret_step_shows_no_output(connection: LocalConnection, tmp_path: Path) -> None:
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        assert output(apply(session, Step(Sh("echo hunter2"), secret=True))) == b""


def test_a_step_over_its_time_is_ended(connection: LocalConnection, tmp_path: Path) -> None:
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        assert statuses(apply(session, Step(Sh("sleep 30"), timeout=1))) == [("1", "124")]


def test_the_lock_names_its_holder_and_survives_the_attempt(tmp_path: Path) -> None:
    base = str(tmp_path / "run")
    with Session(LocalConnection(), holder="ann@laptop: up", base=base) as first:
        apply(first, Step(Sh("true")))
        for _ in range(2):
            with (
                Session(LocalConnection(), holder="bob", base=base) as second,
                pytest.raises(Locked, match="ann@laptop"),
            ):
                apply(second, Step(Sh("true")))
        # A session that only reads takes no lock.
        with Session(LocalConnection(), base=base) as reader:
            reader.trip(script.survey([], contents=False), lambda frame: None)


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    base = str(tmp_path / "run")
    told = threading.Event()
    holders: list[str] = []

    def waiting(holder: str) -> None:
        holders.append(holder)
        told.set()

    first = Session(LocalConnection(), holder="ann@laptop: up", base=base)
    apply(first, Step(Sh("true")))

    def end_first() -> None:
        told.wait(30)
        first.close()

    ending = threading.Thread(target=end_first)
    ending.start()
    with Session(LocalConnection(), holder="bob", base=base, lock_timeout=30, waiting=waiting) as second:
        assert statuses(apply(second, Step(Sh("true")))) == [("1", "0")]
    ending.join()
    assert holders == ["ann@laptop: up"]


def test_a_lock_that_is_let_go_of_at_once_is_no_reason_to_refuse(tmp_path: Path) -> None:
    """As by the shell of a run that is over."""
    base = tmp_path / "run"
    base.mkdir()
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        letting_go = threading.Timer(0.5, fcntl.flock, (lock, fcntl.LOCK_UN))
        letting_go.start()
        with Session(LocalConnection(), holder="bob", base=str(base)) as session:
            assert statuses(apply(session, Step(Sh("true")))) == [("1", "0")]
        letting_go.join()


def test_waiting_for_a_lock_ends(tmp_path: Path) -> None:
    base = str(tmp_path / "run")
    with Session(LocalConnection(), holder="ann@laptop: up", base=base) as first:
        apply(first, Step(Sh("true")))
        with (
            Session(LocalConnection(), holder="bob", base=base, lock_timeout=1) as second,
            pytest.raises(Locked, match="ann@laptop"),
        ):
            apply(second, Step(Sh("true")))


def test_nothing_is_left_behind(connection: LocalConnection, tmp_path: Path) -> None:
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        apply(session, Step(Sh("true")))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]


def test_what_a_killed_step_has_left_is_removed_by_the_next_run(connection: LocalConnection, tmp_path: Path) -> None:
    for name in ("run/run.killed", "run-check.killed", "disk/run.killed"):
        (tmp_path / name).mkdir(parents=True)
    with Session(connection, holder="test", base=str(tmp_path / "run"), disk=str(tmp_path / "disk")) as session:
        apply(session, Step(Sh("true")))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["disk", "lock", "run"]


def test_a_cut_payload_runs_nothing(connection: LocalConnection, tmp_path: Path) -> None:
    session = Session(connection, holder="test", base=str(tmp_path / "run"))
    stream = connection.streams[0]
    stream.send(b"put t1 100000\n" + b"x" * 1000)
    session.close()
    eventually(lambda: not any((tmp_path / "run").glob("run.*")))


CONTROLLER = """
import sys
from provision import script
from provision.resources.base import Step
from provision.shell import sh
from provision.transport.local import LocalConnection
from provision.transport.session import Session

base, begun, gate, completed, next = sys.argv[1:]
wait = sh("touch {}; until [ -e {} ]; do echo waiting; sleep 0.02; done; touch {}", begun, gate, completed)
session = Session(LocalConnection(), holder="first", base=base)
session.trip(script.apply([Step(wait), Step(sh("touch {}", next))], audit={}), lambda frame: None)
"""


def test_a_killed_controller_leaves_the_running_step_to_complete(tmp_path: Path) -> None:
    """The line ends in the middle of a step: it completes, the next never starts, then the lock is free."""
    base, begun, gate, completed, next_ = (tmp_path / name for name in ("run", "begun", "gate", "completed", "next"))
    with subprocess.Popen([sys.executable, "-c", CONTROLLER, base, begun, gate, completed, next_]) as controller:
        try:
            eventually(begun.exists)
        finally:
            controller.kill()
    try:
        # The step holds the lock as long as it runs.
        assert not _locks(str(base))
        assert not completed.exists()
    finally:
        gate.touch()
    eventually(lambda: _locks(str(base)))
    assert completed.exists()
    assert not next_.exists()
    assert [path.name for path in base.iterdir()] == ["lock"]


def _locks(base: str) -> bool:
    try:
        with Session(LocalConnection(), holder="third", base=base) as third:
            apply(third, Step(Sh("true")))
    except Locked:
        return False
    return True


@contextmanager
def long_step(session: Session, folder: Path) -> Iterator[tuple[Path, list[Frame]]]:
    """A trip of two steps, of which the first goes on until there is the file that this gives; the second says so."""
    begun, gate = folder / "begun", folder / "gate"
    steps = [
        Step(sh("touch {}; until [ -e {} ]; do sleep 0.02; done; echo first", str(begun), str(gate))),
        Step(Sh("echo second")),
    ]
    with ThreadPoolExecutor() as pool:
        trip = pool.submit(apply, session, *steps)
        frames: list[Frame] = []
        try:
            eventually(begun.exists)
            yield gate, frames
        finally:
            gate.touch()
            frames += trip.result()


def test_a_stop_leaves_the_running_step_to_complete(connection: LocalConnection, tmp_path: Path) -> None:
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        with long_step(session, tmp_path) as (_, frames):
            session.stop()
            eventually(lambda: Path(session.folder, "stop").exists())
        assert statuses(frames) == [("1", "0")]
        assert output(frames) == b"first\n"
        # Between two trips, too, and for good.
        assert statuses(apply(session, Step(Sh("echo never")))) == []


def test_an_abort_runs_beside_the_step(connection: LocalConnection, tmp_path: Path) -> None:
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        with long_step(session, tmp_path) as (gate, frames):
            session.abort(sh("touch {}", str(gate)))
            eventually(gate.exists)
        assert statuses(frames) == [("1", "0"), ("2", "0")]


def test_an_abort_that_comes_too_late_does_nothing(connection: LocalConnection, tmp_path: Path) -> None:
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        session.abort(sh("touch {}", str(tmp_path / "late")))
        assert statuses(apply(session, Step(Sh("true")))) == [("1", "0")]
    assert not (tmp_path / "late").exists()


def test_an_early_end_is_never_success(connection: LocalConnection, tmp_path: Path) -> None:
    with (
        Session(connection, holder="test", base=str(tmp_path / "run")) as session,
        pytest.raises(ConnectionLost, match="before its last frame"),
    ):
        session.trip({"main": b"kill -KILL $PPID"}, lambda frame: None)


def test_a_script_that_is_killed_ends_the_session(connection: LocalConnection, tmp_path: Path) -> None:
    with (
        Session(connection, holder="test", base=str(tmp_path / "run")) as session,
        pytest.raises(ConnectionLost, match="before its last frame"),
    ):
        session.trip({"main": b"kill -KILL $$"}, lambda frame: None)


def test_a_silent_line_frees_the_lock(tmp_path: Path) -> None:
    base = str(tmp_path / "run")
    connection = LocalConnection()
    session = Session(connection, holder="first", base=base, patience=8)
    apply(session, Step(Sh("true")))
    session.stop_beating()
    eventually(lambda: _locks(base))
    session.close()


def test_a_survey_may_be_silent_for_as_long_as_its_programs_may_run(tmp_path: Path) -> None:
    """Longer than a line may: the driver reads no heartbeat meanwhile."""
    reads: set[Read] = {Shell(Sh("sleep 16; echo a=1"), timeout=60)}
    parser = SurveyParser(reads)
    with Session(LocalConnection(), holder="first", base=str(tmp_path / "run"), patience=12) as session:
        session.trip(script.survey(reads, contents=False), parser)
        assert next(iter(parser.observed().readings.values()))["a"] == "1"
        assert statuses(apply(session, Step(Sh("true")))) == [("1", "0")]


def test_a_program_of_a_survey_does_not_inherit_the_lock(tmp_path: Path) -> None:
    reads: set[Read] = {Shell(Sh("[ ! -e /proc/self/fd/9 ] && [ ! -e /proc/self/fd/3 ] && echo free=yes"))}
    parser = SurveyParser(reads)
    with Session(LocalConnection(), holder="first", base=str(tmp_path / "run")) as session:
        session.trip(script.survey(reads, contents=False), parser)
    assert next(iter(parser.observed().readings.values()))["free"] == "yes"


def test_heartbeats_keep_an_idle_session_alive(tmp_path: Path) -> None:
    connection = LocalConnection()
    with Session(connection, holder="first", base=str(tmp_path / "run"), patience=12) as session:
        apply(session, Step(Sh("true")))
        # Longer than patience: the next step starts, and so does the next script.
        assert statuses(apply(session, Step(Sh("sleep 16")), Step(Sh("true")))) == [("1", "0"), ("2", "0")]
        assert statuses(apply(session, Step(Sh("true")))) == [("1", "0")]
