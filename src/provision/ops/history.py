"""The runs that hosts have on record: each that changed something there, or failed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from provision.ops.commands import Program
from provision.ops.printed import Printed
from provision.ops.side_by_side import Job, SideBySide
from provision.shell import lines, sh
from provision.transport.protocol import Connection, Login

TRIPS = 4
"""Lines that one run leaves on a host at most, one for each apply: before its turn, in it, and two further rounds."""


@dataclass(frozen=True)
class Recorded:
    """One run on a host's record."""

    when: str
    """When it came to the host, by the clock of who ran it: RFC 3339, UTC."""
    who: str
    """USER@MACHINE of who ran it."""
    origin: str
    """The address that the login came from, as the host saw it; empty where that is not on record."""
    version: str
    """That of provision."""
    command: str
    result: str
    """``ok``; ``failed``; ``stopped``, between two steps, as asked; ``lost``, the line ended before the last step."""
    changed: int | None
    """How many tasks and handlers it finished; None where that is not on record."""
    role: str = ""
    task: str = ""
    """What failed."""


@dataclass(frozen=True)
class Unreadable:
    """A line of the record that is none, as one that was cut by a power failure."""

    when: str
    """That of the run before it."""
    text: str


Entry = Recorded | Unreadable
Records = Mapping[str, Sequence[Entry]]
"""By host; the oldest run first."""


def on_record(runs: int) -> Program:
    """What prints the last runs of a host, and perhaps some before them."""
    own = Path(__file__).with_name("history.sh").read_text(encoding="utf-8")
    return Program(lines("set -eu", sh("lines={}", TRIPS * runs), own))


def parse(text: str, runs: int) -> list[Entry]:
    """The last ``runs`` runs of what ``on_record`` printed, the oldest first."""
    entries: list[Entry] = []
    for row in text.split("\n"):
        if row := row.strip("\0 "):
            entries.append(_entry(row, entries[-1].when if entries else ""))
    found = [_whole(list(trips)) for _, trips in groupby(entries, _run)]
    return found[len(found) - runs :] if runs < len(found) else found


def _run(entry: Entry) -> object:
    """What the lines of one run have in common."""
    if isinstance(entry, Unreadable):
        return entry.when, entry.text
    return entry.when, entry.who, entry.version, entry.command, entry.origin


def _whole(trips: Sequence[Entry]) -> Entry:
    """A run from what its trips recorded; how the last of them ended is how the run did."""
    last = trips[-1]
    if isinstance(last, Unreadable):
        return last
    counts = [trip.changed for trip in trips if isinstance(trip, Recorded) and trip.changed is not None]
    return replace(last, changed=sum(counts) if counts else None)


def _entry(row: str, before: str) -> Entry:
    try:
        values = json.loads(row)
        return Recorded(
            when=_matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", values["when"]),
            who=_matching(r".*", values["who"]),
            origin=_matching(r".*", values.get("from", "")),
            version=_matching(r".*", values["version"]),
            command=_matching(r".*", values["command"]),
            result=_matching(r"[a-z]+", values["result"]),
            changed=int(values["changed"]) if "changed" in values else None,
            role=_matching(r".*", values.get("role", "")),
            task=_matching(r".*", values.get("task", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return Unreadable(before, row)


def _matching(pattern: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
        raise ValueError(value)
    return value


class Collector(Printed):
    """Gathers the records of hosts."""

    WHAT = "record of runs"

    def records(self, runs: int) -> Records:
        """The last ``runs`` of each host that answered."""
        return {host: parse(text, runs) for host, text in self.texts().items()}


def merged(records: Records) -> list[tuple[str, Entry]]:
    """The runs of all hosts, each with its host, in the order of their times."""
    found = [(host, entry) for host, entries in records.items() for entry in entries]
    return sorted(found, key=lambda pair: pair[1].when)


def reading(
    logins: Sequence[Login], runs: int, collector: Collector, connect: Callable[[Login], Connection], forks: int = 32
) -> SideBySide:
    """What asks hosts for their last runs."""
    return SideBySide([Job(login, on_record(runs)) for login in logins], collector, connect, forks=forks)
