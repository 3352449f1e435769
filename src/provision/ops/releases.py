"""The deployments that hosts have on record, and which of them is to serve after a rollback."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.errors import HostError, Refused
from provision.ops.commands import Program
from provision.ops.printed import Printed
from provision.ops.side_by_side import Job, SideBySide
from provision.resources.programs import program
from provision.shell import lines
from provision.transport.protocol import Connection, Login


@dataclass(frozen=True)
class Deployed:
    """One deployment on a host's record."""

    number: int
    """Counted by each host for itself."""
    state: str
    """``serving``; ``down``, it should serve and does not run; ``kept``; ``failed``, it never served; ``rolled-back``,
    an operator went back from it, and `up` does not deploy it again by itself."""
    when: str
    """When it was made, by the host's clock: RFC 3339, UTC."""
    digest: str
    release: str
    """The digest of its source."""
    workers: int
    memory_mb: int | None
    """What a worker took when it was deployed (PSS); None where that is not on record."""
    slot: str
    previous: int | None
    """The deployment that served before it."""
    finished: bool = True
    """Its run came to its end; one that serves and has not was cut after its switch."""

    @property
    def current(self) -> bool:
        """Is it the one that should serve?"""
        return self.state in {"serving", "down"}


Records = Mapping[str, Sequence[Deployed]]
"""By host; the oldest deployment first."""


def on_record(app: str) -> Program:
    """What prints the deployments of ``app``."""
    own = Path(__file__).with_name("releases.sh").read_text(encoding="utf-8")
    return Program(lines("set -eu", program("state.sh", NAME=app), own))


def parse(text: str) -> list[Deployed]:
    """What ``on_record`` printed, the oldest first. Raises HostError."""
    rows = [dict(word.split("=", 1) for word in row.split(" ") if "=" in word) for row in text.splitlines()]
    return sorted(map(_deployed, rows), key=lambda deployed: deployed.number)


def _deployed(values: Mapping[str, str]) -> Deployed:
    memory, previous = values.get("memory", ""), values.get("previous", "")
    try:
        return Deployed(
            int(values["number"]),
            values["state"],
            values["when"],
            values["digest"],
            values["release"],
            int(values["workers"]),
            int(memory) if memory.isdecimal() else None,
            values["slot"],
            int(previous) if previous.isdecimal() else None,
            values.get("finished") == "yes",
        )
    except (KeyError, ValueError) as error:
        raise HostError(f"the host's record of a deployment cannot be used: {error}") from error


class Collector(Printed):
    """Gathers the deployments of hosts."""

    WHAT = "deployments"

    def records(self) -> Records:
        """The deployments of the hosts that answered."""
        return {host: parse(text) for host, text in self.texts().items()}


def reading(
    apps: Sequence[tuple[Login, str]], collector: Collector, connect: Callable[[Login], Connection], forks: int = 32
) -> SideBySide:
    """What asks hosts for the deployments of their apps."""
    return SideBySide([Job(login, on_record(app)) for login, app in apps], collector, connect, forks=forks)


def rollback_targets(records: Records, to: int | None = None) -> dict[str, Deployed | None]:
    """The deployment each host is to go back to; None where it serves already. Raises Refused.

    Without ``to``, the one before the newest that serves anywhere; a host that a stopped roll left with that one stays
    with it. So a rollback after a half-done roll makes the hosts alike instead of taking all one step back. A rollback
    that was cut after its switch is finished, with ``to`` or without, instead of going back one more.
    """
    serving = {host: next((found for found in deployed if found.current), None) for host, deployed in records.items()}
    known = {host: current for host, current in serving.items() if current is not None}
    if missing := [host for host in records if host not in known]:
        raise Refused(f"nothing is deployed on {', '.join(missing)}", hint="choose other hosts with --limit")
    if to is not None:
        return {host: _numbered(host, records[host], current, to) for host, current in known.items()}
    newest = max(known, key=lambda host: known[host].when)
    goal = _before(newest, records[newest], known[newest])
    stays = {host for host, current in known.items() if current.digest == goal.digest and len(known) > 1}
    return {
        host: None if host in stays and not _was_cut(records[host], current) else _before(host, records[host], current)
        for host, current in known.items()
    }


def _numbered(host: str, deployed: Sequence[Deployed], current: Deployed, number: int) -> Deployed | None:
    found = next((found for found in deployed if found.number == number), None)
    if found is None:
        have = ", ".join(str(found.number) for found in deployed)
        raise Refused(
            f"deployment {number} is not on the record of {host}", hint=f"it has {have}; see `provision releases`"
        )
    if found.state == "failed":
        raise Refused(f"deployment {number} of {host} has never served", hint="see `provision releases`")
    if found.digest != current.digest:
        return found
    return None if current.finished else current


def _was_cut(deployed: Sequence[Deployed], current: Deployed) -> bool:
    """Was a rollback to what serves cut after its switch?"""
    earlier = [found for found in deployed if found.number < current.number and found.state != "failed"]
    return not current.finished and bool(earlier) and earlier[-1].state == "rolled-back"


def _before(host: str, deployed: Sequence[Deployed], current: Deployed) -> Deployed:
    if _was_cut(deployed, current):
        return current
    found = next((found for found in deployed if found.number == current.previous), None)
    if found is None:
        raise Refused(
            f"{host} has no deployment before {current.number} on record",
            hint="deploy the commit before with `provision up`",
        )
    return found
