"""What journalctl(1) answers with ``--output=json`` -> entries."""

from __future__ import annotations

import heapq
import json
import queue
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provision.errors import HostError
from provision.ops.events import CommandEnded, CommandEvent, CommandOutput, Emit, LogEntry

_AHEAD = 1000
"""Entries of one host that may wait for those of another."""


_LONGEST = 64 * 1024 * 1024
"""Bytes of an entry; journald itself takes no field of more than that."""

_COMPLAINT = 64 * 1024


class JournalReader:
    """Takes the events of commands and emits a LogEntry for each line of their output."""

    def __init__(self, emit: Emit, apps: Mapping[str, str]) -> None:
        """``apps`` is the name of the app of each host."""
        self._emit, self._apps = emit, apps
        self._rest: defaultdict[str, bytes] = defaultdict(bytes)
        self._complaints: defaultdict[str, bytes] = defaultdict(bytes)

    def __call__(self, event: CommandEvent) -> None:
        """Take one event; those of one host come from one thread."""
        match event:
            case CommandOutput(host, "out", data):
                *complete, self._rest[host] = (self._rest[host] + data).split(b"\n")
                for text in complete:
                    if text:
                        self._emit(_entry(host, text, self._apps[host]))
                if len(self._rest[host]) > _LONGEST:
                    raise HostError(f"the host answers with a line of more than {_LONGEST} bytes, which is no entry")
            case CommandOutput(host, _, data):
                self._complaints[host] = (self._complaints[host] + data)[-_COMPLAINT:]
            case CommandEnded():
                self._emit(self._ending(event))
            case _:
                self._emit(event)

    def _ending(self, event: CommandEnded) -> CommandEnded:
        if not event.status:
            return event
        complaint = self._complaints[event.host].decode("utf-8", "replace").strip()
        # Without a word: no entry matched.
        error = HostError("the journal cannot be read so", log=complaint.splitlines()) if complaint else None
        return CommandEnded(event.host, None if error else 0, error)


def _entry(host: str, text: bytes, app: str) -> LogEntry:
    try:
        return entry(host, text, app)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise HostError(f"the host answers with what is no entry of a journal: {text[:60]!r}") from error


def entry(host: str, text: bytes, app: str) -> LogEntry:
    """One line of journalctl's JSON; its source is the slot, after ``migrate`` or a process of the app."""
    fields: dict[str, Any] = json.loads(text)
    unit = str(fields.get("UNIT") or fields.get("_SYSTEMD_UNIT") or "")
    found = re.fullmatch(rf"app-{app}(?:-(?P<process>.+))?@(?P<slot>\w+)\.service", unit)
    source = " ".join(word for word in found.group("process", "slot") if word) if found else unit
    return LogEntry(
        host,
        timestamp=int(fields["__REALTIME_TIMESTAMP"]) / 1_000_000,
        source=source,
        pid=None if "UNIT" in fields else int(fields.get("_PID") or 0) or None,
        priority=int(fields.get("PRIORITY") or 6),
        message=_text(fields.get("MESSAGE")),
    )


class Merger:
    """Entries of several hosts in the order of their times, few of them in memory. Takes events, from any thread."""

    def __init__(self, hosts: Sequence[str], *, ordered: bool = True) -> None:
        """Where the entries of one host do not come ``ordered``, all of them are waited for."""
        self._ordered = ordered
        self._queues: dict[str, queue.Queue[LogEntry | None]] = {host: queue.Queue(_AHEAD) for host in hosts}

    def __call__(self, event: CommandEvent) -> None:
        """Take one event; waits where its host is far ahead of another."""
        if isinstance(event, LogEntry):
            self._queues[event.host].put(event)
        elif isinstance(event, CommandEnded):
            self._queues[event.host].put(None)

    def entries(self) -> Iterator[LogEntry]:
        """All entries, until the commands of all hosts have ended."""
        return heapq.merge(*(self._of(host) for host in self._queues), key=_time)

    def _of(self, host: str) -> Iterator[LogEntry]:
        found = iter(self._queues[host].get, None)
        return found if self._ordered else iter(sorted(found, key=_time))


def _time(found: LogEntry) -> float:
    return found.timestamp


def _text(value: Any) -> str:
    """A message is text, or a list of bytes where it is no UTF-8; null where there is none."""
    if isinstance(value, list):
        return bytes(byte for byte in value if isinstance(byte, int)).decode("utf-8", "replace")
    return "" if value is None else str(value)
