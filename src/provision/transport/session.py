"""One root shell on one host: starts driver.sh over a Stream and makes trips through it."""

from __future__ import annotations

import contextlib
import gzip
import io
import secrets
import tarfile
import threading
from collections.abc import Callable, Mapping
from importlib import resources

from provision.errors import ConnectionLost, Locked, ProvisionError
from provision.shell import Sh, lines, sh
from provision.transport.frames import Frame, FrameReader
from provision.transport.protocol import Connection, Stream

BASE = "/run/provision"
"""Where a run keeps its lock and the files of its steps; mode 0700."""

PATIENCE = 60
"""Seconds of silence after which driver.sh gives a line up; four heartbeats fit in."""

CHUNK = 256 * 1024
"""Bytes of a payload between two signs of life, so that an upload over a slow line does not look like a dead one."""

ANSWER_LIMIT = 64 * 1024 * 1024
"""No host has that much to say in one frame."""


def program(name: str) -> str:
    """The text of a sh program of this package."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


class Session:
    """A root shell, held for one run. Use as a context manager.

    ``holder`` names who takes the host's lock (for the message of whoever finds it taken); empty takes no lock.
    ``lock_timeout`` is the time in seconds to wait for it, and ``waiting`` is told who holds it meanwhile. ``patience``
    in seconds, see PATIENCE.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        holder: str = "",
        base: str = BASE,
        patience: int = PATIENCE,
        lock_timeout: int = 0,
        waiting: Callable[[str], None] = lambda holder: None,
    ) -> None:
        self._waiting = waiting
        self._nonce = secrets.token_hex(8)
        self._frames = FrameReader(self._nonce)
        self._sending = threading.Lock()
        self._closed = threading.Event()
        self.trips = 0
        self.folder = ""
        """The run's folder on the host, once it has said hello."""
        prelude = sh("nonce={} base={} patience={} lock_timeout={}\n", self._nonce, base, patience, lock_timeout)
        prelude = lines(sh("holder={}", " ".join(holder.split())), prelude)
        driver = (prelude + program("driver.sh")).encode()
        self._stream: Stream = connection.root_stream(f'eval "$(head -c {len(driver)})"')
        self._send(driver)
        threading.Thread(target=self._beat, args=(patience / 4,), name="heartbeat", daemon=True).start()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the shell: it cleans up after itself when its input ends."""
        self._closed.set()
        self._stream.close()

    def stop(self) -> None:
        """Let the running step complete and start no further one. Safe to call during a trip; never raises."""
        self._tell(b"stop\n")

    def abort(self, script: Sh) -> None:
        """Run ``script`` on the host beside the running step, to end it. Safe to call during a trip; never raises."""
        data = f"{script}\n".encode()
        self._tell(f"abort {len(data)}\n".encode() + data)

    def stop_beating(self) -> None:
        """Send no more heartbeats, as a line that died silently; the host gives the session up."""
        self._closed.set()

    def trip(self, files: Mapping[str, bytes], on_frame: Callable[[Frame], None]) -> None:
        """Send ``files``, run the one called ``main`` as root, and pass on each frame until the last.

        Raises Locked when another run holds the host, ConnectionLost when the last frame does not come.
        """
        self.trips += 1
        name = f"t{self.trips}"
        payload = pack(files)
        try:
            for start in range(0, len(payload), CHUNK):
                chunk = payload[start : start + CHUNK]
                self._send(f"put {name} {len(chunk)}\n".encode() + chunk)
            self._send(f"trip {name}\n".encode())
        except ConnectionLost:
            # The shell may have ended by itself, and its last frames say why.
            pass
        self._receive(on_frame)

    def _receive(self, on_frame: Callable[[Frame], None]) -> None:
        while data := self._stream.receive():
            for frame in self._frames.feed(data):
                if frame.verb == "over":
                    return
                if frame.verb == "locked":
                    raise Locked(
                        f"another run holds this host: {frame.body.decode('utf-8', 'replace').strip()}",
                        hint="let it end, then run again, or wait with --lock-timeout; `provision plan` needs no lock",
                    )
                if frame.verb == "waiting":
                    self._waiting(frame.body.decode("utf-8", "replace").strip())
                elif frame.verb == "session":
                    self.folder = frame.words[1]
                else:
                    on_frame(frame)
            if self._frames.pending > ANSWER_LIMIT:
                raise ConnectionLost(f"the host sent more than {ANSWER_LIMIT} bytes in one frame")
        complaint = self._stream.complaint().strip()
        cause = f": {complaint}" if complaint else ""
        raise ConnectionLost(
            f"the session ended before its last frame{cause}",
            hint="what the host did last is unknown; run again: it reads the host anew and goes on from there",
        )

    def _tell(self, data: bytes) -> None:
        # A line that is gone stops the host's steps by itself.
        with contextlib.suppress(ProvisionError):
            self._send(data)

    def _send(self, data: bytes) -> None:
        with self._sending:
            self._stream.send(data)

    def _beat(self, interval: float) -> None:
        while not self._closed.wait(interval):
            try:
                self._send(b"\n")
            except ProvisionError:
                return


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of ``files``, 0600, in their order. Level 1: scripts and sources are small, the line rarely slow."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o600
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
