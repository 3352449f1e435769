"""Who asks the site all the time, and forgives nothing but one handshake that Debian's Caddy refuses at its reload."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.e2e.cli import DOMAIN
from tests.e2e.visitors import refused_by_a_reload

PACE = 0.5
"""Seconds between two requests."""

TIMEOUT = 240.0
"""Seconds until an answer: a silent cut is held for more than a minute, and requests may have to wait for its end."""


class Visitor:
    """Asks for the version over verified HTTPS: over one connection as long as it lives, and over a new one in turn."""

    def __init__(self, address: str, authority: Path) -> None:
        self._address, self._authority = address, authority
        self._heard: list[list[str]] = []
        self.lost: list[str] = []
        self._refused = False

    def ask(self, path: str = "/version") -> str:
        """The version that a new visitor is served; empty where there is nothing."""
        try:
            with closing(self._connect()) as connection:
                return self._ask(connection, path)
        except (OSError, http.client.HTTPException):
            return ""

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Asks during the block."""
        over = threading.Event()
        threads = [threading.Thread(target=self._visit, args=(over, keep)) for keep in (True, False)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def check(self, old: str, new: str) -> None:
        """Fails for a request that was lost, and for the old version after the new."""
        assert not self.lost, f"{len(self.lost)} requests lost: {self.lost[:5]}"
        for answers in self._heard:
            assert set(answers) <= {old, new}
            assert answers == sorted(answers), "the old version was served after the new one"

    def _visit(self, over: threading.Event, keep: bool) -> None:
        began = time.monotonic()
        answers: list[str] = []
        self._heard.append(answers)
        connection: http.client.HTTPSConnection | None = None
        while not over.wait(PACE):
            kept = connection
            try:
                connection = connection or self._connect()
                answers.append(self._ask(connection))
                failed = False
            except (OSError, http.client.HTTPException, ValueError) as error:
                # A reload of Caddy closes idle connections, and any HTTP client then asks anew (RFC 9112, 9.3.1).
                closed = kept and isinstance(error, ConnectionError)
                # There is one reload in a run.
                first = refused_by_a_reload(error) and not self._refused
                self._refused |= first
                if not (closed or first):
                    self.lost.append(f"{error!r} {time.monotonic() - began:.1f} s after the first")
                failed = True
            # Where the server says "Connection: close", http.client has closed its socket.
            if connection and (failed or not keep or connection.sock is None):
                connection.close()
                connection = None
        if connection:
            connection.close()

    def _ask(self, connection: http.client.HTTPSConnection, path: str = "/version") -> str:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
        if response.status != 200:
            raise http.client.HTTPException(f"status {response.status}: {body[:200]}")
        return str(json.loads(body)["version"])

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self._authority))
        connection = http.client.HTTPSConnection(DOMAIN, timeout=TIMEOUT, context=context)
        plain = socket.create_connection((self._address, 443), TIMEOUT)
        connection.sock = context.wrap_socket(plain, server_hostname=DOMAIN)
        return connection
