"""A new login while a step waits for it: the proof that what the step did leaves a way in."""

from __future__ import annotations

import threading
from collections.abc import Callable

from provision.converge import describe
from provision.errors import AuthenticationError, ConnectionLost, ProvisionError
from provision.resources.base import LoginProof
from provision.shell import sh
from provision.transport.protocol import Connection
from provision.transport.session import Session

LIMIT = 30.0
"""Seconds for what the new login does once it is in: to become root and write one file."""

_IN = b"in\n"


class NewLogin:
    """Logs in anew with ``connect``, which is how the run logged in, for a step that runs in ``session``."""

    def __init__(self, connect: Callable[[], Connection], session: Session) -> None:
        self._connect, self._session = connect, session

    def __call__(self, number: int, proof: LoginProof) -> ProvisionError | None:
        """Log in and tell the step of this number, over the new line; where none got in, over the old. Never raises."""
        waiting = f"{self._session.here}/{number}.files"
        try:
            self._log_in(sh(": >{} && echo in", f"{waiting}.login"), proof)
        except (ProvisionError, OSError) as error:
            self._session.abort(sh(": >{}", f"{waiting}.no-login"))
            return describe(error)
        return None

    def _log_in(self, command: str, proof: LoginProof) -> None:
        connection = self._connect()
        expiry = threading.Timer(LIMIT, connection.close)
        expiry.start()
        try:
            if proof.by_key and not connection.by_key:
                raise AuthenticationError("a password was needed to log in")
            stream = connection.root_stream(command)
            said = b""
            while _IN not in said:
                data = stream.receive()
                if not data:
                    raise ConnectionLost("the new login ended before it had done anything")
                said = said[-len(_IN) :] + data
            stream.close()
        finally:
            expiry.cancel()
            connection.close()
