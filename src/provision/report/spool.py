"""The way from host threads to the screen: a queue, and one thread that prints."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from provision.events import Event
from provision.report.masked import Masking


def discard_stdout() -> None:
    """Let what is still buffered for a reader that is gone vanish: Python would complain of it at its exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


class View(Protocol):
    """What an event looks like. Only the printing thread calls it."""

    interval: float | None
    """Seconds between two calls of ``tick``; None where nothing moves."""

    def show(self, event: Event) -> None:
        """Show one event."""

    def tick(self) -> None:
        """Let the clocks go on."""

    def suspend(self) -> None:
        """Leave the screen to somebody else."""

    def resume(self) -> None:
        """Take the screen back."""

    def close(self) -> None:
        """Show how the run ended."""


class _Pause:
    """A request to leave the screen alone until it is taken back."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.over = threading.Event()


class Spool:
    """A report: shows events with ``view``, whichever thread they come from, in the order they come."""

    def __init__(self, view: View) -> None:
        self._view = view
        # SimpleQueue: its put may be called from a signal handler that interrupts a put.
        self._queue: queue.SimpleQueue[Event | _Pause | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._print, name="report")
        self._asking = threading.Lock()
        self._failure: BaseException | None = None
        self.masking = Masking()
        """What may be shown of the events."""

    def __call__(self, event: Event) -> None:
        """Take one event; returns at once."""
        for shown in self.masking(event):
            self._queue.put(shown)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Keep the screen for a question; several callers get it one after another."""
        with self._asking:
            pause = _Pause()
            self._queue.put(pause)
            pause.begun.wait()
            try:
                yield
            finally:
                pause.over.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._failure and error is None:
            raise self._failure

    def _print(self) -> None:
        try:
            self._show_all()
        except BrokenPipeError:
            # The reader is gone (`provision up | head`); the hosts must not be left halfway because of it.
            discard_stdout()
            self._discard()
        except Exception as error:
            self._failure = error
            self._discard()

    def _show_all(self) -> None:
        view = self._view
        while True:
            try:
                item = self._queue.get(timeout=view.interval)
            except queue.Empty:
                view.tick()
                continue
            if item is None:
                return view.close()
            if isinstance(item, _Pause):
                view.suspend()
                item.begun.set()
                item.over.wait()
                view.resume()
            else:
                view.show(item)

    def _discard(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Pause):
                item.begun.set()
