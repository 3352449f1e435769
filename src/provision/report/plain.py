"""Plain lines, for logs, pipes and terminals that cannot move the cursor."""

from __future__ import annotations

from typing import TextIO

from provision.events import Event
from provision.report.lines import ansi, line
from provision.report.transcript import Transcript


class Plain:
    """One line per changed task, errors as blocks, the recap at the end."""

    interval: float | None = None

    def __init__(self, transcript: Transcript, out: TextIO, *, color: bool = False) -> None:
        self._transcript = transcript
        self._out = out
        self._color = color
        self._started = False

    def show(self, event: Event) -> None:
        """Write the lines that stay because of ``event``."""
        for content in self._transcript.lines(event):
            self._started = True
            self._out.write(ansi(content, color=self._color) + "\n")
        self._out.flush()

    def tick(self) -> None:
        """Nothing moves."""

    def suspend(self) -> None:
        """Nothing is in the way of a question."""

    def resume(self) -> None:
        """Nothing to restore."""

    def close(self) -> None:
        """Write the recap, apart from what stands above it."""
        closing = self._transcript.closing()
        if closing and self._started:
            closing.insert(0, line(""))
        for content in closing:
            self._out.write(ansi(content, color=self._color) + "\n")
        self._out.flush()
