"""What a host answers: frames, each a line ``@NONCE WORDS`` and the bytes up to the next one.

The nonce is random and new for every session, so nothing a host prints by accident is taken for a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from provision.errors import ConnectionLost

BODILESS = frozenset({"end", "over", "status", "start", "session"})
"""Frames that are complete with their line; all others last until the next one."""


BODY_LIMIT = 64 * 1024 * 1024
"""No host has that much to say in one frame, nor in one answer."""

NOISE_LIMIT = 1024 * 1024
"""Bytes between two frames, such as a greeting that the login shell prints."""

LINE_LIMIT = 4096
"""Bytes of a frame's first line, which are a few words of ours."""

_SAMPLE = 200


class Frame(NamedTuple):
    """One frame: the words of its line, and its body."""

    words: tuple[str, ...]
    body: bytes = b""

    @property
    def verb(self) -> str:
        """The first word."""
        return self.words[0]


class FrameReader:
    """Cuts a byte stream into frames as they become complete. Bytes between frames are dropped.

    Raises ConnectionLost where more comes than a host has to say: ``body`` bytes in a frame, ``noise`` between two, so
    that no host takes more memory than that.
    """

    def __init__(self, nonce: str, *, body: int = BODY_LIMIT, noise: int = NOISE_LIMIT) -> None:
        self._marker = f"\n@{nonce} ".encode()
        self._body_limit, self._noise_limit = body, noise
        self._buffer = bytearray()
        self._seen = 0
        self._open: tuple[str, ...] | None = None
        self._noise = 0
        self._sample = b""

    @property
    def pending(self) -> int:
        """How many bytes wait for the end of their frame."""
        return len(self._buffer)

    @property
    def inside(self) -> bool:
        """Has a frame begun that has not ended?"""
        return self._open is not None

    @property
    def noise(self) -> str:
        """The beginning of what came since the last frame, and is none."""
        begun = b"" if self.inside else bytes(self._buffer[:_SAMPLE])
        return (self._sample + begun)[:_SAMPLE].decode("utf-8", "replace").strip()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add ``data``; yield each frame it completes."""
        self._buffer += data
        while (start := self._buffer.find(self._marker, self._seen)) >= 0:
            head = start + len(self._marker)
            stop = self._buffer.find(b"\n", head, head + LINE_LIMIT)
            if stop < 0:
                self._seen = start
                if len(self._buffer) - head >= LINE_LIMIT:
                    raise ConnectionLost(f"the host began a frame with a line of more than {LINE_LIMIT} bytes")
                break
            words = tuple(self._buffer[head:stop].decode("utf-8", "replace").split(" "))
            self._ensure_bounds(start)
            if self._open is not None:
                yield Frame(self._open, bytes(self._buffer[:start]))
            del self._buffer[: stop + 1]
            self._seen, self._noise, self._sample = 0, 0, b""
            self._open = None
            if words[0] in BODILESS:
                yield Frame(words)
            else:
                self._open = words
        else:
            # The end may be the beginning of a marker.
            self._seen = max(0, len(self._buffer) - len(self._marker))
        self._ensure_bounds(self._seen)
        if self._open is None:
            del self._buffer[: self._seen]
            self._seen = 0

    def _ensure_bounds(self, size: int) -> None:
        """Judge the first ``size`` bytes, which belong to the open frame or to none."""
        if self._open is not None:
            if size > self._body_limit:
                raise ConnectionLost(f"the host sent more than {self._body_limit} bytes in one frame")
            return
        self._sample += bytes(self._buffer[: min(size, _SAMPLE - len(self._sample))])
        self._noise += size
        if self._noise > self._noise_limit:
            raise ConnectionLost(
                f"the host goes on saying what it was not asked for: {self.noise[:60]!r}",
                hint="nothing may print without end when this login begins: see its shell and profile",
            )
