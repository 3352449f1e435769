"""Commands on hosts, from the programs to the exit code."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from provision.cli.hosts import Connecting, Quiet
from provision.cli.interrupts import Interrupts, Stoppable
from provision.ops.events import CommandEnded, CommandEvent, Emit
from provision.ops.side_by_side import Job, SideBySide, exit_code
from provision.report.hostlines import CommandSpool, CommandView, UntilGone


class Ends:
    """Passes events on, and keeps how each command ended."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self.ends: list[CommandEnded] = []

    def __call__(self, event: CommandEvent) -> None:
        """Take one event, from any thread."""
        if isinstance(event, CommandEnded):
            self.ends.append(event)
        self._emit(event)


def show(
    jobs: Sequence[Job],
    view: CommandView,
    connecting: Connecting,
    *,
    forks: int,
    reader: Callable[[Emit], Emit] | None = None,
) -> int:
    """Run ``jobs`` side by side, show their events with ``view`` as they come, and return the exit code.

    ``reader`` makes other events of them first.
    """
    stopping = threading.Event()
    watched = UntilGone(view, sys.stdout.fileno())
    with CommandSpool(watched) as report:
        ends = Ends(report)
        work = SideBySide(jobs, reader(ends) if reader else ends, connecting.connector(report, stopping), forks=forks)
        watched.when_gone = work.abort
        with interruptible(work, stopping):
            work.execute()
    return exit_code(ends.ends)


@contextmanager
def interruptible(work: Stoppable, stopping: threading.Event) -> Iterator[Interrupts]:
    """Ctrl-C interrupts the commands, a second one gives them up. Raises click.Abort at the end after one."""
    with Interrupts(work, Quiet(), stopping) as interrupts:
        yield interrupts
    if interrupts.received:
        raise click.Abort
