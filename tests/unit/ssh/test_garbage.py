"""Hosts over real SSH whose shell, or whatever is there in its place, says something else than ours, or nothing."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import paramiko
import pytest

from provision.errors import ConnectionLost, ProvisionError
from provision.script import survey
from provision.transport.session import Bounds, Session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ssh.conftest import Connect, Server

SILENCE = 0.5
"""Seconds, for a host of which nothing is expected."""
PATIENCE = 60.0
"""Seconds, where there is something to wait for."""


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Path:
    """What stands in the place of sh on the host; the real one is $REAL."""
    server.env["REAL"] = "/bin/sh"
    path = tmp_path / "sh"
    server.env["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    return path


def talk(connect: Connect, base: Path, silence: float, until: str = "") -> None:
    """Ask for a survey, and wait for SILENCE only once the host has said ``until``."""
    with Session(connect(), base=str(base), silence=silence) as session:

        def lose_patience() -> None:
            while until not in session._frames.noise and not session._closed.wait(0.01):
                pass
            session._watch.arm(SILENCE)

        if until:
            threading.Thread(target=lose_patience, daemon=True).start()
        session.trip(survey([], contents=False), lambda frame: None, bounds=Bounds(silence))


def write(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_shell_that_greets_is_as_good_as_any(shell: Path, connect: Connect, tmp_path: Path) -> None:
    write(shell, 'seq 1 20000; printf "\\033[1mWelcome\\r\\n"; exec "$REAL" "$@"')
    verbs: list[str] = []
    with Session(connect(), base=str(tmp_path / "run")) as session:
        session.trip(survey([], contents=False), lambda frame: verbs.append(frame.verb))
    assert verbs == ["facts", "disks"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exec yes", "goes on saying what it was not asked for: 'y\\\\ny"),
        ("exec cat /dev/zero", "goes on saying"),
        ("exec yes 'Please login as the user' | tr -d '\\n'", "goes on saying .*Please login"),
        ("echo This account is currently not available.; exit 1", "currently not available"),
        ("echo nothing to see >&2; exit 1", "nothing to see"),
    ],
)
def test_a_shell_that_is_none(shell: Path, connect: Connect, tmp_path: Path, text: str, said: str) -> None:
    write(shell, text)
    with pytest.raises(ConnectionLost, match=said):
        talk(connect, tmp_path / "run", PATIENCE)


@pytest.mark.parametrize(
    ("text", "until", "said"),
    [
        ("echo Welcome; exec cat >/dev/null", "Welcome", "has not answered for 0 s; all it said is 'Welcome'"),
        ("exec cat >/dev/null", "", "has not answered for 0 s"),
        ("while sleep 0.1; do echo still here; done", "here", "has not answered for 0 s; all it said is 'still here"),
        ("exec cat", "", "goes on saying|has not answered"),
    ],
)
def test_a_shell_that_does_not_answer(
    shell: Path, connect: Connect, tmp_path: Path, text: str, until: str, said: str
) -> None:
    write(shell, text)
    with pytest.raises(ConnectionLost, match=said):
        talk(connect, tmp_path / "run", PATIENCE if until else SILENCE, until)


def test_a_host_that_neither_starts_a_shell_nor_refuses_to(
    server: Server, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def undecided(channel: paramiko.Channel, command: bytes) -> bool:
        over.wait()
        return False

    monkeypatch.setattr(server, "check_channel_exec_request", undecided)
    try:
        with pytest.raises(ProvisionError, match="has not answered for 0 s"):
            talk(connect, tmp_path / "run", SILENCE)
    finally:
        over.set()
