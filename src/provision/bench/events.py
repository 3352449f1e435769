"""What happens during a test, as data: the sequence emits events, report/ shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from provision.errors import ProvisionError

STEPS = ("create", "converge", "idempotence", "verify", "destroy")
"""In their order; Molecule's words."""


@dataclass(frozen=True)
class BenchEvent:
    """Base of all; ``image`` is that of the host."""

    image: str


@dataclass(frozen=True)
class StepBegun(BenchEvent):
    """A step begins."""

    step: str


@dataclass(frozen=True)
class StepEnded(BenchEvent):
    """A step has ended; ``error`` is None where it passed, ``summary`` a few words on what it did."""

    step: str
    seconds: float
    summary: str = ""
    error: ProvisionError | None = None


@dataclass(frozen=True)
class HostKept(BenchEvent):
    """A host was left for a look; ``lab`` is the lab that it is in."""

    host: str
    lab: str


BenchEmit = Callable[[BenchEvent], None]
