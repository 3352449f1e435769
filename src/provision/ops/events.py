"""What happens while commands run on hosts, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from provision.errors import ProvisionError


@dataclass(frozen=True)
class CommandEvent:
    """Base of all; ``host`` is the inventory's name."""

    host: str


@dataclass(frozen=True)
class CommandOutput(CommandEvent):
    """The command on ``host`` printed something; it may end in the middle of a line, or of a character."""

    stream: str
    """``out`` or ``err``."""
    data: bytes


@dataclass(frozen=True)
class CommandEnded(CommandEvent):
    """The command on ``host`` ended with ``status``, or could not be run because of ``error``."""

    status: int | None = None
    error: ProvisionError | None = None


@dataclass(frozen=True)
class LogEntry(CommandEvent):
    """One entry of the journal of ``host``."""

    timestamp: float
    """Seconds since 1970, by the host's clock."""
    source: str
    """``blue``, ``green``, ``migrate blue``, ...: the slot whose unit it belongs to."""
    pid: int | None
    """None where systemd says it of the unit."""
    priority: int
    """As in syslog(3): 3 and less are errors, 6 is information."""
    message: str


Emit = Callable[[CommandEvent], None]
"""Called from the thread of the event's host; receivers may let it wait."""
