"""JSON Lines on standard output, and nothing else there: one object per event, for programs.

Each object has ``event``, the name of a class of events.py in snake_case, ``time``, when it was written (RFC 3339,
UTC), and the fields of that class under their own names:

``phase``              host, name: connect, survey, plan, apply, prove, wait
``task_verdict``       host, role, task, verdict: ok, change, unknown, skip; keys: [text], diff: text
``handler_verdict``    host, role, handler, reason
``task_started``       host, role, task
``task_output``        host, task, text
``task_finished``      host, role, task, status: changed, ok, failed; seconds: number
``notice``             host, text
``host_finished``      host, ok, changed, failed, unreachable, trips, skipped, unknown: integers; seconds: number,
                       urls: [text], error: null or an error
``host_not_reached``   host, reason
``error``              error: an error; the run ended because of it, no host is to blame

An error is an object: ``kind``, its class in errors.py; ``message``; ``hint``; ``exit_code``; where it has them
``file``, ``line``, ``column`` (1-based), ``task``, ``log``: [text] and ``rc``.
Fields may be added in later versions; none of these will change its meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import TextIO

from provision.errors import ConfigError, HostError, ProvisionError, StepFailed
from provision.events import Event

_BEFORE_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _now() -> datetime:
    return datetime.now(UTC)


class JsonLines:
    """Writes each event as it comes."""

    interval: float | None = None

    def __init__(self, out: TextIO, now: Callable[[], datetime] = _now) -> None:
        self._out = out
        self._now = now

    def show(self, event: Event) -> None:
        """Write one event."""
        self._write(_BEFORE_CAPITAL.sub("_", type(event).__name__).lower(), event_fields(event))

    def fail(self, error: ProvisionError) -> None:
        """Write the error that ended the run."""
        self._write("error", {"error": error_fields(error)})

    def tick(self) -> None:
        """Nothing moves."""

    def suspend(self) -> None:
        """A question goes to the terminal, not here."""

    def resume(self) -> None:
        """Nothing to restore."""

    def close(self) -> None:
        """The host_finished lines are the recap."""

    def _write(self, name: str, values: dict[str, object]) -> None:
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._out.write(json.dumps({"event": name, "time": time, **values}) + "\n")
        self._out.flush()


def event_fields(event: Event) -> dict[str, object]:
    """The fields of an event as JSON has them."""
    values = {item.name: getattr(event, item.name) for item in fields(event)}
    return {key: error_fields(value) if isinstance(value, ProvisionError) else value for key, value in values.items()}


def error_fields(error: ProvisionError) -> dict[str, object]:
    """An error as JSON has it."""
    values: dict[str, object] = {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
    if isinstance(error, ConfigError) and error.position:
        place = error.position
        values |= {"file": str(place.file), "line": place.line, "column": place.column}
    if isinstance(error, HostError):
        values |= {"task": error.task, "log": list(error.log)}
    if isinstance(error, StepFailed):
        values["rc"] = error.rc
    return values
