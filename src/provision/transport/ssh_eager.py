"""What paramiko's transport lacks: logins that do not wait, certificates of hosts, and a question about a key."""

from __future__ import annotations

import threading
import time
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import cMSG_USERAUTH_REQUEST
from paramiko.message import Message


class EagerTransport(paramiko.Transport):
    """Sends a key's signature along with the request for the service ssh-userauth, and so saves a round trip.

    RFC 4253, section 10, lets a server only accept the service or disconnect, and it takes messages in their order.
    """

    host_key_algorithms: tuple[str, ...] = ()
    """The kinds of host keys, and of their certificates, in the order of preference; empty for paramiko's."""

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """What is offered to the host; paramiko would put certificates last, whether any authority is known or not."""
        return self.host_key_algorithms or tuple(super().preferred_keys)

    def takes(self, username: str, blob: bytes) -> bool:
        """Would the host let ``username`` in with the key or certificate ``blob``? It counts as an attempt if not.

        Raises paramiko.AuthenticationException when it says neither in time: its answer, if it still came, would be
        taken for that to the next question.
        """
        answered = threading.Event()
        self.auth_handler = query = _QueryHandler(self)
        query.ask(username, blob, answered)
        until = time.monotonic() + (self.auth_timeout or 0)
        while not answered.wait(0.1) and self.is_active() and time.monotonic() < until:
            pass
        self.get_exception()
        if self.is_active() and not answered.is_set():
            raise paramiko.AuthenticationException("Authentication timeout.")
        return query.taken

    def auth_publickey(self, username: str, key: paramiko.PKey, event: threading.Event | None = None) -> list[str]:
        """Log in with a key; the rest as paramiko's."""
        # Which signatures of an RSA key the server knows, it says (RFC 8308) at about the time of its answer.
        if event is not None or not self.initial_kex_done or key.get_name().startswith("ssh-rsa"):
            return super().auth_publickey(username, key, event)
        answered = threading.Event()
        self.auth_handler = _EagerHandler(self)
        self.auth_handler.auth_publickey(username, key, answered)
        return list(self.auth_handler.wait_for_response(answered))


class _EagerHandler(AuthHandler):
    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc]  # the stubs leave out what is private
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]

    def _parse_service_accept(self, m: Any) -> None:
        """It was taken for granted."""


class _QueryHandler(AuthHandler):
    """Sends a public key without a signature (RFC 4252, section 7), which paramiko itself never does."""

    taken = False

    def ask(self, username: str, blob: bytes, answered: threading.Event) -> None:
        """Begin; ``answered`` is set when the host has said yes or no."""
        with self.transport.lock:
            self.auth_event = answered
            self.auth_method = "publickey"
            self.username = username
            self._blob = blob
            self._request_auth()  # type: ignore[attr-defined]  # as above

    def _parse_service_accept(self, m: Any) -> None:
        assert self.username is not None
        kind = paramiko.Message(self._blob).get_text()
        query = Message()
        query.add_byte(cMSG_USERAUTH_REQUEST)
        query.add_string(self.username)
        query.add_string("ssh-connection")
        query.add_string("publickey")
        query.add_boolean(False)
        query.add_string(self._finalize_pubkey_algorithm(kind))  # type: ignore[attr-defined]
        query.add_string(self._blob)
        self.transport._send_message(query)  # type: ignore[attr-defined]

    def _parse_userauth_info_request(self, m: Any) -> None:
        # The number of this message is also that of SSH_MSG_USERAUTH_PK_OK.
        self.taken = True
        assert self.auth_event is not None
        self.auth_event.set()
