"""What a host answers: frames, each a line ``@NONCE WORDS`` and the bytes up to the next one.

The nonce is random and new for every session, so nothing a host prints by accident is taken for a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

BODILESS = frozenset({"end", "over", "status", "start", "session"})
"""Frames that are complete with their line; all others last until the next one."""


class Frame(NamedTuple):
    """One frame: the words of its line, and its body."""

    words: tuple[str, ...]
    body: bytes = b""

    @property
    def verb(self) -> str:
        """The first word."""
        return self.words[0]


class FrameReader:
    """Cuts a byte stream into frames as they become complete. Bytes before the first frame are dropped."""

    def __init__(self, nonce: str) -> None:
        self._marker = f"\n@{nonce} ".encode()
        self._buffer = bytearray()
        self._seen = 0
        self._open: tuple[str, ...] | None = None

    @property
    def pending(self) -> int:
        """How many bytes wait for the end of their frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add ``data``; yield each frame it completes."""
        self._buffer += data
        while (start := self._buffer.find(self._marker, self._seen)) >= 0:
            head = start + len(self._marker)
            stop = self._buffer.find(b"\n", head)
            if stop < 0:
                self._seen = start
                return
            words = tuple(self._buffer[head:stop].decode("utf-8", "replace").split(" "))
            if self._open is not None:
                yield Frame(self._open, bytes(self._buffer[:start]))
            # The newline that ends the line may also begin the next marker, so it stays where it can.
            del self._buffer[: stop + 1]
            self._seen = 0
            self._open = None
            if words[0] in BODILESS:
                yield Frame(words)
            else:
                self._open = words
        self._seen = max(0, len(self._buffer) - len(self._marker))
