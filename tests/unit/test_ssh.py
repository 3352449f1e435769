"""Connections and root processes against a server inside this process that runs local sh."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED

from provision.errors import AuthenticationError, ConfigError, ConnectionLost, HostKeyError, Refused, Unreachable
from provision.transport import ssh
from provision.transport.protocol import Login
from provision.transport.ssh_hostkeys import HostKeyPolicy
from provision.transport.ssh_stream import SshStream

SECRET = "hunter2"

SUDO = """#!/bin/sh
# Enough of sudo: -n, -S, -p. FREE lets everybody in, COMPLAINT nobody.
while [ $# -gt 0 ]; do
    case $1 in -n) never=1 ;; -p) prompt=$2; shift ;; --) shift; break ;; esac
    shift
done
[ -n "$FREE" ] && exec "$@"
[ -n "$COMPLAINT" ] && { echo "$COMPLAINT" >&2; exit 1; }
[ -n "$never" ] && { echo "sudo: a password is required" >&2; exit 1; }
for try in 1 2 3; do
    printf %s "$prompt" >&2
    IFS= read -r password || { echo "sudo: no password was provided" >&2; exit 1; }
    echo "$password" >>"$ASKED"
    [ "$password" = hunter2 ] && exec "$@"
    echo "Sorry, try again." >&2
done
exit 1
"""


@dataclass
class Server(paramiko.ServerInterface):
    """Lets in who knows the password; runs what it is told with the environment ``env``."""

    env: dict[str, str]
    banner: str = ""
    sessions: int = 10
    transports: list[paramiko.Transport] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def get_banner(self) -> tuple[str, str]:
        return self.banner, "en"

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL if password == SECRET else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self.sessions -= 1
        return OPEN_SUCCEEDED if self.sessions >= 0 else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command.decode())
        threading.Thread(target=self.run, args=(channel, command), daemon=True).start()
        return True

    def run(self, channel: paramiko.Channel, command: bytes) -> None:
        process = subprocess.Popen(
            ["sh", "-c", command], stdin=-1, stdout=-1, stderr=-1, env=self.env, bufsize=0, start_new_session=True
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        pumps = [
            threading.Thread(target=pump, args=arguments, daemon=True)
            for arguments in (
                (channel.recv, process.stdin.write, process.stdin.close),
                (process.stdout.read, channel.sendall, process.stdout.close),
                (process.stderr.read, channel.sendall_stderr, process.stderr.close),
            )
        ]
        for thread in pumps:
            thread.start()
        for thread in pumps[1:]:
            thread.join()
        channel.send_exit_status(process.wait())
        channel.shutdown(2)
        channel.close()


def pump(read: Callable[[int], bytes], write: Callable[[bytes], object], close: Callable[[], None]) -> None:
    try:
        while data := read(65536):
            write(data)
    except OSError:
        pass
    finally:
        close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "sudo").write_text(SUDO)
    (tmp_path / "sudo").chmod(0o755)
    asked = tmp_path / "asked"
    yield (server := Server({"PATH": f"{tmp_path}:{os.environ['PATH']}", "ASKED": str(asked)}))
    for transport in server.transports:
        transport.close()


@pytest.fixture
def login(server: Server, tmp_path: Path) -> Iterator[Login]:
    key = paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            transport.add_server_key(key)
            server.transports.append(transport)
            transport.start_server(event=threading.Event(), server=server)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    yield Login(
        "web1", "127.0.0.1", port=port, user="root", password=SECRET, known_hosts=str(tmp_path / "known"), timeout=5
    )
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def connect(login: Login) -> Iterator[Callable[..., ssh.SshConnection]]:
    opened: list[ssh.SshConnection] = []

    def connect(**changes: object) -> ssh.SshConnection:
        opened.append(ssh.connect(replace(login, **changes), host_keys=HostKeyPolicy()))  # type: ignore[arg-type]
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


Connect = Callable[..., ssh.SshConnection]


def read_all(stream: SshStream) -> bytes:
    return b"".join(iter(stream.receive, b""))


def read_until(stream: SshStream, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += stream.receive() or pytest.fail(f"ended after {data!r}")
    return data


def test_a_root_process_reads_writes_and_ends(connect: Connect) -> None:
    stream = connect().root_stream('eval "$(head -c 5)"; cat; exit 3')
    stream.send(b"id -u\xff\x00\nend")
    assert read_until(stream, b"end") == f"{os.getuid()}\n".encode() + b"\xff\x00\nend"
    assert stream.exit_status() is None
    stream._channel.shutdown_write()
    assert [stream.receive(), stream.receive()] == [b"", b""]
    assert stream.exit_status() == 3


def test_a_flood_of_complaints_stops_nobody_and_is_bounded(connect: Connect) -> None:
    stream = connect().root_stream("seq 1000000 >&2; echo done")
    assert read_all(stream) == b"done\n"
    assert stream.complaint().endswith("999999\n1000000\n")
    assert len(stream.complaint()) == 64 * 1024


def test_a_silent_end_is_an_end_and_its_complaint_is_kept(connect: Connect) -> None:
    stream = connect().root_stream("nonsense-xyz")
    assert read_all(stream) == b""
    assert "nonsense-xyz" in stream.complaint()
    with pytest.raises(ConnectionLost):
        stream.send(b"x" * 100)


def test_a_line_that_is_cut_is_no_end(connect: Connect, server: Server) -> None:
    stream = connect().root_stream("echo begun; cat")
    assert stream.receive() == b"begun\n"
    server.transports[0].close()
    with pytest.raises(ConnectionLost, match=r"web1 .* was lost"):
        stream.receive()
    with pytest.raises(ConnectionLost):
        stream.send(b"more")


def test_close_never_raises_and_ends_receive(connect: Connect, server: Server) -> None:
    connection = connect()
    stream = connection.root_stream("cat")
    stream.close()
    stream.close()
    assert stream.receive() == b""
    server.transports[0].close()
    connection.close()
    connection.close()
    with pytest.raises(Unreachable):
        connection.root_stream("cat")


def test_a_second_process_runs_beside_the_first_where_the_host_allows_one(connect: Connect, server: Server) -> None:
    server.sessions = 2
    connection = connect()
    first, second = connection.root_stream("cat"), connection.side_stream("echo second")
    assert read_all(second) == b"second\n"
    first.send(b"first")
    assert first.receive() == b"first"
    with pytest.raises(Unreachable, match=r"opens no further session.*prohibited") as caught:
        connection.side_stream("true")
    assert "MaxSessions" in caught.value.hint


def test_a_cloud_image_that_wants_another_login_is_quoted_at_once(connect: Connect) -> None:
    started = time.monotonic()
    stream = connect().root_stream("echo Please login as the user debian rather than the user root.; echo; sleep 10")
    with pytest.raises(AuthenticationError, match="Please login as the user debian") as caught:
        stream.receive()
    assert caught.value.hint == "set ansible_user: debian"
    assert time.monotonic() - started < 5


def test_output_that_only_begins_like_it_is_output(connect: Connect) -> None:
    assert read_all(connect().root_stream("printf Please; sleep 0.1; echo , no")) == b"Please, no\n"


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


@pytest.mark.parametrize("free", [True, False])
def test_sudo_gets_the_password_only_if_it_asks(connect: Connect, server: Server, tmp_path: Path, free: bool) -> None:
    server.env["FREE"] = "1" if free else ""
    stream = connect(user="deploy", become_password=SECRET).root_stream('echo ready; eval "$(head -c 9)"; cat')
    stream.send(b"echo evalrest")
    assert read_until(stream, b"rest") == b"ready\neval\nrest"
    assert (tmp_path / "asked").exists() is not free
    assert SECRET not in "".join(server.commands)


def test_a_wrong_sudo_password_is_tried_once(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="sudo refuses the password of deploy") as caught:
        connect(user="deploy", become_password="wrong-secret").root_stream("cat")
    assert "wrong-secret" not in f"{caught.value} {caught.value.hint} {caught.value.log}"
    assert (tmp_path / "asked").read_text() == "wrong-secret\n"


def test_a_sudo_password_of_two_lines_would_be_a_command(connect: Connect) -> None:
    with pytest.raises(ConfigError, match="line break"):
        connect(user="deploy", become_password="a\nreboot").root_stream("cat")


@pytest.mark.parametrize("password", [None, SECRET])
@pytest.mark.parametrize(
    ("complaint", "cause", "hint"),
    [
        ("deploy is not in the sudoers file.", "does not let deploy become root", "usermod -aG sudo deploy"),
        ("Sorry, user deploy is not allowed to execute '/bin/sh' as root.", "does not let deploy", "usermod"),
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


def test_sudo_that_would_ask_is_told_apart_without_waiting(connect: Connect) -> None:
    stream = connect(user="deploy").root_stream("cat")
    with pytest.raises(Refused, match="sudo asks deploy for a password") as caught:
        stream.receive()
    assert "--ask-become-pass" in caught.value.hint
    assert "deploy ALL=(ALL) NOPASSWD: ALL" in caught.value.hint
    with pytest.raises(Refused):
        stream.send(b"x" * 100)


def test_passwords_never_reach_a_log(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stream = connect(user="deploy", become_password=SECRET).root_stream("echo in")
    assert read_all(stream) == b"in\n"
    assert "userauth is OK" in caplog.text
    assert SECRET not in caplog.text


def test_an_unknown_host_key_is_asked_about_and_kept(login: Login, tmp_path: Path) -> None:
    (tmp_path / "known").unlink()
    with pytest.raises(HostKeyError, match=r"\[127.0.0.1\]:\d+ is unknown: ECDSA SHA256:"):
        ssh.connect(login, host_keys=HostKeyPolicy())
    ssh.connect(login, host_keys=HostKeyPolicy(ask=lambda key: key.type == "ECDSA")).close()
    ssh.connect(login, host_keys=HostKeyPolicy()).close()
