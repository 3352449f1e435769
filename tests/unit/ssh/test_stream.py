"""A root process on the far end: its streams, its end, and the end of its line."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import eventually

from provision.errors import AuthenticationError, ConnectionLost, Unreachable
from provision.transport import ssh
from provision.transport.ssh_hostkeys import HostKeyPolicy

if TYPE_CHECKING:
    from tests.unit.ssh.conftest import Connect, Server
    from tests.unit.ssh.openssh import Sshd


def test_a_root_process_reads_writes_and_ends(server: Server, connect: Connect) -> None:
    stream = connect().root_stream('eval "$(head -c 5)"; cat; exit 3')
    stream.send(b"id -u\xff\x00\nend")
    assert server.read(stream, b"end") == f"{os.getuid()}\n".encode() + b"\xff\x00\nend"
    assert stream.exit_status() is None
    stream._channel.shutdown_write()
    assert [stream.receive(), stream.receive()] == [b"", b""]
    assert stream.exit_status() == 3


def test_a_flood_of_complaints_stops_nobody_and_is_bounded(server: Server, connect: Connect) -> None:
    stream = connect().root_stream("seq 1000000 >&2; echo done")
    assert server.read(stream) == b"done\n"
    assert stream.complaint().endswith("999999\n1000000\n")
    assert len(stream.complaint()) == 64 * 1024


def test_a_silent_end_is_an_end_and_its_complaint_is_kept(server: Server, connect: Connect) -> None:
    stream = connect().root_stream("nonsense-xyz")
    assert server.read(stream) == b""
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
    first, second = connection.root_stream("cat"), connection.root_stream("echo second")
    assert server.read(second) == b"second\n"
    first.send(b"first")
    assert first.receive() == b"first"
    with pytest.raises(Unreachable, match=r"opens no further session.*prohibited") as caught:
        connection.root_stream("true")
    assert "MaxSessions" in caught.value.hint


def test_a_cloud_image_that_wants_another_login_is_quoted_at_once(connect: Connect) -> None:
    stream = connect().root_stream(
        "echo Please login as the user debian rather than the user root.; echo; timeout 600 cat"
    )
    with pytest.raises(AuthenticationError, match="Please login as the user debian") as caught:
        stream.receive()
    assert caught.value.hint == "set ansible_user: debian"


def test_output_that_only_begins_like_it_is_output(server: Server, connect: Connect) -> None:
    assert server.read(connect().root_stream("printf Please; sleep 0.1; echo , no")) == b"Please, no\n"


def test_fifty_megabytes_each_way_at_once(sshd: Sshd) -> None:
    block = os.urandom(1024 * 1024)
    with contextlib.closing(ssh.connect(sshd.login, host_keys=HostKeyPolicy())) as connection:
        stream = connection.root_stream("cat")
        digest = hashlib.sha256()
        sender = threading.Thread(target=stream.send, args=(block * 50,))
        sender.start()
        size = 0
        while size < 50 * len(block):
            data = stream.receive()
            size += len(data)
            digest.update(data)
        sender.join()
        stream.close()
    assert digest.hexdigest() == hashlib.sha256(block * 50).hexdigest()


def test_what_is_sent_before_close_is_delivered(sshd: Sshd, home: Path) -> None:
    with contextlib.closing(ssh.connect(sshd.login, host_keys=HostKeyPolicy())) as connection:
        stream = connection.root_stream(f"cat >{home}/got; mv {home}/got {home}/all")
        stream.send(b"x" * 3_000_000)
        stream.close()
        eventually((home / "all").exists)
    assert (home / "all").stat().st_size == 3_000_000


def test_a_third_session_is_one_too_many(sshd: Sshd) -> None:
    with contextlib.closing(ssh.connect(sshd.login, host_keys=HostKeyPolicy())) as connection:
        connection.root_stream("cat")
        connection.root_stream("cat")
        with pytest.raises(Unreachable, match="opens no further session"):
            connection.root_stream("cat")
