"""Logins that begin while other things are done: to whom, and what becomes of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from provision.cli.connector import AHEAD, Connector
from provision.errors import Unreachable
from provision.events import Notice
from provision.transport import ssh
from provision.transport.protocol import Login
from provision.transport.ssh_hostkeys import HostKeyPolicy
from provision.transport.ssh_passphrases import Passphrases

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG1jTTvvhTN6cTrZxnPJh9mBlJnr0AfBv3nRkM0lFYq2"


class Opened:
    """A connection that says when it is closed."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.settings = SimpleNamespace(notes=("ssh_config has match",))
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def known(tmp_path: Path) -> Callable[[str], Login]:
    """Makes Logins for hosts that are in known_hosts."""
    file = tmp_path / "known_hosts"

    def login(name: str) -> Login:
        with file.open("a") as lines:
            lines.write(f"{name} {KEY}\n")
        return Login(name, name, known_hosts=str(file))

    return login


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    made: list[Opened] = []

    def connect(login: Login, *, host_keys: HostKeyPolicy, passphrases: Passphrases | None) -> Opened:
        made.append(Opened(login))
        return made[-1]

    monkeypatch.setattr(ssh, "connect", connect)
    return made


def connector(password: str | None = None) -> Connector:
    return Connector(HostKeyPolicy(), password)


def ask(connect: Connector, login: Login) -> Opened:
    given: object = connect(login)
    assert isinstance(given, Opened)
    return given


def test_a_login_that_was_begun_is_the_one_that_is_given(known: Callable[[str], Login], opened: list[Opened]) -> None:
    connect = connector("hunter2")
    connect.begin([known("web1")])
    first = ask(connect, known("web1"))
    assert first.login.become_password == "hunter2"
    assert [first] == opened
    assert ask(connect, known("web1")) is not first, "each is given once"


def test_a_host_that_was_never_met_waits_for_its_turn(known: Callable[[str], Login], opened: list[Opened]) -> None:
    """Nobody is asked about its key before what was written is known to be right."""
    connect = connector()
    stranger = replace(known("web1"), name="web2", address="web2")
    connect.begin([stranger, replace(known("web3"), common_args="-J web1"), replace(known("web4"), common_args="-Q")])
    assert connect._ahead == {}
    assert ask(connect, stranger).login == stranger


def test_what_cannot_be_read_on_the_way_is_told_once(known: Callable[[str], Login], opened: list[Opened]) -> None:
    told: list[Notice] = []
    connect = Connector(HostKeyPolicy(), None, emit=told.append)
    for name in ("web1", "web2"):
        connect(known(name))
    assert told == [Notice("", "ssh_config has match")]


def test_many_hosts_wait_for_their_turn(known: Callable[[str], Login], opened: list[Opened]) -> None:
    connect = connector()
    connect.begin([known(f"web{number}") for number in range(AHEAD + 1)])
    assert connect._ahead == {}
    connect.begin([known(f"web{number}") for number in range(AHEAD)])
    assert len(connect._ahead) == AHEAD
    for future in connect._ahead.values():
        future.result(60)


def test_what_nobody_asks_for_is_closed(known: Callable[[str], Login], opened: list[Opened]) -> None:
    connect = connector()
    connect.begin([known("web1"), known("web2")])
    given = ask(connect, known("web1"))
    future = connect._ahead[known("web2")]
    connect.close()
    other = future.result(60)
    assert isinstance(other, Opened)
    assert other.closed.wait(20)
    assert not given.closed.is_set()


def test_an_error_waits_for_whoever_asks(known: Callable[[str], Login]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    login = replace(known(f"[127.0.0.1]:{port}"), name="web1", address="127.0.0.1", port=port)
    connect = connector()
    connect.begin([login])
    with pytest.raises(Unreachable, match="refuses connections"):
        connect(login)
    connect.begin([login])
    connect.close()


def test_nobody_is_asked_for_a_passphrase_ahead_of_time(
    known: Callable[[str], Login], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for the connection is asked; a key that was opened meanwhile is there ahead of time, too."""
    asked: list[Path] = []

    def ask_for(path: Path) -> str:
        asked.append(path)
        return "phrase"

    def log_in(login: Login, *, host_keys: HostKeyPolicy, passphrases: Passphrases) -> Opened:
        assert passphrases.open(Path("/key"), lambda phrase: phrase) == "phrase"
        return Opened(login)

    monkeypatch.setattr(ssh, "connect", log_in)
    connect = Connector(HostKeyPolicy(), None, Passphrases(ask_for))
    connect.begin([known("web1")])
    future = connect._ahead[known("web1")]
    assert future.exception(20) is not None
    assert asked == []
    ask(connect, known("web1"))
    connect.begin([known("web2")])
    assert connect._ahead[known("web2")].exception(20) is None
    assert asked == [Path("/key")]
