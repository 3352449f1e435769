"""Becoming root through sudo, with and without its password."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import eventually

from provision.errors import ConfigError, Refused
from provision.transport.ssh_stream import SshStream

if TYPE_CHECKING:
    from tests.unit.ssh.conftest import Connect, Server


@pytest.mark.parametrize("free", [True, False])
def test_sudo_gets_the_password_only_if_it_asks(connect: Connect, server: Server, tmp_path: Path, free: bool) -> None:
    server.env["FREE"] = "1" if free else ""
    stream = connect(user="deploy", become_password=server.secret).root_stream('echo ready; eval "$(head -c 9)"; cat')
    stream.send(b"echo evalrest")
    assert server.read(stream, b"rest") == b"ready\neval\nrest"
    assert (tmp_path / "asked").exists() is not free
    assert server.secret not in "".join(server.commands)


def test_a_wrong_sudo_password_is_tried_once(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="sudo refuses the password of deploy") as caught:
        connect(user="deploy", become_password="wrong-secret").root_stream("cat")
    assert "wrong-secret" not in f"{caught.value} {caught.value.hint} {caught.value.log}"
    assert (tmp_path / "asked").read_text() == "wrong-secret\n"


def test_a_sudo_password_of_two_lines_would_be_a_command(connect: Connect) -> None:
    with pytest.raises(ConfigError, match="line break"):
        connect(user="deploy", become_password="a\nreboot").root_stream("cat")


@pytest.mark.parametrize("password", [None, "hunter2"])
@pytest.mark.parametrize(
    ("complaint", "cause", "hint"),
    [
        ("deploy is not in the sudoers file.", "does not let deploy become root", "usermod -aG sudo deploy"),
        ("Sorry, user deploy is not allowed to execute '/bin/sh' as root.", "does not let deploy", "usermod"),
        ("sudo-rs: interactive authentication is required", "asks deploy for a password", "--ask-become-pass"),
        ("sudo: Authentication failed, try again.", "refuses the password of deploy", "typed at -K"),
        ("sudo-rs: I'm sorry deploy. I'm afraid I can't do that", "does not let deploy", "usermod"),
        ("sudo: sorry, you must have a tty to run sudo", "wants a terminal", "!requiretty"),
        ("sudo: Account expired or PAM config lacks an account section", "sudo failed", "sudo -n true"),
        ("sh: 1: sudo: not found", "sudo is not installed", "ansible_user: root"),
    ],
)
def test_what_sudo_complains_of_is_explained(
    connect: Connect, server: Server, complaint: str, cause: str, hint: str, password: str | None
) -> None:
    server.env["COMPLAINT"] = complaint
    with pytest.raises(Refused, match=cause) as caught:
        connect(user="deploy", become_password=password).root_stream("cat").receive()
    assert hint in caught.value.hint
    assert caught.value.log == (complaint,)


def test_a_sudo_that_asks_for_something_else_gets_nothing(
    server: Server, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await_marker = SshStream.await_marker

    def await_in_vain(stream: SshStream, marker: bytes, timeout: float) -> None:
        eventually(lambda: stream.complaint() == "Verification code: " and (tmp_path / "asked").exists())
        await_marker(stream, marker, 0.3)

    monkeypatch.setattr(SshStream, "await_marker", await_in_vain)
    server.env["CODE"] = "Verification code: "
    with pytest.raises(Refused, match="for something else than a password") as caught:
        connect(user="deploy", become_password=server.secret).root_stream("cat")
    assert caught.value.log == ("Verification code: ",)
    assert (tmp_path / "asked").read_text() == ""


def test_sudo_that_would_ask_is_told_apart_without_waiting(connect: Connect) -> None:
    stream = connect(user="deploy").root_stream("cat")
    with pytest.raises(Refused, match="sudo asks deploy for a password") as caught:
        stream.receive()
    assert "--ask-become-pass" in caught.value.hint
    assert "deploy ALL=(ALL) NOPASSWD: ALL" in caught.value.hint
    with pytest.raises(Refused):
        stream.send(b"x" * 100)


def test_passwords_never_reach_a_log(server: Server, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stream = connect(user="deploy", become_password=server.secret).root_stream("echo in")
    assert server.read(stream) == b"in\n"
    assert "userauth is OK" in caplog.text
    assert server.secret not in caplog.text
