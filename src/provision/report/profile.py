"""Where the time of a run went: the slowest tasks of each host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from provision.events import Event, HostFinished, TaskFinished
from provision.report.lines import Line, clock, line

_MOST = 10
"""Tasks that are shown for a host."""


class Profile:
    """Adds up what the events of a run say about time."""

    def __init__(self) -> None:
        self._tasks: defaultdict[str, list[TaskFinished]] = defaultdict(list)
        self._hosts: dict[str, float] = {}

    def add(self, event: Event) -> None:
        """Take note of ``event``, if it says how long something took."""
        if isinstance(event, TaskFinished):
            self._tasks[event.host].append(event)
        elif isinstance(event, HostFinished):
            self._hosts[event.host] = event.seconds

    def lines(self) -> Iterator[Line]:
        """The hosts in the order in which they ended, each with its slowest tasks and with what is none of them."""
        for host, seconds in self._hosts.items():
            yield (("profile: ", "bold"), (f"[{host}] ", "bold"), (clock(seconds), ""))
            tasks = sorted(self._tasks[host], key=lambda event: event.seconds, reverse=True)
            for event in tasks[:_MOST]:
                yield _row(event.seconds, f"{event.role} : {event.task}")
            if others := tasks[_MOST:]:
                yield _row(sum(event.seconds for event in others), f"{len(others)} more")
            rest = seconds - sum(event.seconds for event in tasks)
            yield _row(max(rest, 0.0), "connecting, reading, waiting for other hosts, proving")


def _row(seconds: float, what: str) -> Line:
    return line(f"  {clock(seconds):>7}  {what}")
