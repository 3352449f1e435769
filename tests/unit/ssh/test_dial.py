"""Connecting: host keys, jump hosts, and lines that misbehave."""

from __future__ import annotations

import contextlib
import getpass
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.errors import ConnectionLost, HostKeyError, Unreachable
from provision.transport import ssh
from provision.transport.protocol import Login
from provision.transport.ssh_hostkeys import HostKeyPolicy

if TYPE_CHECKING:
    from tests.unit.ssh.openssh import Sshd


def test_an_unknown_host_key_is_asked_about_and_kept(login: Login, tmp_path: Path) -> None:
    (tmp_path / "known").unlink()
    with pytest.raises(HostKeyError, match=r"\[127.0.0.1\]:\d+ is unknown: ECDSA SHA256:"):
        ssh.connect(login, host_keys=HostKeyPolicy())
    ssh.connect(login, host_keys=HostKeyPolicy(ask=lambda key: key.type == "ECDSA")).close()
    ssh.connect(login, host_keys=HostKeyPolicy()).close()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_host_shows_the_key_that_is_known(sshd: Sshd, kind: str) -> None:
    assert sshd.user_id(replace(sshd.login, known_hosts=str(sshd.known(kind)))) == b"0\n"


def test_the_cheapest_of_the_safe_algorithms_is_agreed_upon(sshd: Sshd, more_sshd: Callable[..., Sshd]) -> None:
    old = more_sshd("old", Ciphers="aes256-ctr,aes128-ctr", MACs="hmac-sha1,hmac-sha2-512,hmac-sha2-256")
    for server, cipher, mac in (
        (sshd, "aes128-gcm@openssh.com", None),
        (old, "aes128-ctr", "hmac-sha2-256"),
    ):
        connection = ssh.connect(server.login, host_keys=HostKeyPolicy())
        transport = connection._transport
        assert transport.local_cipher == cipher
        assert mac is None or transport.local_mac == mac
        connection.close()
    broken = more_sshd("broken", Ciphers="aes128-cbc,3des-cbc", MACs="hmac-sha1")
    assert not broken.openssh(f"-i{broken.folder}/user", f"-oUserKnownHostsFile={broken.known('ed25519')}")
    with pytest.raises(Unreachable, match="it shares no algorithm with this client"):
        broken.user_id(broken.login)


def test_what_openssh_knows_we_know_and_the_other_way_round(sshd: Sshd, home: Path) -> None:
    login = replace(sshd.login, known_hosts=str(home / "new" / "known_hosts"))

    def openssh(strict: str) -> None:
        options = [f"-oStrictHostKeyChecking={strict}", f"-oUserKnownHostsFile={login.known_hosts}", "-oBatchMode=yes"]
        place = [f"-i{sshd.folder}/user", f"-p{sshd.port}", f"{login.user}@{login.address}"]
        subprocess.run(["ssh", "-Fnone", *options, *place, "true"], check=True, capture_output=True)

    with pytest.raises(HostKeyError, match="is unknown: ED25519 SHA256:"):
        sshd.user_id(login)
    assert sshd.user_id(login, HostKeyPolicy(accept_new=True)) == b"0\n"
    openssh(strict="yes")
    (home / "new" / "known_hosts").unlink()
    openssh(strict="accept-new")
    assert sshd.user_id(login) == b"0\n"


def test_through_a_jump_host_whose_key_counts_too(sshd: Sshd, home: Path) -> None:
    (home / ".ssh").mkdir()
    config = f"Host localhost\n IdentityFile {sshd.folder}/user\n User {getpass.getuser()}\n Port {sshd.port}\n"
    (home / ".ssh" / "config").write_text(config)
    login = replace(sshd.login, common_args="-J localhost")
    with pytest.raises(HostKeyError, match=r"\[localhost\]:\d+ is unknown"):
        sshd.user_id(login)
    (home / ".ssh" / "known_hosts").write_text(sshd.known("rsa", "localhost").read_text())
    assert sshd.user_id(login) == b"0\n"
    with pytest.raises(Unreachable, match=r"web1 \(127.0.0.1 port 1\) cannot be reached: the request was denied"):
        sshd.user_id(replace(login, port=1))


def test_through_a_proxy_command(sshd: Sshd) -> None:
    known = sshd.known("ed25519")
    proxy = f"ssh -F none -i {sshd.folder}/user -o UserKnownHostsFile={known} -p {sshd.port} -W %h:%p 127.0.0.1"
    assert sshd.user_id(replace(sshd.login, common_args=f"-o ProxyCommand='{proxy}'")) == b"0\n"
    with pytest.raises(Unreachable, match=r"ProxyCommand: no tunnel to 127\.0\.0\.1 today"):
        sshd.user_id(replace(sshd.login, common_args="-o ProxyCommand='echo no tunnel to %h today >&2'"))


class Listener:
    """A TCP server on loopback that hands each connection, with its number, to ``serve``."""

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.count = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.count += 1
                threading.Thread(target=self._serve, args=(sock, self.count), daemon=True).start()

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def relay(one: socket.socket, other: socket.socket, open_: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            if open_.is_set():
                other.sendall(data)
    other.close()


def front(sshd: Sshd, open_: threading.Event, drop: int = 0) -> Listener:
    """A relay to sshd that drops the first connections, and everything while ``open_`` is not set."""

    def serve(sock: socket.socket, number: int) -> None:
        if number <= drop:
            sock.close()
            return
        upstream = socket.create_connection(("127.0.0.1", sshd.port))
        threading.Thread(target=relay, args=(upstream, sock, open_), daemon=True).start()
        relay(sock, upstream, open_)

    return Listener(serve)


def at(sshd: Sshd, port: int, timeout: float = 60.0) -> Login:
    """The login on another port: the key is known under the plain name then."""
    known = sshd.folder / f"known_{port}"
    known.write_text(f"127.0.0.1 {(sshd.folder / 'ed25519.pub').read_text()}")
    return replace(sshd.login, port=port, known_hosts=str(known), timeout=timeout)


def test_a_connection_dropped_before_its_banner_is_tried_thrice(sshd: Sshd) -> None:
    go = threading.Event()
    go.set()
    with front(sshd, go, drop=2) as listener:
        assert sshd.user_id(at(sshd, listener.port)) == b"0\n"
        assert listener.count == 3
    with front(sshd, go, drop=9) as listener:
        with pytest.raises(Unreachable, match="closed the connection before the login") as caught:
            sshd.user_id(at(sshd, listener.port))
        assert listener.count == 3
    assert "MaxStartups" in caught.value.hint


def test_a_line_that_dies_in_silence_is_lost(sshd: Sshd) -> None:
    go = threading.Event()
    go.set()
    with front(sshd, go) as listener:
        connection = ssh.connect(at(sshd, listener.port), host_keys=HostKeyPolicy(), silence=8)
        stream = connection.root_stream("cat")
        stream.send(b"alive")
        assert stream.receive() == b"alive"
        go.clear()
        with pytest.raises(ConnectionLost):
            stream.receive()
        connection.close()


@pytest.mark.parametrize(
    ("greeting", "timeout", "cause"),
    [
        (b"", 0.5, "accepts connections, but did not speak SSH within 0.5 s"),
        (b"SSH-2.0-slow\r\n", 3, "no answer within 3 s"),
        (b"HTTP/1.1 400 Bad Request\r\n" * 100, 60, "not an SSH server"),
    ],
)
def test_what_only_looks_like_a_host(sshd: Sshd, greeting: bytes, timeout: float, cause: str) -> None:
    def serve(sock: socket.socket, number: int) -> None:
        with sock, contextlib.suppress(OSError):
            sock.sendall(greeting)
            while sock.recv(65536):
                pass

    with Listener(serve) as listener:
        with pytest.raises(Unreachable, match=cause):
            sshd.user_id(at(sshd, listener.port, timeout))
        assert listener.count == 1


def test_nobody_there(sshd: Sshd) -> None:
    with pytest.raises(Unreachable, match="refuses connections on that port"):
        sshd.user_id(at(sshd, 1))
    with pytest.raises(Unreachable, match=r"the name 'no\.such\.host\.invalid' cannot be resolved"):
        sshd.user_id(replace(sshd.login, address="no.such.host.invalid"))


def test_nothing_stays_behind(sshd: Sshd) -> None:
    before = set(threading.enumerate())
    sshd.user_id(sshd.login)
    with pytest.raises(HostKeyError):
        sshd.user_id(replace(sshd.login, known_hosts="/dev/null"))
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
    assert set(threading.enumerate()) <= before
