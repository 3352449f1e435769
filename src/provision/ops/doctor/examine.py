"""Hosts looked at from here and asked, side by side, and what comes of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from provision.checks import Check
from provision.errors import HostError, ProvisionError
from provision.ops.doctor import app, https, machine, web
from provision.ops.doctor.outside import DEADLINE, Outside, look
from provision.ops.doctor.probes import at_once
from provision.ops.doctor.told import Told, looking
from provision.ops.doctor.wanted import Wanted
from provision.ops.events import CommandEvent, CommandOutput
from provision.ops.printed import Printed
from provision.ops.side_by_side import Job, SideBySide
from provision.transport.protocol import Connection, Login


@dataclass(frozen=True)
class Patient:
    """A host, and what it is to be."""

    login: Login
    wanted: Wanted


@dataclass(frozen=True)
class Findings:
    """What came of it, by host."""

    checks: Mapping[str, Sequence[Check]]
    errors: Mapping[str, ProvisionError]

    @property
    def exit_code(self) -> int:
        """1 where a check or a host failed, before 3 where a host could not be reached; 0 for warnings."""
        failed = any(check.status == "fail" for checks in self.checks.values() for check in checks)
        codes = {error.exit_code for error in self.errors.values()} | {1 if failed else 0}
        return next((code for code in (130, 2, 1, 3, 4) if code in codes), 0)


class Doctor(Printed):
    """Looks at hosts from here, then asks them, and judges. ``outside()`` and ``inside()`` come in this order."""

    WHAT = "state"

    def __init__(self, patients: Sequence[Patient], forks: int) -> None:
        super().__init__([patient.login.name for patient in patients])
        self._patients, self._forks = patients, forks
        self._outside: dict[str, Outside] = {}
        self._marks = {patient.login.name: secrets.token_hex(6) for patient in patients}
        self._asked: dict[str, float] = {}
        self._heard: dict[str, float] = {}

    def outside(self) -> None:
        """Look at all hosts."""
        for start in range(0, len(self._patients), self._forks):
            some = self._patients[start : start + self._forks]
            # What a look takes at most: names, ports, handshakes and answers, one after the other.
            self._outside |= at_once({each.login.name: partial(self._look, each) for each in some}, 5 * DEADLINE)

    def _look(self, patient: Patient) -> Outside:
        try:
            return look(patient.login, patient.wanted, self._marks[patient.login.name])
        except ProvisionError:
            # Of the login, whose connection will fail of it and say so.
            return Outside()

    def inside(self, connect: Callable[[Login], Connection]) -> SideBySide:
        """What asks all hosts, in one trip each."""

        def timed(login: Login) -> Connection:
            connection = connect(login)
            self._asked[login.name] = time.time()
            return connection

        jobs = [Job(patient.login, looking(patient.wanted, self._mark(patient))) for patient in self._patients]
        return SideBySide(jobs, self, timed, forks=self._forks)

    def _mark(self, patient: Patient) -> str:
        return self._outside.get(patient.login.name, Outside()).mark

    def __call__(self, event: CommandEvent) -> None:
        """Take one event; the first that a host prints is its time."""
        if isinstance(event, CommandOutput):
            self._heard.setdefault(event.host, time.time())
        super().__call__(event)

    def findings(self, now: datetime | None = None) -> Findings:
        """What was found out of each host, or why nothing was, in the order of the hosts."""
        now, texts, errors = now or datetime.now(UTC), self.texts(), dict(self.errors)
        checks: dict[str, list[Check]] = {}
        for patient in self._patients:
            name = patient.login.name
            if name not in texts or name in errors:
                continue
            times = self._asked[name], self._heard.get(name, time.time())
            try:
                told = Told(texts[name])
                told.check_whole()
                checks[name] = list(judge(told, patient.wanted, self._outside.get(name, Outside()), times, now))
            except HostError as error:
                errors[name] = error
        return Findings(checks, errors)


def judge(told: Told, wanted: Wanted, outside: Outside, times: tuple[float, float], now: datetime) -> Iterator[Check]:
    """All checks of one host; ``times`` are those between which it said its own. Pure."""
    yield machine.system(told, now.date())
    yield machine.units(told)
    yield from machine.clock(told, *times)
    yield from machine.memory(told)
    yield from machine.disks(told)
    yield from machine.outgoing(told, wanted)
    if wanted.app:
        yield from app.running(told, wanted)
    if wanted.caddy:
        yield from web.servers(told, wanted)
        yield from web.names(told, wanted, outside)
        yield from web.ports(told, wanted, outside)
        yield from https.site(told, wanted, outside, now)
    if wanted.caddy and wanted.app:
        yield from app.clients(told, wanted, outside)
