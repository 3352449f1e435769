"""The JSON lines: a schema that other programs rely on."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provision import events
from provision.errors import ConfigError, Locked, Position, ProvisionError, StepFailed
from provision.events import Event, HostFinished, TaskOutput, TaskVerdict
from provision.report import jsonl
from provision.report.jsonl import JsonLines, error_fields


def written(event: Event | ProvisionError) -> str:
    """The line an event becomes at a fixed time."""
    out = io.StringIO()
    view = JsonLines(out, now=lambda: datetime(2026, 3, 1, 12, 0, 0, 5000, tzinfo=UTC))
    if isinstance(event, ProvisionError):
        view.fail(event)
    else:
        view.show(event)
    view.close()
    return out.getvalue()


def test_an_event_is_one_line() -> None:
    """Name, time, then the fields of the event."""
    assert written(TaskVerdict("web1", "app", "Build", "change", ("x: 1 -> 2",), "--- a\n")) == (
        '{"event": "task_verdict", "time": "2026-03-01T12:00:00.005Z", "host": "web1", "role": "app", "task": "Build", '
        '"verdict": "change", "keys": ["x: 1 -> 2"], "diff": "--- a\\n"}\n'
    )


def test_output_of_any_kind_stays_in_its_line() -> None:
    """Line breaks, escapes and broken UTF-8 are escaped."""
    line = written(TaskOutput("web1", "Build", "é\n\x1b[31m\udcff"))
    assert line.count("\n") == 1
    assert line.isascii()
    assert json.loads(line)["text"] == "é\n\x1b[31m\udcff"


def test_a_recap_carries_its_error() -> None:
    """The error is an object, with all that the block on a terminal shows."""
    error = StepFailed("ended with status 1", rc=1, task="app : Build", log=["a", "b"], hint="look")
    told = json.loads(written(HostFinished("web1", 1, 0, 1, 0, 2, 1.5, error=error, urls=("https://a/",))))
    assert told == {
        "event": "host_finished",
        "time": "2026-03-01T12:00:00.005Z",
        "host": "web1",
        "ok": 1,
        "changed": 0,
        "failed": 1,
        "unreachable": 0,
        "trips": 2,
        "seconds": 1.5,
        "skipped": 0,
        "unknown": 0,
        "error": {
            "kind": "StepFailed",
            "message": "ended with status 1",
            "hint": "look",
            "exit_code": 1,
            "task": "app : Build",
            "log": ["a", "b"],
            "rc": 1,
        },
        "urls": ["https://a/"],
    }


def test_an_error_of_the_configuration_has_its_place() -> None:
    """Editors need file, line and column apart."""
    error = ConfigError("unknown field", position=Position(Path("inventory.yml"), 7, 3))
    assert json.loads(written(error))["error"] == {
        "kind": "ConfigError",
        "message": "unknown field",
        "hint": "",
        "exit_code": 2,
        "file": "inventory.yml",
        "line": 7,
        "column": 3,
    }
    assert "file" not in error_fields(ConfigError("no place"))
    assert error_fields(Locked("held"))["exit_code"] == 4


@pytest.mark.parametrize("kind", [kind for kind in Event.__subclasses__() if kind is not events.Confidential])
def test_the_schema_names_every_event_and_field(kind: type[Event]) -> None:
    """What is written is documented where it is written; what is confidential comes to no view."""
    described = jsonl.__doc__ or ""
    name = jsonl._BEFORE_CAPITAL.sub("_", kind.__name__).lower()
    assert f"``{name}``" in described
    paragraph = described.split(f"``{name}``")[1].split("\n``")[0]
    assert [field for field in kind.__dataclass_fields__ if field not in paragraph] == []
    assert kind.__module__ == events.__name__
