"""Lines to hosts without a shell: one to the model of a good host, and those to hosts that answer what they like."""

from __future__ import annotations

import gzip
import io
import queue
import re
import shlex
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from provision.errors import ConnectionLost
from provision.transport.frames import Frame
from provision.transport.watch import Watch

from .fake_host import FakeHost

Say = Callable[[str], Iterable[bytes]]
"""What a host says, from the session's nonce. Where it ends, the line does; where it gives ``b""``, all is still."""


def frame(nonce: str, *words: str, body: bytes = b"") -> bytes:
    """One frame as a host writes it."""
    return f"\n@{nonce} {' '.join(words)}\n".encode() + body


class GoodLine:
    """Speaks driver.sh's protocol for a :class:`FakeHost`. ``before`` is asked before each step of an apply."""

    by_key = True

    def __init__(self, host: FakeHost, before: Callable[[], None] = lambda: None, greeting: bytes = b"") -> None:
        self._host, self._before = host, before
        self._answers: queue.Queue[bytes] = queue.Queue()
        self._input = bytearray()
        self._payloads: dict[str, bytes] = {}
        self._nonce = ""
        self._driver = 0
        self.watch: ImpatientWatch | None = None
        self._answers.put(greeting)

    def root_stream(self, command: str) -> GoodLine:
        found = re.search(r"head -c (\d+)", command)
        assert found
        self._driver = int(found[1])
        return self

    def send(self, data: bytes) -> None:
        self._input += data
        if not self._nonce:
            assert len(self._input) >= self._driver
            self._nonce = nonce_of(bytes(self._input))
            del self._input[: self._driver]
            self._answers.put(frame(self._nonce, "session", "/run/x"))
        while (end := self._input.find(b"\n")) >= 0:
            words = self._input[:end].decode().split()
            if words[:1] == ["put"]:
                size = int(words[2])
                if len(self._input) < end + 1 + size:
                    return
                part = bytes(self._input[end + 1 : end + 1 + size])
                self._payloads[words[1]] = self._payloads.get(words[1], b"") + part
                end += size
            del self._input[: end + 1]
            if words[:1] == ["trip"]:
                files = unpacked(words[2], self._payloads.pop(words[1]))
                threading.Thread(target=self._trip, args=(files,), daemon=True).start()

    def _trip(self, files: Mapping[str, bytes]) -> None:
        if "audit.json" in files:
            self._before()
        self._host.trip(files, self._answer)
        self._answer(Frame(("over",)))

    def _answer(self, found: Frame) -> None:
        self._answers.put(frame(self._nonce, *found.words, body=found.body))

    def receive(self) -> bytes:
        return self._answers.get() or self._answers.get()

    def complaint(self) -> str:
        return ""

    def close(self) -> None:
        self._answers.put(b"")
        self._answers.put(b"")


WRITE = re.compile(r"""printf %s ((?:'[^']*'|"'"|[^' ])+) >"\$here/"(\S+) \|\| exit 1\n""")


def unpacked(form: str, payload: bytes) -> dict[str, bytes]:
    """What session.pack has packed."""
    if form == "archive":
        with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
            return {member.name: _data(archive, member) for member in archive}
    files, script = {}, gzip.decompress(payload).decode()
    while write := WRITE.match(script):
        files[write[2]] = shlex.split(write[1])[0].encode()
        script = script[write.end() :]
    return files | {"main": script.encode()}


class ImpatientWatch(Watch):
    """That of a session whose line says when there is nothing to wait for: so nobody has to be in a hurry."""

    def __init__(self, expire: Callable[[], None]) -> None:
        super().__init__(expire)
        # The session is known by its method; who has the line, has its connection.
        vars(expire.__self__)["_connection"].watch = self  # type: ignore[attr-defined]
        self.shortened: float | None = None
        """The seconds in which it would have expired by itself, where it was told to."""

    @property
    def armed(self) -> bool:
        """Would it expire?"""
        return self._deadline is not None

    def expire(self) -> None:
        """Now, and not in its seconds, if it would at all."""
        if self.armed:
            self.shortened = self.seconds
            self.arm(0)


@dataclass
class BadLine:
    """Takes all that is sent, and says what ``say`` says, whatever that was."""

    say: Say
    given: int = 0
    """Bytes that were taken from it."""
    by_key: bool = True
    deaf: bool = False
    """It does not even take what is sent."""
    closed: threading.Event = field(default_factory=threading.Event)
    watch: ImpatientWatch | None = None
    """The session's own one, which is told when all is still."""
    _sent: bytes = b""
    _told: threading.Event = field(default_factory=threading.Event)
    _words: Iterator[bytes] | None = None

    def root_stream(self, command: str) -> BadLine:
        return self

    def send(self, data: bytes) -> None:
        if self.closed.is_set():
            raise ConnectionLost("closed")
        if not self._told.is_set():
            self._sent += data
            self._told.set()
        elif self.deaf and data != b"\n":
            self._be_still()
            raise ConnectionLost("closed")

    def receive(self) -> bytes:
        self._told.wait()
        if self._words is None:
            self._words = iter(self.say(nonce_of(self._sent)))
        data = b"" if self.closed.is_set() else next(self._words, None)
        if data == b"":
            self._be_still()
        self.given += len(data or b"")
        return data or b""

    def _be_still(self) -> None:
        if self.watch:
            self.watch.expire()
        self.closed.wait()

    def complaint(self) -> str:
        return ""

    def close(self) -> None:
        self.closed.set()


def nonce_of(sent: bytes) -> str:
    """The nonce in what session.py sends first."""
    found = re.search(rb"^nonce=(\w+)", sent, re.MULTILINE)
    assert found
    return found[1].decode()


def _data(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file
    return file.read()
