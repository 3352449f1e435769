"""A test of a role, step by step; and the events of its runs, kept for whoever judges them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from provision.bench.events import STEPS, BenchEvent, HostKept, StepBegun, StepEnded
from provision.events import Event
from provision.report import wants_color, width_of
from provision.report.blocks import host_block
from provision.report.lines import Line, ansi, clock, line
from provision.report.spool import View


class Kept:
    """A view that keeps all events, and shows them with another one, if there is one."""

    def __init__(self, view: View | None) -> None:
        self.events: list[Event] = []
        self.interval = view.interval if view else None
        self._view = view

    def show(self, event: Event) -> None:
        """Keep one event, and show it."""
        self.events.append(event)
        if self._view:
            self._view.show(event)

    def tick(self) -> None:
        """Let the clocks go on."""
        if self._view:
            self._view.tick()

    def suspend(self) -> None:
        """Leave the screen to somebody else."""
        if self._view:
            self._view.suspend()

    def resume(self) -> None:
        """Take the screen back."""
        if self._view:
            self._view.resume()

    def close(self) -> None:
        """Show how the run ended."""
        if self._view:
            self._view.close()


class BenchReport:
    """Writes a line for each step: on a terminal its name when it begins, and what came of it when it ends."""

    def __init__(self, role: str, out: TextIO, *, verbose: bool) -> None:
        """With ``verbose`` the runs write between the beginning of a step and its end."""
        self._role, self._out, self._verbose = role, out, verbose
        self._image = ""
        self._ended: dict[str, bool] = {}
        """Image -> whether no step has failed."""

    def __call__(self, event: BenchEvent) -> None:
        """Show one event."""
        if event.image != self._image:
            self._image = event.image
            self._write(line(f"{self._role} on {event.image}", "bold"))
        if isinstance(event, StepBegun):
            self._begin(event)
        for content in self._lines(event):
            self._write(content)

    def close(self) -> None:
        """Write how the test ended."""
        for passed, word in ((False, "failed"), (True, "passed")):
            if images := [image for image, well in self._ended.items() if well is passed]:
                self._write(line(f"{self._role}: {word} on {', '.join(images)}", "ok" if passed else "failed"))

    def _begin(self, event: StepBegun) -> None:
        if self._verbose:
            self._write(line(f"  {event.step}"))
        elif self._out.isatty():
            self._out.write(f"  {event.step} ...\r")
            self._out.flush()

    def _lines(self, event: BenchEvent) -> Iterator[Line]:
        if isinstance(event, StepEnded):
            self._ended[event.image] = self._ended.get(event.image, True) and event.error is None
            end = ("failed", "failed") if event.error else (event.summary, "")
            name = f"  {event.step:<{max(map(len, STEPS))}}"
            yield tuple(part for part in ((name, ""), (f" {clock(event.seconds):>8}  ", "dim"), end) if part[0])
            if event.error:
                yield from host_block(event.image, event.error, width=width_of(self._out))
        elif isinstance(event, HostKept):
            yield line(f"  {event.host} was kept: `provision lab ssh {event.host}` logs in,")
            yield line(f"  `provision lab down --name {event.lab}` ends it")

    def _write(self, content: Line) -> None:
        self._out.write(ansi(content, color=wants_color(self._out)).rstrip() + "\n")
        self._out.flush()
