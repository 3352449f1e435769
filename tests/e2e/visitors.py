"""Plain clients of a site: nothing is retried on their side, so whatever goes wrong is seen."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACE = 0.005
"""Seconds between two requests of one visitor: the app's host needs the processor as well."""

LIMIT = 60_000
"""Requests, after which all visitors go home."""


def refused_by_a_reload(error: Exception) -> bool:
    """Is this what Caddy 2.6 says to a client that comes between its first connection and its first certificate?

    It listens by a new configuration before it has read the certificates: 4 handshakes in 210 reloads at 15 % of a
    processor, none at a whole one, and none of 2.11.7 in 150 at 15 %. docs/concepts.md says so.
    """
    return isinstance(error, ssl.SSLError) and error.reason == "TLSV1_ALERT_INTERNAL_ERROR"


class Visitors:
    """Some ask over connections that are kept alive, some over a new one each time; GETs and POSTs in turn."""

    def __init__(
        self,
        domain: str,
        address: str,
        authority: Path,
        timeout: float = 120.0,
        *,
        post: str = "/echo",
        field: str = "words",
    ) -> None:
        """They wait ``timeout`` seconds for an answer; what they ``post`` has one ``field``, and comes back."""
        self._domain, self._address, self._timeout = domain, address, timeout
        self._post, self._field = post, field
        self._context = ssl.create_default_context(cafile=str(authority))
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.answered = 0
        self._refused = False
        self.lost: list[str] = []
        self.versions: set[str] = set()

    @contextmanager
    def coming(self, kept: int = 4, new: int = 2, at_least: int = 1500) -> Iterator[None]:
        """Visitors come during the block, and after it until ``at_least`` requests have been answered."""
        threads = [
            threading.Thread(target=self._visit, args=(number, keep))
            for number, keep in enumerate([True] * kept + [False] * new)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
            while self.answered < at_least and not self.lost and any(thread.is_alive() for thread in threads):
                time.sleep(0.05)
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _visit(self, number: int, keep: bool) -> None:
        connection: http.client.HTTPSConnection | None = None
        for turn in range(LIMIT // 6):
            if self._over.is_set():
                break
            try:
                connection = connection or self._connect()
                self._ask(connection, f"{number}-{turn}", post=turn % 2 == 1, keep=keep)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._fail(error, f"{'kept' if keep else 'new'} connection, turn {turn}")
                connection = None
            # Where the server says "Connection: close", http.client has closed its socket.
            if connection and (not keep or connection.sock is None):
                connection.close()
                connection = None
            time.sleep(PACE)
        if connection:
            connection.close()

    def _ask(self, connection: http.client.HTTPSConnection, words: str, *, post: bool, keep: bool) -> None:
        headers = {"Connection": "keep-alive" if keep else "close", "Content-Type": "application/json"}
        if post:
            connection.request("POST", self._post, json.dumps({self._field: words}), headers)
        else:
            connection.request("GET", f"/version?{self._field}={words}", headers=headers)
        response = connection.getresponse()
        body = response.read()
        if response.status not in (200, 201):
            self._lose(f"status {response.status}: {body[:200]!r}")
            return
        answer = json.loads(body)
        # Some apps answer a GET with their version alone, and a POST without it.
        if answer.get(self._field, None if post else words) != words:
            self._lose(f"asked with {words}, answered with {answer}")
            return
        with self._lock:
            self.answered += 1
            if "version" in answer:
                self.versions.add(str(answer["version"]))

    def _fail(self, error: Exception, when: str) -> None:
        """It counts as lost, but for the one handshake that a reload may cost."""
        if refused_by_a_reload(error) and not self._refused:
            self._refused = True
        else:
            self._lose(f"{when}: {error!r}")

    def _lose(self, what: str) -> None:
        with self._lock:
            self.lost.append(what)

    def _connect(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(self._domain, timeout=self._timeout, context=self._context)
        plain = socket.create_connection((self._address, 443), self._timeout)
        connection.sock = self._context.wrap_socket(plain, server_hostname=self._domain)
        return connection
