"""What a host says of itself: the program that asks it, and its answer in parts."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from pathlib import Path

from provision.answers import disk_of
from provision.errors import HostError
from provision.ops.commands import Program
from provision.ops.doctor.wanted import Wanted
from provision.resources import listeners
from provision.resources.base import Reading
from provision.resources.certificates import REFUSALS
from provision.resources.listeners import Listener
from provision.resources.programs import program
from provision.shell import Sh, lines, sh
from provision.vitals import Vitals


def looking(wanted: Wanted, mark: str) -> Program:
    """What prints it; ``mark`` is in the query of a request whose line in the app's log is wanted."""
    own = Path(__file__).with_name("look.sh").read_text(encoding="utf-8")
    values = {
        "PORTS": " ".join(map(str, wanted.ports)),
        "NAMES": "\n".join(wanted.names if wanted.certified else ()),
        "DIRECTORY": wanted.directory,
        "INDEX": wanted.index,
        "OWN_ROOT": "yes" if wanted.own_root else "no",
        "APP": wanted.app,
        "MARK": mark,
    }
    given = [sh("{}={}", Sh(name), value) for name, value in values.items()]
    state = program("state.sh", NAME=wanted.app) if wanted.app else ""
    return Program(lines(*given, program("listeners.sh"), REFUSALS, state, own))


class Told:
    """One host's answer."""

    def __init__(self, text: str) -> None:
        self._values: defaultdict[str, list[str]] = defaultdict(list)
        for row in text.split("\n"):
            key, equals, value = row.partition("=")
            if equals:
                self._values[key].append(value)

    def all(self, key: str) -> list[str]:
        """All that was said of ``key``."""
        return self._values.get(key, [])

    def one(self, key: str) -> str:
        """The first that was said of ``key``; empty where there is nothing."""
        return next(iter(self.all(key)), "")

    def number(self, key: str) -> int | None:
        """A whole number, where there is one."""
        text = self.one(key)
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None

    @property
    def reading(self) -> Reading:
        """The first that was said of each key."""
        return {key: values[0] for key, values in self._values.items()}

    @property
    def listeners(self) -> list[Listener]:
        """Who listens on the ports of the web."""
        return [found for row in self.all("listener") if (found := listeners.parse(row))]

    @property
    def vitals(self) -> Vitals:
        """The same that every survey learns. Raises HostError."""
        available, total = self.number("MemAvailable"), self.number("MemTotal")
        return Vitals(
            time=_float(self.one("clock")),
            precision=0.0,
            memory_available_mb=None if available is None else available // 1024,
            memory_total_mb=None if total is None else total // 1024,
            disks=tuple(disk_of(words) for row in self.all("disk") if len(words := row.split(" ", 6)) == 7),
        )

    @property
    def addresses(self) -> list[str]:
        """Those of the host's own interfaces, and the one that the login went to."""
        reached = self.one("connection").split()[2:3]
        return [address for address in dict.fromkeys([*reached, *self.one("own").split()]) if _is_address(address)]

    @property
    def origin(self) -> str:
        """The address of whoever logged in, as the host sees it."""
        return next(iter(self.one("connection").split()), "")

    def check_whole(self) -> None:
        """Raise HostError where the answer has no end."""
        if not self.one("over"):
            raise HostError("the host's answer ends in the middle", hint="try again")


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
