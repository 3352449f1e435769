"""What a host sends is acknowledged at once, so that it need not wait with the rest."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.unit.waiting import eventually

from provision.transport.prompt_socket import PromptSocket


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server


def _after_a_talk(client: socket.socket, server: socket.socket) -> None:
    """In which each side has answered: from then on Linux waits for an answer to send the acknowledgement with."""
    for _ in range(20):
        client.sendall(b"?")
        assert server.recv(1) == b"?"
        server.sendall(b"!")
        assert client.recv(1) == b"!"


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_QUICKACK is Linux's")
def test_linux_does_not_put_off_its_acknowledgements(listener: socket.socket) -> None:
    def quick(client: socket.socket) -> int:
        with client, listener.accept()[0] as server:
            _after_a_talk(client, server)
            return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)

    def by_itself() -> bool:
        """A pause in the talk, as when the processor has other things to do, makes it prompt again."""
        return quick(socket.create_connection(listener.getsockname())) == 1

    eventually(lambda: not by_itself())
    assert quick(PromptSocket(socket.create_connection(listener.getsockname()))) == 1


def test_it_is_the_same_connection_with_the_same_timeout(listener: socket.socket) -> None:
    plain = socket.create_connection(listener.getsockname(), timeout=7)
    with PromptSocket(plain) as client, listener.accept()[0] as server:
        assert plain.fileno() == -1
        assert client.gettimeout() == 7
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        _after_a_talk(client, server)
