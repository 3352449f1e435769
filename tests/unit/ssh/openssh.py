"""A real sshd on loopback, with keys and certificates by ssh-keygen."""

from __future__ import annotations

import contextlib
import getpass
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provision.transport import ssh
from provision.transport.protocol import Login
from provision.transport.ssh_hostkeys import HostKeyPolicy
from provision.transport.ssh_passphrases import Passphrases

KINDS = ("ed25519", "ecdsa", "rsa")


@dataclass(frozen=True)
class Sshd:
    """A real sshd; its keys and its log lie in ``folder``."""

    folder: Path
    port: int

    @property
    def login(self) -> Login:
        return Login(
            "web1",
            "127.0.0.1",
            port=self.port,
            user=getpass.getuser(),
            key_files=(str(self.folder / "user"),),
            known_hosts=str(self.known("ed25519")),
            timeout=60,
        )

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def known(self, kind: str, host: str = "127.0.0.1") -> Path:
        """A known_hosts that holds the server's key of one type."""
        path = self.folder / f"known_{kind}_{host}"
        path.write_text(f"[{host}]:{self.port} {(self.folder / f'{kind}.pub').read_text()}")
        return path

    def user_id(
        self, login: Login, policy: HostKeyPolicy | None = None, passphrases: Passphrases | None = None
    ) -> bytes:
        """Connect, and let the host say as whom."""
        connection = ssh.connect(login, host_keys=policy or HostKeyPolicy(), passphrases=passphrases)
        try:
            return connection.root_stream("id -u; cat").receive()
        finally:
            connection.close()

    def openssh(self, *options: str) -> bool:
        """Does the `ssh` program log in, too?"""
        place = [f"-p{self.port}", f"{getpass.getuser()}@127.0.0.1", "true"]
        fixed = ["-Fnone", "-oBatchMode=yes", "-oGlobalKnownHostsFile=none"]
        return subprocess.run(["ssh", *fixed, *options, *place], capture_output=True).returncode == 0

    @staticmethod
    def keygen(path: Path, kind: str, phrase: str = "") -> None:
        """A new pair of keys at ``path``."""
        size = ["-b", "2048"] if kind == "rsa" else []
        subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", phrase, "-f", path], check=True)


def certify(authority: Path, key: Path, *options: str) -> Path:
    """A certificate of ``authority`` beside the public key of ``key``."""
    words = ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", *options, f"{key}.pub"]
    subprocess.run(words, check=True, capture_output=True)
    return Path(f"{key}-cert.pub")


@contextmanager
def agent_at(path: Path) -> Iterator[Path]:
    """An ssh-agent that listens at ``path``; its socket is there a moment before it listens."""
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        while not _listens(path):
            assert process.poll() is None
            time.sleep(0.01)
        yield path
    finally:
        process.terminate()
        process.wait()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        return path.exists() and sock.connect_ex(str(path)) == 0


def make_keys(folder: Path) -> Path:
    """Keys for servers: those of hosts, and two of a user, of which one needs the passphrase "phrase"."""
    for kind in KINDS:
        Sshd.keygen(folder / kind, kind)
    Sshd.keygen(folder / "user", "ed25519")
    Sshd.keygen(folder / "locked", "ed25519", "phrase")
    return folder


@contextmanager
def running(
    keys: Path, folder: Path, prepare: Callable[[Path], object] = lambda folder: None, **options: str
) -> Iterator[Sshd]:
    """A server with copies of ``keys`` in ``folder``, where ``prepare`` does its work before the start."""
    shutil.copytree(keys, folder)
    (folder / "authorized").write_text((folder / "user.pub").read_text() + (folder / "locked.pub").read_text())
    prepare(folder)
    server = Sshd(folder, _free_port())
    all_options = {
        "AuthorizedKeysFile": f"{folder}/authorized",
        "KbdInteractiveAuthentication": "no",
        "ListenAddress": f"127.0.0.1:{server.port}",
        "LogLevel": "VERBOSE",
        "MaxAuthTries": "3",
        "MaxSessions": "2",
        "PasswordAuthentication": "no",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
    } | {key: value.format(folder=folder) for key, value in options.items()}
    lines = [f"{key} {value}\n" for key, value in all_options.items()]
    lines += [f"HostKey {folder}/{kind}\n" for kind in KINDS]
    (folder / "config").write_text("".join(lines))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "install openssh-server"
    with (folder / "log").open("wb") as errors:
        process = subprocess.Popen([program, "-D", "-e", "-f", folder / "config"], stderr=errors)
    try:
        while "Server listening" not in server.log:
            assert process.poll() is None, server.log
            time.sleep(0.01)
        yield server
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    """One that no connection is given by itself: Linux takes those from 32768 on."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
