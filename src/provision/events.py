"""What happens during a run, as data: the engine emits events, report/ shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from provision.errors import ProvisionError


@dataclass(frozen=True)
class Event:
    """Base of all; ``host`` is the inventory's name."""

    host: str


@dataclass(frozen=True)
class Phase(Event):
    """The host enters ``name``: connect, survey, plan, apply, prove, wait."""

    name: str


@dataclass(frozen=True)
class TaskVerdict(Event):
    """What the plan says of one task: ``ok``, ``change``, ``unknown`` (depends on an earlier change) or ``skip``."""

    role: str
    task: str
    verdict: str
    keys: tuple[str, ...] = ()
    """The properties that differ, as ``path: mode 0600 -> 0644``; secrets without their values."""
    diff: str = ""
    """A unified diff of the content, where one was asked for and may be shown."""


@dataclass(frozen=True)
class HandlerVerdict(Event):
    """A handler is due: it has been notified, or its last run is not on record."""

    role: str
    handler: str
    reason: str


@dataclass(frozen=True)
class TaskStarted(Event):
    """The host runs the steps of a task (or handler) now."""

    role: str
    task: str


@dataclass(frozen=True)
class TaskOutput(Event):
    """Output of the running step, as it comes; may end in the middle of a line."""

    task: str
    text: str


@dataclass(frozen=True)
class TaskFinished(Event):
    """The steps of a task ended; ``status`` is changed, ok or failed; ``seconds`` measured on the controller."""

    role: str
    task: str
    status: str
    seconds: float


@dataclass(frozen=True)
class Notice(Event):
    """Something worth knowing that is no failure: a missing certificate, an ignored variable."""

    text: str


@dataclass(frozen=True)
class HostFinished(Event):
    """The recap of one host, in Ansible's words. ``error`` is None for success."""

    ok: int
    changed: int
    failed: int
    unreachable: int
    trips: int
    seconds: float
    skipped: int = 0
    unknown: int = 0
    error: ProvisionError | None = None
    urls: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class HostNotReached(Event):
    """A roll stopped before this host; it keeps what it serves."""

    reason: str


@dataclass(frozen=True)
class Confidential(Event):
    """Values that must not be shown from now on; never shown itself."""

    values: tuple[str, ...] = field(repr=False)
    certain: bool = False
    """They are secrets, and not only called so."""


Emit = Callable[[Event], None]
"""Called from the thread of the event's host; receivers queue it."""
