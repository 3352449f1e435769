"""Logging in: which keys are tried, in which order, and what a refusal says."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.errors import AuthenticationError

if TYPE_CHECKING:
    from tests.unit.ssh.conftest import Connect, Server, Sshd


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


def test_a_banner_that_names_another_login_is_quoted(connect: Connect, server: Server) -> None:
    server.banner = 'Hello.\r\nPlease login as the user "admin" rather than root.\r\n'
    with pytest.raises(AuthenticationError, match="Please login as the user") as caught:
        connect(password="wrong")
    assert caught.value.hint == "set ansible_user: admin"


@pytest.fixture
def agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = home / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    while not path.exists():
        assert process.poll() is None
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield path
    process.terminate()
    process.wait()


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
