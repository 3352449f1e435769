"""What happens while commands run on hosts, as data."""

from __future__ import annotations

from dataclasses import dataclass

from provision.errors import ProvisionError
from provision.events import Event


@dataclass(frozen=True)
class CommandOutput(Event):
    """The command on ``host`` printed something; it may end in the middle of a line, or of a character."""

    stream: str
    """``out`` or ``err``."""
    data: bytes


@dataclass(frozen=True)
class CommandEnded(Event):
    """The command on ``host`` ended with ``status``, or could not be run because of ``error``."""

    status: int | None = None
    error: ProvisionError | None = None
