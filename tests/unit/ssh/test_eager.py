"""A key is offered along with the request for ssh-userauth, so that a login takes a round trip less."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, MSG_SERVICE_ACCEPT
from paramiko.message import Message

from provision.transport.ssh_eager import EagerTransport

RIGHT, WRONG = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
RSA = paramiko.RSAKey.generate(2048)


class Terse(paramiko.Transport):
    """A server that never says that the service is accepted, and does not mind."""

    def _send_message(self, message: Message) -> None:
        if message.asbytes()[0] != MSG_SERVICE_ACCEPT:
            super()._send_message(message)  # type: ignore[misc]


class Server(paramiko.ServerInterface):
    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_FAILED if key == WRONG else AUTH_SUCCESSFUL


@contextmanager
def connected(kind: type[paramiko.Transport]) -> Iterator[EagerTransport]:
    ours, theirs = socket.socketpair()
    with closing(EagerTransport(ours)) as client, closing(kind(theirs)) as server:
        server.add_server_key(paramiko.ECDSAKey.generate())
        server.start_server(event=threading.Event(), server=Server())
        client.start_client(timeout=20)
        yield client


def test_the_answer_is_not_waited_for() -> None:
    with connected(Terse) as client:
        assert client.auth_publickey("root", RIGHT) == []
        assert client.is_authenticated()


def test_no_answer_is_not_taken_for_a_no() -> None:
    with connected(Terse) as client:
        client.auth_timeout = 0.3
        with pytest.raises(paramiko.AuthenticationException, match="timeout"):
            client.takes("root", RIGHT.asbytes())


def test_a_key_that_is_refused_is_followed_by_the_next() -> None:
    with connected(paramiko.Transport) as client:
        with pytest.raises(paramiko.AuthenticationException):
            client.auth_publickey("root", WRONG)
        assert not client.is_authenticated()
        assert client.auth_publickey("root", RIGHT) == []
        assert client.is_authenticated()


def test_an_rsa_key_waits_to_hear_which_signatures_the_server_knows() -> None:
    with connected(Terse) as client:
        client.auth_timeout = 0.5
        with pytest.raises(paramiko.AuthenticationException, match="timeout"):
            client.auth_publickey("root", RSA)
    with connected(paramiko.Transport) as client:
        assert client.auth_publickey("root", RSA) == []


def test_without_a_key_exchange_nothing_is_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, closing(EagerTransport(ours)) as client, pytest.raises(paramiko.SSHException, match="No exist"):
        client.auth_publickey("root", RIGHT)
