"""What journalctl answers, as entries in the order of time, and as lines."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from provision.errors import HostError, Interrupted, Unreachable
from provision.ops.commands import LogQuery, logs
from provision.ops.events import CommandEnded, CommandEvent, CommandOutput, LogEntry
from provision.ops.journal import JournalReader, Merger, entry
from provision.report.hostlines import JsonLog, JsonOutput, LogLines, OutputLines, Screen

BLUE = "app-notes@blue.service"
NOON = 1_700_000_000


def record(message: object, seconds: float = NOON, **fields: object) -> bytes:
    """One line of journalctl's JSON, without its end."""
    own = {"__REALTIME_TIMESTAMP": str(int(seconds * 1_000_000)), "_SYSTEMD_UNIT": BLUE, "_PID": "7", "PRIORITY": "6"}
    return json.dumps({**own, "MESSAGE": message, **fields}).encode()


def log_entry(host: str, seconds: float, message: str = "x") -> LogEntry:
    return LogEntry(host, seconds, "blue", 7, 6, message)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (record("hello"), LogEntry("a", NOON, "blue", 7, 6, "hello")),
        (
            record("no", PRIORITY="3", _SYSTEMD_UNIT="app-notes-migrate@green.service"),
            LogEntry("a", NOON, "migrate green", 7, 3, "no"),
        ),
        (
            record("Started", _SYSTEMD_UNIT="init.scope", _PID="1", UNIT=BLUE),
            LogEntry("a", NOON, "blue", None, 6, "Started"),
        ),
        (
            record("job", UNIT="app-notes-queue@green.service"),
            LogEntry("a", NOON, "queue green", None, 6, "job"),
        ),
        (record([104, 105, 255]), LogEntry("a", NOON, "blue", 7, 6, "hi\N{REPLACEMENT CHARACTER}")),
        (record(None), LogEntry("a", NOON, "blue", 7, 6, "")),
    ],
)
def test_entry(text: bytes, expected: LogEntry) -> None:
    assert entry("a", text, "notes") == expected


def test_the_reader_cuts_at_line_ends_wherever_the_pieces_end() -> None:
    """Those of two hosts do not mix."""
    events: list[CommandEvent] = []
    reader = JournalReader(events.append, {"a": "notes"})
    for byte in record("ü") + b"\n":
        reader(CommandOutput("a", "out", bytes([byte])))
        reader(CommandOutput("b", "out", b""))
    assert events == [LogEntry("a", NOON, "blue", 7, 6, "ü")]


@pytest.mark.parametrize("text", [b"hello", b"[]", b"{}", b"null", b"\xff", record("x", _PID="x"), b"[" * 100_000])
def test_the_reader_refuses_what_is_no_entry(text: bytes) -> None:
    with pytest.raises(HostError, match="no entry of a journal"):
        JournalReader(lambda event: None, {"a": "notes"})(CommandOutput("a", "out", text + b"\n"))


def test_the_reader_does_not_wait_for_the_end_of_a_line_for_ever() -> None:
    reader = JournalReader(lambda event: None, {"a": "notes"})
    reader(CommandOutput("a", "out", b"x" * 60 * 1024 * 1024))
    with pytest.raises(HostError, match="a line of more than"):
        reader(CommandOutput("a", "out", b"x" * 5 * 1024 * 1024))
    for _ in range(70):
        reader(CommandOutput("a", "err", b"x" * 1024 * 1024))
    assert len(reader._complaints["a"]) == 64 * 1024


def test_the_reader_tells_no_match_from_a_complaint() -> None:
    events: list[CommandEvent] = []
    reader = JournalReader(events.append, {})
    reader(CommandEnded("a", 1))
    reader(CommandOutput("b", "err", b"Failed to parse timestamp: x\n"))
    reader(CommandEnded("b", 1))
    reader(CommandEnded("c", error=Unreachable("gone")))
    none, wrong, gone = (event for event in events if isinstance(event, CommandEnded))
    assert none == CommandEnded("a", 0)
    assert isinstance(wrong.error, HostError)
    assert wrong.error.log == ("Failed to parse timestamp: x",)
    assert isinstance(gone.error, Unreachable)


def test_the_merger_orders_hosts_by_time_while_they_send() -> None:
    """Far more than it keeps in memory."""
    merger = Merger(["a", "b", "gone"])

    def send(host: str, start: int) -> None:
        for number in range(start, 6000, 2):
            merger(log_entry(host, number))
        merger(CommandEnded(host, 0))

    senders = [threading.Thread(target=send, args=(host, start)) for host, start in (("a", 0), ("b", 1))]
    for sender in senders:
        sender.start()
    merger(CommandEnded("gone", error=Unreachable("gone")))
    found = list(merger.entries())
    for sender in senders:
        sender.join()
    assert [entry.timestamp for entry in found] == list(range(6000))
    assert [entry.host for entry in found[:4]] == ["a", "b", "a", "b"]


def test_the_merger_turns_what_comes_in_reverse() -> None:
    merger = Merger(["a"], ordered=False)
    for seconds in (3, 2, 1):
        merger(log_entry("a", seconds))
    merger(CommandEnded("a", 0))
    assert [entry.timestamp for entry in merger.entries()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("since", "option"),
    [("10m", "--since=-10m"), ("2 hours", "--since=-2 hours"), ("yesterday", "--since=yesterday")],
)
def test_an_age_is_a_time(since: str, option: str) -> None:
    assert option in logs("notes", LogQuery(since=since)).text


def screen(monkeypatch: pytest.MonkeyPatch, *hosts: str, color: bool = False) -> tuple[Screen, io.BytesIO, io.BytesIO]:
    out, err = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, "utf-8"))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(err, "utf-8"))
    return Screen(hosts, lambda stream: color), out, err


def test_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host only where there are several; no control characters of the host's."""
    one, out, _ = screen(monkeypatch, "web1")
    view = LogLines(one)
    view.show(LogEntry("web1", NOON, "blue", 7, 6, "\x1b[31mred\x1b[0m \x07bell"))
    view.show(LogEntry("web1", NOON, "migrate blue", None, 6, "Starting"))
    assert out.getvalue().decode().splitlines() == [
        "Nov 14 22:13:20 blue[7]: red bell",
        "Nov 14 22:13:20 migrate blue systemd: Starting",
    ]
    two, out, _ = screen(monkeypatch, "web1", "longer")
    LogLines(two).show(LogEntry("web1", NOON, "blue", 7, 6, "first\nsecond"))
    assert out.getvalue().decode() == "web1   | Nov 14 22:13:20 blue[7]: first\nweb1   |   second\n"


def test_log_lines_show_errors_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    one, out, err = screen(monkeypatch, "web1", color=True)
    view = LogLines(one)
    view.show(LogEntry("web1", NOON, "blue", 7, 3, "boom"))
    view.show(CommandEnded("web1", error=Interrupted("stopped")))
    assert "\x1b[1;38;5;196mboom\x1b[0m" in out.getvalue().decode()
    assert err.getvalue() == b""
    view.show(CommandEnded("web1", error=Unreachable("it is gone")))
    assert "it is gone" in err.getvalue().decode()


def test_output_lines_of_several_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines with their host, the rest of a last one too, and how it failed."""
    two, out, err = screen(monkeypatch, "a", "bb")
    view = OutputLines(two)
    for event in (
        CommandOutput("a", "out", "on\ngrü".encode()[:-1]),
        CommandOutput("bb", "out", b"other\n"),
        CommandOutput("a", "out", "grü".encode()[-1:] + b"n"),
        CommandOutput("a", "err", b"oops\n"),
        CommandEnded("a", 3),
        CommandEnded("bb", 0),
    ):
        view.show(event)
    assert out.getvalue().decode() == "a  | on\nbb | other\na  | grün\n"
    assert err.getvalue().decode() == "a  | oops\na  | exit status 3\n"


def test_output_of_one_host_is_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    one, out, err = screen(monkeypatch, "a")
    view = OutputLines(one)
    view.show(CommandOutput("a", "out", b"\xff\x00\x1b[1m no end"))
    view.show(CommandEnded("a", 3))
    assert (out.getvalue(), err.getvalue()) == (b"\xff\x00\x1b[1m no end", b"")


def test_output_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """One object for each host when it is done, whatever its command printed; also where it could not be run."""
    two, out, err = screen(monkeypatch, "a", "bb")
    view = JsonOutput(two)
    for event in (
        CommandOutput("a", "out", b"one\n\xff"),
        CommandOutput("bb", "err", b"oops"),
        CommandOutput("a", "out", b"two"),
        CommandEnded("bb", 3),
        CommandEnded("a", 0),
        CommandEnded("gone", error=Unreachable("gone")),
    ):
        view.show(event)
    assert err.getvalue() == b""
    failed, fine, gone = map(json.loads, out.getvalue().splitlines())
    own = {"event": "command_ended", "error": None}
    assert failed == {**own, "host": "bb", "status": 3, "stdout": "", "stderr": "oops"}
    assert fine == {**own, "host": "a", "status": 0, "stdout": "one\n\N{REPLACEMENT CHARACTER}two", "stderr": ""}
    assert (gone["status"], gone["error"]["message"]) == (None, "gone")


def test_logs_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    one, out, _ = screen(monkeypatch, "a")
    view = JsonLog(one)
    view.show(LogEntry("a", NOON + 0.25, "blue", 7, 6, "grün\x1b[1m"))
    view.show(CommandEnded("a", error=Unreachable("gone")))
    entry, failure = map(json.loads, out.getvalue().splitlines())
    assert entry == {
        "event": "log_entry",
        "host": "a",
        "time": "2023-11-14T22:13:20.250000Z",
        "source": "blue",
        "pid": 7,
        "priority": 6,
        "message": "grün\x1b[1m",
    }
    assert (failure["event"], failure["host"], failure["error"]["message"]) == ("host_failed", "a", "gone")
