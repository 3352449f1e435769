"""Ctrl-C and SIGTERM while a run goes on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from provision.errors import Interrupted
from provision.events import Emit, Notice


class Stoppable(Protocol):
    """The part of a Run that signals need."""

    def stop(self) -> None:
        """Start no further step."""

    def abort(self) -> None:
        """Give up the running step too."""


class Interrupts:
    """The first signal stops the run after its running steps, the second gives these up, the third ends the process."""

    def __init__(self, run: Stoppable, emit: Emit, stopping: threading.Event) -> None:
        self.received = 0
        self._run = run
        self._emit = emit
        self._stopping = stopping
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on(self, number: int, frame: FrameType | None) -> None:
        self.received += 1
        self._stopping.set()
        if self.received == 1:
            self._begin(self._run.stop, "stopping after the running steps; Ctrl-C again gives them up")
        elif self.received == 2:
            self._begin(self._run.abort, "giving up the running steps")
        else:
            # Whatever still hangs, hangs in a library; the cursor was hidden by the live view.
            os.write(2, b"\x1b[?25h\n" if sys.stderr.isatty() else b"\n")
            os._exit(Interrupted.exit_code)

    def _begin(self, action: Callable[[], None], text: str) -> None:
        self._emit(Notice("", text))
        # Not here: the thread that a signal interrupts may hold the locks that stopping needs.
        threading.Thread(target=action, name="stop", daemon=True).start()
