"""Two servers: one inside this process that runs local sh, and a real sshd on loopback."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import paramiko
import pytest
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
    cMSG_CHANNEL_SUCCESS,
)
from tests.unit.ssh.openssh import Sshd, make_keys, running

from provision.transport import ssh, ssh_dial
from provision.transport.protocol import Login
from provision.transport.ssh_hostkeys import HostKeyPolicy
from provision.transport.ssh_stream import SshStream

Connect = Callable[..., ssh.SshConnection]

SUDO = """#!/bin/sh
# Enough of sudo: -n, -S, -p. FREE lets everybody in, COMPLAINT nobody, CODE wants another secret.
while [ $# -gt 0 ]; do
    case $1 in -n) never=1 ;; -p) prompt=$2; shift ;; --) shift; break ;; esac
    shift
done
[ -n "$FREE" ] && exec "$@"
[ -n "$COMPLAINT" ] && { echo "$COMPLAINT" >&2; exit 1; }
[ -n "$never" ] && { echo "sudo: a password is required" >&2; exit 1; }
[ -n "$CODE" ] && { printf %s "$CODE" >&2; cat >>"$ASKED"; exit 1; }
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
    secret: str = "hunter2"
    banner: str = ""
    sessions: int = 10
    transports: list[paramiko.Transport] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @staticmethod
    def read(stream: SshStream, end: bytes = b"") -> bytes:
        """What the stream gives, until it has given ``end``; by default until its own end."""
        data = b""
        while not (end and data.endswith(end)):
            more = stream.receive()
            if not more:
                assert not end, data
                break
            data += more
        return data

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def get_banner(self) -> tuple[str, str]:
        return self.banner, "en"

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL if password == self.secret else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self.sessions -= 1
        return OPEN_SUCCEEDED if self.sessions >= 0 else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command.decode())
        transport = channel.get_transport()
        send = transport._send_user_message  # type: ignore[attr-defined]  # its stubs leave it out

        def reply(message: paramiko.Message) -> None:
            send(message)
            # As sshd does: a command that ends at once must not close the channel before the request is granted.
            if message.asbytes().startswith(cMSG_CHANNEL_SUCCESS):
                vars(transport)["_send_user_message"] = send
                threading.Thread(target=self.run, args=(channel, command), daemon=True).start()

        vars(transport)["_send_user_message"] = reply
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
                (channel.recv, process.stdin.write, process.stdin),
                (process.stdout.read, channel.sendall, process.stdout),
                (process.stderr.read, channel.sendall_stderr, process.stderr),
            )
        ]
        for thread in pumps:
            thread.start()
        for thread in pumps[1:]:
            thread.join()
        status = process.wait()
        with contextlib.suppress(OSError, EOFError):
            # One that a signal ended has a negative one.
            channel.send_exit_status(status % 256)
            channel.close()


def pump(read: Callable[[int], bytes], write: Callable[[bytes], object], end: IO[bytes]) -> None:
    with contextlib.closing(end), contextlib.suppress(OSError, EOFError):
        while data := read(65536):
            write(data)


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
    known = str(tmp_path / "known")
    yield Login("web1", "127.0.0.1", port=port, user="root", password=server.secret, known_hosts=known, timeout=60)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def connect(login: Login) -> Iterator[Connect]:
    opened: list[ssh.SshConnection] = []

    def connect(**changes: object) -> ssh.SshConnection:
        opened.append(ssh.connect(replace(login, **changes), host_keys=HostKeyPolicy()))  # type: ignore[arg-type]
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def sshd(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running(keys, tmp_path_factory.mktemp("sshd") / "sshd") as server:
        yield server


@pytest.fixture
def more_sshd(keys: Path, tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Starts servers with options of their own, whose values may hold ``{folder}``."""
    with contextlib.ExitStack() as closing:

        def start(name: str, prepare: Callable[[Path], object] = lambda folder: None, **options: str) -> Sshd:
            return closing.enter_context(running(keys, tmp_path / name, prepare, **options))

        yield start


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(ssh_dial, "_PAUSES", (0.01, 0.02))
    return tmp_path
