"""What is asked on a terminal, over a real pseudo-terminal."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from provision import run
from provision.cli import main, questions
from provision.cli.questions import ask_about_key, ask_passphrase
from provision.errors import Interrupted
from provision.run import Outcome
from provision.transport import ssh
from provision.transport.protocol import Login
from provision.transport.ssh_hostkeys import HostKey, HostKeyPolicy
from provision.transport.ssh_passphrases import Passphrases

KEY = HostKey("203.0.113.10", "ssh-ed25519", b"key")


class Still:
    """A report that notes when the screen is asked for."""

    def __init__(self) -> None:
        self.paused = 0

    def __call__(self, event: object) -> None:
        """Not needed here."""

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Count."""
        self.paused += 1
        yield

    def __enter__(self) -> Still:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing to end."""


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What is written here is typed at the terminal that is standard input."""
    ours, theirs = os.openpty()
    with open(theirs, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours
    os.close(ours)


@pytest.mark.parametrize(
    ("typed", "answer", "questions"),
    [
        (b"yes\n", True, 0),
        (b"no\n", False, 0),
        (KEY.fingerprint.encode() + b"\n", True, 0),
        (b"perhaps\nYES\n", True, 1),
        (b"\x04", False, 0),
    ],
    ids=["yes", "no", "fingerprint", "perhaps", "end of input"],
)
def test_an_unknown_key(
    keyboard: int, capsys: pytest.CaptureFixture[str], typed: bytes, answer: bool, questions: int
) -> None:
    """OpenSSH's question and answers, with the screen kept still."""
    report = Still()
    os.write(keyboard, typed)
    assert ask_about_key(KEY, report=report, stopping=threading.Event()) is answer
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == KEY.question + "Please type 'yes', 'no' or the fingerprint: " * questions
    assert report.paused == 1


def test_ctrl_c_at_the_question(keyboard: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The thread that asks gets no signal, so it looks for it."""
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Interrupted):
        ask_about_key(KEY, report=Still(), stopping=stopping)
    assert capsys.readouterr().err.endswith("? \n")


def test_a_passphrase_is_not_shown(keyboard: int, capsys: pytest.CaptureFixture[str]) -> None:
    """OpenSSH's question; what was typed before it is no answer, and the terminal shows again what is typed later."""
    report = Still()
    before = termios.tcgetattr(sys.stdin)
    os.write(keyboard, b"too early\n")
    # The kernel hands it over at a time of its own, and what arrives after the question is an answer.
    assert select.select([sys.stdin], [], [], 60)[0]

    def type_when_hidden() -> None:
        while termios.tcgetattr(sys.stdin)[3] & termios.ECHO:
            pass
        os.write(keyboard, b"open sesame\n")

    typist = threading.Thread(target=type_when_hidden)
    typist.start()
    assert ask_passphrase(Path("/keys/id"), report=report, stopping=threading.Event()) == "open sesame"
    typist.join()
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "Enter passphrase for key '/keys/id': \n")
    assert termios.tcgetattr(sys.stdin) == before
    assert report.paused == 1
    assert b"sesame" not in os.read(keyboard, 1024)


def test_ctrl_c_at_a_passphrase(keyboard: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal is left as it was."""
    before = termios.tcgetattr(sys.stdin)
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Interrupted, match="passphrase"):
        ask_passphrase(Path("/keys/id"), report=Still(), stopping=stopping)
    assert termios.tcgetattr(sys.stdin) == before


@pytest.mark.parametrize(
    ("flags", "terminal", "asks", "accepts"),
    [
        ([], True, True, False),
        ([], False, False, False),
        (["--accept-new-host-keys"], True, False, True),
    ],
)
def test_the_policy_for_host_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], terminal: bool, asks: bool, accepts: bool
) -> None:
    """Asked on a terminal, refused elsewhere, accepted when the user said so."""
    used = connected(tmp_path, monkeypatch, flags, terminal=terminal)
    policy = used["policy"]
    assert isinstance(policy, HostKeyPolicy)
    assert (policy.ask is not None, policy.accept_new) == (asks, accepts)
    assert (used["passphrases"].ask is not None) is terminal
    assert used["login"] == Login("web1", "203.0.113.10")


def test_the_password_of_sudo_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not shown, and goes to the hosts that have none of their own."""
    used = connected(tmp_path, monkeypatch, ["-K"], terminal=True, typed="hunter2\n")
    assert used["login"] == Login("web1", "203.0.113.10", become_password="hunter2")
    assert used["output"] == "BECOME password: \n"


def connected(
    folder: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], *, terminal: bool = False, typed: str | None = None
) -> dict[str, Any]:
    """What ssh.connect is called with by a run of one host, and what was printed."""
    used: dict[str, Any] = {}

    def connect(login: Login, *, host_keys: HostKeyPolicy, passphrases: Passphrases) -> SimpleNamespace:
        used.update(login=login, policy=host_keys, passphrases=passphrases)
        return SimpleNamespace(settings=SimpleNamespace(notes=()))

    class Run:
        def __init__(self, inventory: object, options: object, emit: object, connect: Any) -> None:
            self._connect = connect

        def execute(self) -> Outcome:
            self._connect(Login("web1", "203.0.113.10"))
            return Outcome({})

    inventory = folder / "inventory.yml"
    inventory.write_text("all: {hosts: {web1: {ansible_host: 203.0.113.10}}}\n")
    monkeypatch.setattr(ssh, "connect", connect)
    monkeypatch.setattr(run, "InventoryRun", Run)
    monkeypatch.setattr(questions, "can_ask", lambda: terminal)
    result = CliRunner().invoke(main, ["up", str(inventory), *flags], input=typed)
    assert result.exit_code == 0, result.output
    used["output"] = result.output
    return used


def test_nobody_is_asked_off_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the question and the answer need one."""
    with open(os.devnull, encoding="utf-8") as nowhere:
        monkeypatch.setattr(sys, "stdin", nowhere)
        assert not questions.can_ask()
