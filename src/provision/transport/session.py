"""One root shell on one host: starts driver.sh over a Stream and makes trips through it."""

from __future__ import annotations

import contextlib
import gzip
import io
import secrets
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn

from provision.errors import ConnectionLost, Locked, ProvisionError
from provision.shell import Sh, lines, sh
from provision.transport.frames import BODY_LIMIT, Frame, FrameReader
from provision.transport.protocol import Connection, Stream
from provision.transport.watch import Watch

BASE = "/run/provision"
"""Where a run keeps its lock and the files of its steps; mode 0700."""

DISK = "/var/lib/provision/trips"
"""Where the files of a large trip lie instead; mode 0700. /run is in memory, often with a tenth of it."""

LARGE = 8 * 1024 * 1024
"""Bytes of a trip's files above which it is large."""

PATIENCE = 60
"""Seconds of silence after which driver.sh gives a line up; four heartbeats fit in."""

CHUNK = 256 * 1024
"""Bytes of a payload between two signs of life, so that an upload over a slow line does not look like a dead one."""

SILENCE = 120.0
"""Seconds for what a host does at once: to begin a shell, to take a payload, to go on with an answer."""


@cache
def program(name: str) -> str:
    """The text of a sh program of this package; each session of a run asks for it anew."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


COMPLAINT = 1000
"""Characters of what a host complains of in an error's message."""


class Bounds(NamedTuple):
    """What ends a trip whose answer should come at once."""

    silence: float
    """Seconds without a part of a frame."""
    size: int = BODY_LIMIT
    """Bytes in all."""


class Session:
    """A root shell, held for one run. Use as a context manager.

    ``holder`` names who takes the host's lock (for the message of whoever finds it taken); empty takes no lock.
    ``lock_timeout`` is the time in seconds to wait for it, and ``waiting`` is told who holds it meanwhile. ``patience``
    in seconds, see PATIENCE; ``silence`` in seconds, see SILENCE; ``base`` and ``disk`` are folders, see BASE and DISK.
    Raises what connection.root_stream() raises, or ConnectionLost.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        holder: str = "",
        base: str = BASE,
        disk: str = DISK,
        patience: int = PATIENCE,
        silence: float = SILENCE,
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
        words = (self._nonce, base, disk, patience, lock_timeout)
        prelude = sh("nonce={} base={} disk={} patience={} lock_timeout={}\n", *words)
        prelude = lines(sh("holder={}", " ".join(holder.split())), prelude)
        driver = (prelude + program("driver.sh")).encode()
        self._connection, self._silence = connection, silence
        self._stream: Stream | None = None
        self._watch = Watch(self._hang_up)
        try:
            with self._limited(silence):
                self._stream = connection.root_stream(f'eval "$(head -c {len(driver)})"')
                with self._heard_out():
                    self._send(driver)
        except BaseException:
            self._watch.close()
            raise
        threading.Thread(target=self._beat, args=(patience / 4,), name="heartbeat", daemon=True).start()

    @property
    def here(self) -> str:
        """The folder of the present trip on the host."""
        return f"{self.folder}/t{self.trips}"

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the shell: it cleans up after itself when its input ends."""
        self._closed.set()
        self._watch.close()
        if self._stream is not None:
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

    def trip(
        self, files: Mapping[str, bytes], on_frame: Callable[[Frame], None], *, bounds: Bounds | None = None
    ) -> None:
        """Send ``files``, run the one called ``main`` as root, and pass on each frame until the last.

        Without ``bounds`` the script may take its time; a line that is dead is seen by the connection. Raises Locked
        when another run holds the host, ConnectionLost when the last frame does not come.
        """
        self.trips += 1
        name = f"t{self.trips}"
        form, payload = pack(files)
        with self._limited(self._silence):
            with self._heard_out():
                if sum(map(len, files.values())) > LARGE:
                    self._send(f"large {name}\n".encode())
                for start in range(0, len(payload), CHUNK):
                    chunk = payload[start : start + CHUNK]
                    self._send(f"put {name} {len(chunk)}\n".encode() + chunk)
                    self._watch.progress()
                self._send(f"trip {name} {form}\n".encode())
            self._receive(on_frame, bounds)

    def _receive(self, on_frame: Callable[[Frame], None], bounds: Bounds | None) -> None:
        self._await_answer(bounds)
        received = 0
        while data := self._bytes():
            received += len(data)
            if bounds is not None and received > bounds.size:
                raise ConnectionLost(f"the host answered with more than {bounds.size} bytes")
            for frame in self._frames.feed(data):
                self._watch.progress()
                if frame.verb == "over":
                    return
                if frame.verb == "session":
                    self.folder = " ".join(frame.words[1:])
                    self._await_answer(bounds)
                elif frame.verb in {"locked", "waiting"}:
                    self._hear_holder(frame)
                else:
                    on_frame(frame)
            # A host that says something else does not count as one that goes on.
            if self._frames.inside:
                self._watch.progress()
        self._refuse_end()

    def _await_answer(self, bounds: Bounds | None) -> None:
        if bounds is not None:
            self._watch.arm(bounds.silence)
        elif self.folder:
            self._watch.disarm()

    def _bytes(self) -> bytes:
        assert self._stream is not None
        return self._stream.receive()

    def _hear_holder(self, frame: Frame) -> None:
        holder = frame.body.decode("utf-8", "replace").strip()
        if frame.verb == "waiting":
            self._waiting(holder)
            return
        raise Locked(
            f"another run holds this host: {holder}",
            hint="let it end, then run again, or wait with --lock-timeout; `provision plan` needs no lock",
        )

    def _refuse_end(self) -> NoReturn:
        assert self._stream is not None
        complaint = self._stream.complaint().strip()[-COMPLAINT:] or self._frames.noise
        raise ConnectionLost(
            f"the session ended before its last frame{': ' if complaint else ''}{complaint}",
            hint="what the host did last is unknown; run again: it reads the host anew and goes on from there",
        )

    @contextlib.contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """Whatever is waited for here ends after so many seconds of silence, as ConnectionLost."""
        self._watch.arm(seconds)
        try:
            yield
            if self._watch.expired:
                raise self._silent()
        except (ProvisionError, OSError) as error:
            if self._watch.expired:
                raise self._silent() from error
            raise
        finally:
            self._watch.disarm()

    @contextlib.contextmanager
    def _heard_out(self) -> Iterator[None]:
        """The shell may have ended by itself while it was sent something, and what it said last tells why."""
        try:
            yield
        except ConnectionLost:
            if self._watch.expired:
                raise

    def _silent(self) -> ConnectionLost:
        said = f"; all it said is {self._frames.noise[:60]!r}" if self._frames.noise else ""
        return ConnectionLost(
            f"the host has not answered for {self._watch.seconds:.0f} s{said}",
            hint="see whether it answers at all: `provision ssh` logs in; the next run finds out what it did last",
        )

    def _hang_up(self) -> None:
        """Let whoever waits for the host wait no longer."""
        self._connection.close()
        if self._stream is not None:
            self._stream.close()

    def _tell(self, data: bytes) -> None:
        # A line that is gone stops the host's steps by itself.
        with contextlib.suppress(ProvisionError):
            self._send(data)

    def _send(self, data: bytes) -> None:
        assert self._stream is not None
        with self._sending:
            self._stream.send(data)

    def _beat(self, interval: float) -> None:
        while not self._closed.wait(interval):
            try:
                self._send(b"\n")
            except ProvisionError:
                return


def pack(files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """``script`` and a gzip of ``main`` that writes the other files itself, or ``archive`` and a tar.gz of all.

    The former costs the host no tar, which is three times as much as gzip alone; it is for texts without folders.
    Files are 0600 and in their order. Level 1: scripts and sources are small, the line rarely slow.
    """
    if all("/" not in name and b"\0" not in data for name, data in files.items()) and _are_texts(files.values()):
        others = {name: data.decode() for name, data in files.items() if name != "main"}
        write = [sh('printf %s {} >"$here/"{} || exit 1', text, name) for name, text in others.items()]
        script = lines(*write, files["main"].decode())
        return "script", gzip.compress(script.encode(), compresslevel=1, mtime=0)
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o600
            archive.addfile(member, io.BytesIO(data))
    return "archive", buffer.getvalue()


def _are_texts(contents: Iterable[bytes]) -> bool:
    try:
        for data in contents:
            data.decode()
    except UnicodeDecodeError:
        return False
    return True
