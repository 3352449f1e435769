"""The record of runs that a host keeps: what is written, whatever happens meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fake_host import FakeHost, Setting, converge, task, up
from tests.unit.live_session import replaced

from provision import script
from provision.audit import audit
from provision.converge import Host
from provision.errors import ConnectionLost
from provision.ops.commands import Program
from provision.ops.history import Recorded, Unreadable, on_record, parse
from provision.ops.relay import Relay
from provision.resources.base import Step
from provision.script import Owner
from provision.shell import Sh, sh
from provision.transport.frames import Frame
from provision.transport.local import LocalConnection
from provision.transport.session import Bounds, Session

ODD = 'it\'s "quoted" \\n @RESULT@ $(touch canary) `id` %s \u00e9\n\ud800'
"""No part of a JSON text that a shell puts together may be taken from this as it is."""


class Machine:
    """A host of which the record lies in a folder of the test's."""

    def __init__(self, shell: str, folder: Path) -> None:
        self._shell, self._folder = shell, folder
        self.log = folder / "log" / "provision" / "audit.jsonl"
        self.log.parent.parent.mkdir()

    def session(self) -> tuple[Session, LocalConnection]:
        connection = LocalConnection(self._shell)
        return Session(connection, holder="test", base=str(self._folder / "run")), connection

    def apply(self, *steps: Step, owners: Sequence[Owner] = (), command: str = "provision up") -> None:
        session, _ = self.session()
        with session:
            session.trip(self.files(steps, owners, command), lambda frame: None)

    def files(self, steps: Sequence[Step], owners: Sequence[Owner] = (), command: str = "") -> dict[str, bytes]:
        files = script.apply(steps, audit=audit(command), owners=owners)
        return {name: self._here(data) for name, data in files.items()}

    def _here(self, data: bytes) -> bytes:
        return replaced(data, {"/var/log/provision": str(self.log.parent)})

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def read(self, runs: int) -> tuple[int, str]:
        """Status and output of what `provision history` runs."""
        text = Program(Sh(self._here(on_record(runs).text.encode()).decode())).text
        printed: list[bytes] = []
        with Relay(LocalConnection(self._shell), text, base=str(self._folder / "run")) as relay:
            status = relay.run(lambda stream, data: printed.append(data))
        return status, b"".join(printed).decode()


@pytest.fixture(params=["dash", "bash"])
def machine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("SSH_CONNECTION", "2001:db8::7%eth0 50000 192.0.2.1 22")
    return Machine(request.param, tmp_path)


def test_a_run_that_changed_something_is_recorded(machine: Machine) -> None:
    owners = [Owner("web", "Write", last=False), Owner("web", "Write"), Owner("web", "Restart")]
    machine.apply(*[Step(Sh("true"))] * 3, owners=owners, command=ODD)

    (found,) = machine.records()
    assert found["command"] == ODD
    assert (found["from"], found["result"], found["changed"]) == ("2001:db8::7%eth0", "ok", 2)
    assert set(found) == {"who", "when", "version", "command", "from", "result", "changed"}
    assert machine.log.stat().st_mode & 0o077 == 0


def test_a_failure_names_its_task(machine: Machine) -> None:
    owners = [Owner("web", "Write"), Owner(ODD, f"Restart {ODD}"), Owner("web", "Never")]
    machine.apply(Step(Sh("true")), Step(Sh("exit 3")), Step(Sh("true")), owners=owners)

    (found,) = machine.records()
    assert (found["result"], found["changed"], found["role"], found["task"]) == ("failed", 1, ODD, f"Restart {ODD}")


def test_the_engine_says_whose_the_steps_are() -> None:
    seen: list[bytes] = []

    class Watched(FakeHost):
        def trip(self, files: Any, on_frame: Callable[[Frame], None], *, bounds: Bounds | None = None) -> None:
            if "tasks" in files:
                seen.append(files["tasks"] + files["main"][files["main"].rindex(b"run_step 1") :])
            super().trip(files, on_frame, bounds=bounds)

    host: Host = converge(Watched(), [task(Setting(key="a", steps=2), name='"A"'), task(Setting(key="b"))])
    up(host)

    tasks, _, calls = seen[0].partition(b"run_step")
    assert [json.loads("{" + row[2:] + "}")["task"] for row in tasks.decode().splitlines()] == ['"A"', '"A"', "b"]
    assert [row.split()[-1] for row in calls.splitlines()[:3]] == [b"no", b"yes", b"yes"]


def test_a_run_that_was_stopped(machine: Machine) -> None:
    session, _ = machine.session()
    with session:
        session.stop()
        session.trip(machine.files([Step(Sh("true"))]), lambda frame: None)

    assert [(found["result"], found["changed"]) for found in machine.records()] == [("stopped", 0)]


@pytest.mark.parametrize(("code", "result", "changed"), [(0, "lost", 1), (5, "failed", 0)])
def test_a_line_that_is_lost_is_recorded_once_the_step_has_ended(
    machine: Machine, tmp_path: Path, code: int, result: str, changed: int
) -> None:
    session, connection = machine.session()
    gate = tmp_path / "gate"
    # It prints while nobody listens any more.
    wait = sh("echo begun; until [ -e {} ]; do sleep 0.02; echo waiting; done; exit {}", str(gate), code)

    def cut(frame: Frame) -> None:
        if frame.verb == "output":
            connection.streams[0]._process.stdout.close()  # type: ignore[union-attr]
            raise ConnectionLost("cut")

    with pytest.raises(ConnectionLost):
        session.trip(machine.files([Step(wait), Step(Sh("true"))], [Owner("web", "One"), Owner("web", "Two")]), cut)
    gate.touch()
    session.close()  # waits for the shell

    (found,) = machine.records()
    assert (found["result"], found["changed"], found.get("task")) == (result, changed, "One" if code else None)


@pytest.mark.parametrize(
    "connection", ["", "$(touch canary) 1 2 3", '192.0.2.1","who":"root 1 2 3', "a\nSSH_CONNECTION=b"]
)
def test_an_address_that_is_none_is_left_out(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, connection: str
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", connection)
    machine.apply(Step(Sh("true")))

    assert [found["from"] for found in machine.records()] == [""]


def test_what_sudo_hides_is_found(machine: Machine, tmp_path: Path) -> None:
    """The shell has no such variable; the process that started it does, as sudo does."""
    connection = LocalConnection(str(_like_sudo(tmp_path)))
    with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
        session.trip(machine.files([Step(Sh("true"))]), lambda frame: None)

    assert [found["from"] for found in machine.records()] == ["2001:db8::7%eth0"]


def _like_sudo(folder: Path) -> Path:
    path = folder / "sudo"
    path.write_text('#!/bin/sh\nenv -u SSH_CONNECTION sh "$@"\nexit $?\n')
    path.chmod(0o755)
    return path


def test_a_line_that_the_power_cut_stays_alone(machine: Machine) -> None:
    machine.apply(Step(Sh("true")))
    for end in (b'{"who": "an', b'{"who": "b\0\0\0\0'):
        machine.log.write_bytes(machine.log.read_bytes() + end)
        machine.apply(Step(Sh("true")), command=str(end))

    status, text = machine.read(20)
    assert status == 0
    assert [type(entry) for entry in parse(text, 20)] == [Recorded, Unreadable, Recorded, Unreadable, Recorded]


def test_the_record_does_not_grow_for_ever(machine: Machine) -> None:
    machine.log.parent.mkdir()
    machine.log.write_text("".join(f"{number}\n" for number in range(1999)))
    machine.apply(Step(Sh("true")))
    assert len(machine.log.read_text().splitlines()) == 2000
    machine.apply(Step(Sh("false")))

    kept = machine.log.read_text().splitlines()
    assert (len(kept), kept[0]) == (1000, "1001")
    assert [json.loads(line)["result"] for line in kept[-2:]] == ["ok", "failed"]
    assert [path.name for path in machine.log.parent.iterdir()] == ["audit.jsonl"]


def test_a_record_that_cannot_be_shortened_is_kept(machine: Machine) -> None:
    machine.log.with_name("audit.jsonl.new").mkdir(parents=True)
    machine.log.write_text("".join(f"{number}\n" for number in range(2500)))
    machine.apply(Step(Sh("true")))

    assert len(machine.log.read_text().splitlines()) == 2501


def test_a_host_without_a_record_and_one_whose_record_is_none(machine: Machine) -> None:
    assert machine.read(20) == (0, "")
    machine.log.mkdir(parents=True)
    status, text = machine.read(20)
    assert status != 0
    assert "audit.jsonl" in text


def test_enough_lines_are_read_for_the_runs_that_are_wanted(machine: Machine) -> None:
    machine.log.parent.mkdir()
    machine.log.write_text("".join(f"{number}\n" for number in range(100)))

    assert machine.read(5) == (0, "".join(f"{number}\n" for number in range(80, 100)))
