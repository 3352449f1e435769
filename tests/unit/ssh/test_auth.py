"""Logging in: which keys are tried, in which order, and what a refusal says."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from paramiko.common import AUTH_FAILED
from tests.unit.ssh.openssh import Sshd, agent_at
from tests.unit.waiting import eventually

from provision.errors import AuthenticationError, Unreachable
from provision.transport import ssh
from provision.transport.ssh_eager import EagerTransport
from provision.transport.ssh_hostkeys import HostKeyPolicy
from provision.transport.ssh_passphrases import Passphrases

if TYPE_CHECKING:
    from tests.unit.ssh.conftest import Connect, Server

    from provision.transport.protocol import Login


def test_a_wrong_password_names_who_where_and_what(connect: Connect, server: Server, tmp_path: Path) -> None:
    (tmp_path / "locked").write_text("")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "phrase", "-f", tmp_path / "key"], check=True)
    with pytest.raises(AuthenticationError) as caught:
        connect(
            password="wrong-secret", key_files=(str(tmp_path / "key"), str(tmp_path / "none"), str(tmp_path / "locked"))
        )
    message = caught.value.message
    for text in (
        "web1 (127.0.0.1 port ",
        "refused the login of root",
        "tried ansible_password",
        f"{tmp_path}/key needs a passphrase: run `ssh-add {tmp_path}/key` first",
        f"{tmp_path}/none: No such file or directory",
        f"{tmp_path}/locked is not a private key",
    ):
        assert text in message
    assert "wrong-secret" not in message


def test_nothing_to_try_is_said(connect: Connect) -> None:
    with pytest.raises(AuthenticationError, match="there was no key and no password to try"):
        connect(password=None)


def test_a_host_that_has_waited_too_long_for_an_answer(login: Login, server: Server) -> None:
    """Somebody compares the fingerprint, and sshd's LoginGraceTime is over."""

    def ask(key: object) -> bool:
        server.transports[-1].close()
        # The end is seen by a thread of its own; where the login begins meanwhile, it counts as tried.
        lines = [each for each in threading.enumerate() if isinstance(each, EagerTransport)]
        eventually(lambda: not any(line.is_active() for line in lines))
        return True

    # The first where the end is seen, the second where it is reset.
    with pytest.raises(Unreachable, match=r"closed the connection before (anybody could log in|the login)"):
        ssh.connect(replace(login, known_hosts="/dev/null"), host_keys=HostKeyPolicy(ask=ask))


def test_a_banner_that_names_another_login_is_quoted(connect: Connect, server: Server) -> None:
    server.banner = 'Hello.\r\nPlease login as the user "admin" rather than root.\r\n'
    with pytest.raises(AuthenticationError, match="Please login as the user") as caught:
        connect(password="wrong")
    assert caught.value.hint == "set ansible_user: admin"


@pytest.fixture
def agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with agent_at(home / "agent") as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield path


def add(home: Path, key: Path) -> None:
    """ssh-add, with the passphrase from an askpass program."""
    (home / "askpass").write_text("#!/bin/sh\necho phrase\n")
    (home / "askpass").chmod(0o755)
    env = os.environ | {"SSH_ASKPASS": str(home / "askpass"), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", key], check=True, env=env, capture_output=True)


def test_the_agent_opens_a_named_key_before_all_others(sshd: Sshd, home: Path, agent: Path) -> None:
    for name in ("a", "b", "c"):
        sshd.keygen(home / name, "ed25519")
        add(home, home / name)
    locked = replace(sshd.login, key_files=(str(sshd.folder / "locked"),))
    with pytest.raises(AuthenticationError, match=r"ssh-add .*after 3 of them \(MaxAuthTries\)") as caught:
        sshd.user_id(locked)
    assert "ansible_ssh_private_key_file" in caught.value.hint
    add(home, sshd.folder / "locked")
    assert sshd.user_id(locked) == b"0\n"
    assert sshd.user_id(sshd.login) == b"0\n"


def test_default_keys_are_found(sshd: Sshd, home: Path) -> None:
    (home / ".ssh").mkdir()
    shutil.copy(sshd.folder / "user", home / ".ssh" / "id_ed25519")
    assert sshd.user_id(replace(sshd.login, key_files=())) == b"0\n"


def test_a_refused_key_is_named_with_what_the_host_takes(sshd: Sshd, home: Path) -> None:
    sshd.keygen(home / "stranger", "ecdsa")
    with pytest.raises(
        AuthenticationError, match=f"tried key {home}/stranger, ansible_password; it accepts only publickey"
    ):
        sshd.user_id(replace(sshd.login, key_files=(str(home / "stranger"),), password="hunter2"))


def test_identity_agent_names_another_agent_or_none(
    sshd: Sshd, home: Path, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(home, sshd.folder / "user")
    login = replace(sshd.login, key_files=())
    assert sshd.user_id(login) == b"0\n"
    for value in ("none", "$EMPTY", f"{home}/gone"):
        with pytest.raises(AuthenticationError) as caught:
            sshd.user_id(replace(login, common_args=f"-o IdentityAgent={value}"))
        assert (f"ssh-agent {home}/gone: No such file" in caught.value.message) is ("gone" in value)
        assert not sshd.openssh(f"-oIdentityAgent={value}", f"-oUserKnownHostsFile={login.known_hosts}")
    with agent_at(home / "other") as other:
        monkeypatch.setenv("OTHER", str(other))
        for value in (str(other), "$OTHER", "${OTHER}"):
            with pytest.raises(AuthenticationError, match="there was no key"):
                sshd.user_id(replace(login, common_args=f"-o IdentityAgent={value}"))
    monkeypatch.setenv("OTHER", str(agent))
    monkeypatch.delenv("SSH_AUTH_SOCK")
    for value in (str(agent), "$OTHER", "${OTHER}", "~/agent"):
        assert sshd.user_id(replace(login, common_args=f"-o IdentityAgent={value}")) == b"0\n"


def test_a_public_file_names_a_key_of_the_agent(sshd: Sshd, home: Path, agent: Path) -> None:
    for name in ("a", "b", "c"):
        sshd.keygen(home / name, "ed25519")
        add(home, home / name)
    add(home, sshd.folder / "user")
    (home / "only.pub").write_text((sshd.folder / "user.pub").read_text())
    login = replace(sshd.login, key_files=(str(home / "only.pub"),), common_args="-o IdentitiesOnly=yes")
    assert sshd.user_id(login) == b"0\n"


class Keyboard:
    """Somebody who types these, one after the other; then nobody."""

    def __init__(self, *typed: str) -> None:
        self._typed = list(typed)
        self.asked: list[Path] = []

    def __call__(self, path: Path) -> str:
        self.asked.append(path)
        return self._typed.pop(0)


def test_a_passphrase_is_asked_once_for_all_hosts(sshd: Sshd) -> None:
    login = replace(sshd.login, key_files=(str(sshd.folder / "locked"),))
    keyboard = Keyboard("wrong", "phrase")
    passphrases = Passphrases(keyboard)
    said: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: said.append(sshd.user_id(login, passphrases=passphrases))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [b"0\n"] * 4
    assert keyboard.asked == [sshd.folder / "locked"] * 2
    assert "phrase" not in repr(passphrases).replace("Passphrases", "")


@pytest.mark.parametrize("typed", [("",), ("a", "b", "c")])
def test_a_key_that_stays_locked_is_named_and_not_asked_about_again(sshd: Sshd, typed: tuple[str, ...]) -> None:
    login = replace(sshd.login, key_files=(str(sshd.folder / "locked"),))
    keyboard = Keyboard(*typed)
    passphrases = Passphrases(keyboard)
    for _ in range(2):
        with pytest.raises(AuthenticationError, match=r"run `ssh-add .*locked` first"):
            sshd.user_id(login, passphrases=passphrases)
    assert len(keyboard.asked) == len(typed)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_nobody_is_asked_about_a_key_that_the_host_does_not_take(sshd: Sshd, home: Path, kind: str) -> None:
    sshd.keygen(home / "stranger", kind, "phrase")
    keyboard = Keyboard()
    login = replace(sshd.login, key_files=(str(home / "stranger"),))
    with pytest.raises(AuthenticationError, match=r"tried key .*stranger"):
        sshd.user_id(login, passphrases=Passphrases(keyboard))
    (home / "stranger.pub").unlink()
    with pytest.raises(AuthenticationError, match=r"tried key .*stranger"):
        sshd.user_id(login, passphrases=Passphrases(keyboard))
    # The next one is still found after it.
    login = replace(login, key_files=(str(home / "stranger"), str(sshd.folder / "locked")))
    assert sshd.user_id(login, passphrases=Passphrases(Keyboard("phrase"))) == b"0\n"


def test_a_host_that_does_not_say_whether_it_takes_a_key(
    login: Login, server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Sshd.keygen(home / "locked", "ed25519", "phrase")
    over = threading.Event()

    def undecided(username: str, key: object) -> int:
        over.wait()
        return AUTH_FAILED

    monkeypatch.setattr(server, "check_auth_publickey", undecided)
    keyboard = Keyboard()
    asked = replace(login, password=None, key_files=(str(home / "locked"),), timeout=3)
    try:
        with pytest.raises(AuthenticationError, match=r"tried key .*locked; it did not answer within 3 s"):
            ssh.connect(asked, host_keys=HostKeyPolicy(), passphrases=Passphrases(keyboard))
    finally:
        over.set()
    assert keyboard.asked == []


@pytest.mark.parametrize(("kind", "form"), [("rsa", "PEM"), ("ecdsa", "PEM"), ("rsa", "PKCS8"), ("ed25519", "RFC4716")])
@pytest.mark.parametrize("phrase", ["", "phrase"])
def test_the_formats_of_keys(sshd: Sshd, home: Path, kind: str, form: str, phrase: str) -> None:
    sshd.keygen(home / "key", kind)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", phrase, "-m", form, "-f", home / "key"],
        check=True,
        capture_output=True,
    )
    authorized = sshd.folder / "authorized"
    before = authorized.read_text()
    authorized.write_text(before + (home / "key.pub").read_text())
    try:
        login = replace(sshd.login, key_files=(str(home / "key"),))
        assert sshd.user_id(login, passphrases=Passphrases(Keyboard("phrase"))) == b"0\n"
    finally:
        authorized.write_text(before)
