"""A TCP socket without the pauses that save packets."""

from __future__ import annotations

import contextlib
import socket
import sys


class PromptSocket(socket.socket):
    """A TCP socket that keeps nobody waiting: it sends at once, and acknowledges at once what it has received.

    sshd leaves Nagle's algorithm on (tcp(7), TCP_NODELAY) except for terminals: of two small packets, such as the host
    keys after a login and the answer to the first request, it holds the second until the first is acknowledged. Linux
    puts that off for 40 ms, in the hope of something to send along. TCP_QUICKACK has to be asked for again and again.
    """

    def __init__(self, connected: socket.socket) -> None:
        timeout = connected.gettimeout()
        super().__init__(fileno=connected.detach())
        self.settimeout(timeout)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._acknowledge()

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive as any socket does."""
        data = super().recv(size, flags)
        self._acknowledge()
        return data

    def _acknowledge(self) -> None:
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
