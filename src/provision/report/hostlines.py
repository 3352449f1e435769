"""What commands print on hosts, and the entries of their journals, as lines."""

from __future__ import annotations

import json
import select
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Protocol, TextIO, cast

from provision.errors import Interrupted
from provision.events import Event
from provision.ops.events import CommandEnded, CommandEvent, CommandOutput, LogEntry
from provision.report import width_of
from provision.report.blocks import host_block
from provision.report.jsonl import error_fields
from provision.report.lines import Line, Style, ansi, line, printable, printable_lines
from provision.report.spool import Spool, View


class Screen:
    """Standard output and standard error, with the names of hosts before their lines where there are several."""

    def __init__(self, hosts: Sequence[str], wants_color: Callable[[TextIO], bool]) -> None:
        self._out, self._err = sys.stdout, sys.stderr
        self._out_color, self._err_color = wants_color(self._out), wants_color(self._err)
        self.several = len(hosts) > 1
        self._width = max(map(len, hosts), default=0)

    def write(self, host: str, content: Line, *, stream: str = "out") -> None:
        """Write one line of ``host``. Raises BrokenPipeError."""
        out, color = (self._out, self._out_color) if stream == "out" else (self._err, self._err_color)
        prefix: Line = ((f"{host:<{self._width}} | ", "dim"),) if self.several else ()
        text = ansi((*prefix, *content), color=color) + "\n"
        self.write_bytes(text.encode(out.encoding, "backslashreplace"), stream)

    def write_bytes(self, data: bytes, stream: str) -> None:
        """Write what a command printed as it is. Raises BrokenPipeError."""
        out = self._out if stream == "out" else self._err
        out.buffer.write(data)
        out.buffer.flush()

    def fail(self, event: CommandEnded) -> None:
        """Write the error that ended a host, unless that is what the user asked for."""
        if event.error is not None and not isinstance(event.error, Interrupted):
            for content in host_block(event.host, event.error, width=width_of(self._err)):
                self.write_bytes((ansi(content, color=self._err_color) + "\n").encode(), "err")


class CommandView(View, Protocol):
    """What the events of commands look like; it need not know those of runs."""

    def show(self, event: Event | CommandEvent) -> None:
        """Show one event. Raises BrokenPipeError."""


class CommandSpool(Spool):
    """A report of commands: they are shown in the order they come, by one thread."""

    def __init__(self, view: CommandView) -> None:
        super().__init__(view)

    def __call__(self, event: Event | CommandEvent) -> None:
        """Take one event; returns at once."""
        # The queue carries whatever the view can show.
        super().__call__(cast(Event, event))


class _Still:
    """A view in which nothing moves, and that is over with its last event."""

    interval: float | None = None

    def tick(self) -> None: ...

    def suspend(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


class UntilGone(_Still):
    """``view``, and word of it when its reader is gone (`provision logs -f | head`), also while nothing happens."""

    interval: float | None = 1.0

    def __init__(self, view: CommandView, descriptor: int) -> None:
        """``descriptor`` is that of standard output."""
        self.when_gone: Callable[[], object] = lambda: None
        self._view = view
        self._ends = select.poll()
        self._ends.register(descriptor, select.POLLERR | select.POLLHUP)

    def show(self, event: Event | CommandEvent) -> None:
        """Show one event. Raises BrokenPipeError, once ``when_gone`` has been called."""
        try:
            self._view.show(event)
        except BrokenPipeError:
            self.when_gone()
            raise

    def tick(self) -> None:
        """Look for the reader. Raises BrokenPipeError, once ``when_gone`` has been called."""
        if self._ends.poll(0):
            self.when_gone()
            raise BrokenPipeError


class OutputLines(_Still):
    """The output of commands: of several hosts line by line behind their names, of one host as it is."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._rest: defaultdict[tuple[str, str], bytes] = defaultdict(bytes)

    def show(self, event: Event | CommandEvent) -> None:
        """Show one event. Raises BrokenPipeError."""
        if isinstance(event, CommandOutput):
            if self._screen.several:
                self._lines(event)
            else:
                self._screen.write_bytes(event.data, event.stream)
        elif isinstance(event, CommandEnded):
            for stream in ("out", "err"):
                if rest := self._rest.pop((event.host, stream), b""):
                    self._line(event.host, stream, rest)
            self._screen.fail(event)
            if event.status and self._screen.several:
                self._screen.write(event.host, line(f"exit status {event.status}", "failed"), stream="err")

    def _lines(self, event: CommandOutput) -> None:
        key = (event.host, event.stream)
        *complete, self._rest[key] = (self._rest[key] + event.data).split(b"\n")
        for text in complete:
            self._line(event.host, event.stream, text)

    def _line(self, host: str, stream: str, text: bytes) -> None:
        self._screen.write(host, line(printable(text.decode("utf-8", "replace"))), stream=stream)


class LogLines(_Still):
    """Entries of journals, with the time of this machine's zone and the slot they come from."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def show(self, event: Event | CommandEvent) -> None:
        """Show one event. Raises BrokenPipeError."""
        if isinstance(event, LogEntry):
            for content in _entry(event):
                self._screen.write(event.host, content)
        elif isinstance(event, CommandEnded):
            self._screen.fail(event)


class JsonLog(_Still):
    """Entries of journals as JSON lines; what ended a host too, so that no program takes silence for success."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def show(self, event: Event | CommandEvent) -> None:
        """Write one event. Raises BrokenPipeError."""
        if isinstance(event, LogEntry):
            when = datetime.fromtimestamp(event.timestamp, UTC).isoformat(timespec="microseconds")
            values = {key: value for key, value in asdict(event).items() if key not in ("host", "timestamp")}
            self._write({"event": "log_entry", "host": event.host, "time": when.replace("+00:00", "Z"), **values})
        elif isinstance(event, CommandEnded) and event.error and not isinstance(event.error, Interrupted):
            self._write({"event": "host_failed", "host": event.host, "error": error_fields(event.error)})

    def _write(self, values: dict[str, object]) -> None:
        self._screen.write_bytes((json.dumps(values) + "\n").encode(), "out")


class JsonOutput(_Still):
    """What commands printed and how they ended, as JSON lines: one for each host, when its command has ended."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._printed: defaultdict[tuple[str, str], bytes] = defaultdict(bytes)

    def show(self, event: Event | CommandEvent) -> None:
        """Keep output; write how a command ended. Raises BrokenPipeError."""
        if isinstance(event, CommandOutput):
            self._printed[event.host, event.stream] += event.data
        elif isinstance(event, CommandEnded):
            out, err = (self._printed.pop((event.host, stream), b"") for stream in ("out", "err"))
            values = {
                "event": "command_ended",
                "host": event.host,
                "status": event.status,
                "stdout": out.decode("utf-8", "replace"),
                "stderr": err.decode("utf-8", "replace"),
                "error": error_fields(event.error) if event.error else None,
            }
            self._screen.write_bytes((json.dumps(values) + "\n").encode(), "out")


def _entry(entry: LogEntry) -> list[Line]:
    when = time.strftime("%b %d %H:%M:%S", time.localtime(entry.timestamp))
    place = f"{entry.source}[{entry.pid}]" if entry.pid else f"{entry.source} systemd"
    style = _style(entry)
    first, *rest = printable_lines(entry.message) or [""]
    head: Line = ((f"{when} ", "dim"), (f"{place}: ", "unknown"), (first, style))
    return [head, *(line(f"  {text}", style) for text in rest)]


def _style(entry: LogEntry) -> Style:
    if entry.priority <= 3:
        return "failed"
    if entry.priority == 4:
        return "changed"
    return "" if entry.pid else "dim"
