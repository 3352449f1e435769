"""One command on one host: its output as it comes, its input as it asks, its exit status."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from provision.errors import ProvisionError, Refused
from provision.shell import Sh, lines, sh
from provision.transport.frames import Frame
from provision.transport.protocol import Connection
from provision.transport.session import BASE, SILENCE, Session

OnOutput = Callable[[str, bytes], None]
"""Takes what the command printed: ``out`` or ``err``, and some bytes of it."""

KILL_GROUP = sh("kill -s {} -- {}", Sh('"$SIGNAL"'), Sh('"-$CHILD"'))
"""The signal script for a command that is the leader of its process group."""

INPUT = 1024 * 1024
"""Bytes of input sent at a time; the host asks for more when the command has taken them."""


class Relay(Session):
    """A session that runs one command, without the host's lock. Use as a context manager.

    ``command`` is the text of a sh program; ``signal`` one that hands the signal $SIGNAL to it. Both travel as files.
    """

    def __init__(
        self,
        connection: Connection,
        command: Sh,
        signal: Sh = KILL_GROUP,
        *,
        base: str = BASE,
        silence: float = SILENCE,
    ) -> None:
        self._command, self._signal = command, signal
        self._wanted = threading.Semaphore(0)
        self._ended = threading.Event()
        super().__init__(connection, base=base, silence=silence)

    def __enter__(self) -> Self:
        return self

    def run(self, on_output: OnOutput, *, reads_input: bool = False) -> int:
        """Run the command to its end and return its exit status, 128 and more where a signal ended it.

        Raises ConnectionLost, or Refused where the program wrote the reason to ``$HERE/refused``.
        """
        files = {"main": self._main(reads_input), "command": self._command.encode(), "signal": self._signal.encode()}
        ending: dict[str, bytes | int] = {}

        def on_frame(frame: Frame) -> None:
            match frame.verb:
                case "out" | "err":
                    on_output(frame.verb, frame.body)
                case "more":
                    self._wanted.release()
                case "refused":
                    ending["refused"] = frame.body
                case "status":
                    ending["status"] = _status(frame)

        try:
            self.trip(files, on_frame)
        finally:
            self._ended.set()
            self._wanted.release()
        if isinstance(reason := ending.get("refused"), bytes):
            message, _, hint = reason.decode("utf-8", "replace").strip().partition("\n")
            raise Refused(message, hint=hint)
        return int(ending.get("status", 255))

    def feed(self, data: bytes) -> bool:
        """Give the command up to INPUT bytes, or with ``b""`` the end of its input; False once nobody reads it.

        Waits until the command has taken what it was given before. May be called from another thread than ``run``.
        """
        self._wanted.acquire()
        if self._ended.is_set():
            return False
        try:
            self._send(f"input {len(data)}\n".encode() + data)
        except ProvisionError:
            return False
        return True

    def signal(self, name: str) -> None:
        """Hand a signal (``INT``) to the command. Safe to call from another thread; never raises."""
        self._tell(f"signal {name}\n".encode())

    def _main(self, reads_input: bool) -> bytes:
        program = Path(__file__).with_name("relay.sh").read_text(encoding="utf-8")
        return lines(sh("READS_INPUT={}", "yes" if reads_input else "no"), program).encode()


def _status(frame: Frame) -> int:
    """An exit status, or what shells have for none."""
    number = frame.words[-1]
    return int(number) if re.fullmatch("[0-9]{1,3}", number) else 255
