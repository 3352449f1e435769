"""Where every host stands now, from the events so far: the model of the live tree."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from provision.events import (
    Event,
    HandlerVerdict,
    HostFinished,
    HostNotReached,
    Phase,
    TaskFinished,
    TaskOutput,
    TaskStarted,
    TaskVerdict,
)
from provision.report.lines import printable
from provision.report.recap import Ending

TAIL = 5
"""Lines of a running step's output that are kept for the screen."""

_LONGEST = 4096
"""Characters kept of an unfinished line."""


@dataclass(frozen=True)
class Done:
    """A task or handler whose steps have ended."""

    task: str
    status: str
    seconds: float


@dataclass
class Role:
    """The part of a host that one role changes."""

    due: int = 0
    """Tasks and handlers that have steps to run, those already done among them."""
    done: list[Done] = field(default_factory=list)


@dataclass(frozen=True)
class Running:
    """The task whose steps run now; ``since`` is a monotonic time."""

    role: str
    task: str
    since: float


@dataclass
class Host:
    """One host of the run; times are monotonic."""

    name: str
    since: float
    phase: str = "connect"
    phase_since: float = 0.0
    roles: dict[str, Role] = field(default_factory=dict)
    running: Running | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    ended: Ending | None = None
    _partial: str = ""

    @property
    def due(self) -> int:
        """How many tasks and handlers have steps to run."""
        return sum(role.due for role in self.roles.values())

    @property
    def done(self) -> int:
        """How many of them have ended."""
        return sum(len(role.done) for role in self.roles.values())

    def role(self, name: str) -> Role:
        """The part of role ``name``."""
        return self.roles.setdefault(name, Role())

    def enter(self, phase: str, now: float) -> None:
        """Begin a phase."""
        self.phase, self.phase_since = phase, now
        if phase in ("survey", "prove"):
            # A new reading says anew what is due.
            for role in self.roles.values():
                role.due = len(role.done)

    def start(self, event: TaskStarted, now: float) -> None:
        """Begin a task."""
        role = self.role(event.role)
        role.due = max(role.due, len(role.done) + 1)
        self.running = Running(event.role, event.task, now)
        self.tail.clear()
        self._partial = ""

    def hear(self, text: str) -> None:
        """Take output of the running task; an unfinished line counts as soon as it is there."""
        if self._partial:
            self.tail.pop()
        *complete, self._partial = (self._partial + text).split("\n")
        self.tail.extend(shown for part in complete if (shown := printable(part)).strip())
        if self._partial:
            # A progress bar may never end its line.
            self._partial = self._partial[-_LONGEST:]
            self.tail.append(printable(self._partial))

    def finish(self, event: TaskFinished) -> None:
        """End a task."""
        self.role(event.role).done.append(Done(event.task, event.status, event.seconds))
        self.running = None


class Board:
    """All hosts, in the order in which they were first heard of."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}

    def take(self, event: Event, now: float) -> None:
        """Let ``event`` change the picture; ``now`` is a monotonic time."""
        if not event.host:
            return
        host = self.hosts.setdefault(event.host, Host(event.host, now, phase_since=now))
        match event:
            case Phase():
                host.enter(event.name, now)
            case TaskVerdict(verdict="change" | "unknown") | HandlerVerdict():
                host.role(event.role).due += 1
            case TaskStarted():
                host.start(event, now)
            case TaskOutput():
                host.hear(event.text)
            case TaskFinished():
                host.finish(event)
            case HostFinished() | HostNotReached():
                host.running, host.ended = None, event
