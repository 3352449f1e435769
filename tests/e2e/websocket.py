"""As much of RFC 6455 as it takes to talk through a site in short texts."""

from __future__ import annotations

import base64
import os
import select
import socket
import ssl
import struct
from collections import deque
from pathlib import Path

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
PATIENCE = 120.0
"""Seconds in which the other side is to say something; much more than a busy machine needs."""


class WebSocket:
    """One connection over HTTPS, on which one was asked for; only the site's own authority is trusted."""

    def __init__(self, domain: str, address: str, authority: Path, path: str) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        plain = socket.create_connection((address, 443), PATIENCE)
        self._socket = context.wrap_socket(plain, server_hostname=domain)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {domain}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._texts: deque[str] = deque()
        self.closed_with: int | None = None
        """The code that the other side closed with; None while it has not, and where it is gone without a word."""

    def opened(self) -> WebSocket:
        """It, once the other side has agreed."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._read(1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        return self

    def send(self, text: str) -> None:
        """Send one text of less than 126 bytes, masked as a client must."""
        self._write(TEXT, text.encode())

    def receive(self) -> str | None:
        """The next text; None once the other side has closed."""
        try:
            while not self._texts:
                if not self._take():
                    return None
            return self._texts.popleft()
        except ConnectionError:
            return None

    def stay(self) -> None:
        """Answer what has come meanwhile: who is silent for 40 s is sent away by uvicorn."""
        while self._socket.pending() or select.select([self._socket], [], [], 0)[0]:
            assert self._take(), "the other side has closed"

    def _take(self) -> bool:
        """Take one frame; False where it is the last."""
        kind, length = self._read(2)
        data = self._read(length)
        if kind == PING:
            self._write(PONG, data)
        elif kind == CLOSE:
            self.closed_with = int.from_bytes(data[:2], "big")
        else:
            self._texts.append(data.decode())
        return kind != CLOSE

    def ask(self, text: str) -> str | None:
        """Send a text, and receive one; None once the other side has closed."""
        self.send(text)
        return self.receive()

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def _write(self, kind: int, data: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[position % 4] for position, byte in enumerate(data))
        self._socket.sendall(struct.pack("!BB", kind, 0x80 | len(data)) + mask + masked)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the other side is gone")
            data += more
        return data
