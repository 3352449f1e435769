"""The live view of a terminal: lines that stay above, the tree of what goes on below."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from provision.events import Event
from provision.report.board import Board
from provision.report.lines import Line, ansi, line
from provision.report.transcript import Transcript
from provision.report.tree import ASCII, UNICODE, Tree

_PATIENCE = 0.4
"""Seconds before the tree appears: a run with nothing to do is over by then and shows its recap only."""


class Terminal:
    """A tree that is drawn again when it has changed, at most ten times a second."""

    interval: float | None = 0.1

    def __init__(
        self, transcript: Transcript, console: Console, *, color: bool = True, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._transcript = transcript
        self._console = console
        self._color = color
        self._now = now
        self._board = Board()
        self._tree = Tree(self._board, UNICODE if console.encoding.lower().startswith("utf") else ASCII)
        self._begun = now()
        self._drawn = 0.0
        self._frame: list[Line] = []
        self._live: Live | None = None
        self._stayed = False

    def show(self, event: Event) -> None:
        """Print the lines that stay, and let the tree follow."""
        self._board.take(event, self._now())
        if stay := list(self._transcript.lines(event)):
            self._stayed = True
            self._print(stay)
        self.tick()

    def tick(self) -> None:
        """Draw the tree where it is due and differs from what stands there."""
        now = self._now()
        if now - self._begun < _PATIENCE or now - self._drawn < (self.interval or 0):
            return
        self._drawn = now
        size = self._console.size
        # At Ctrl-C the terminal writes ^C behind the last line; if that wrapped, the tree would not go away whole.
        frame = self._tree.lines(now, size.width - 3, max(size.height - 2, 4))
        if frame == self._frame:
            return
        self._frame = frame
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()
        self._live.update(self._text(frame), refresh=True)

    def suspend(self) -> None:
        """Take the tree away, for a question."""
        if self._live:
            self._live.stop()
        self._live, self._frame = None, []

    def resume(self) -> None:
        """The next tick draws the tree again."""

    def close(self) -> None:
        """Take the tree away and print the recap."""
        self.suspend()
        closing = self._transcript.closing()
        self._print([line(""), *closing] if closing and self._stayed else closing)

    def _print(self, stay: Iterable[Line]) -> None:
        text = self._text(stay)
        if text.plain:
            self._console.print(text, soft_wrap=True)

    def _text(self, stay: Iterable[Line]) -> Text:
        return Text.from_ansi("\n".join(ansi(part, color=self._color) for part in stay), no_wrap=True, end="\n")
