"""Looks at hosts, side by side: what runs on them, and whether they are as their inventory says. Changes nothing."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from provision.converge import Host, Play, describe
from provision.errors import (
    AuthenticationError,
    ConfigError,
    HostKeyError,
    Interrupted,
    ProvisionError,
    Refused,
    Unreachable,
)
from provision.events import Confidential, Event
from provision.masking import Mask
from provision.ops.status import Status
from provision.ops.status_answer import parse, read
from provision.ops.targets import Targets
from provision.plan import Selection
from provision.resources.base import Facts, Read
from provision.resources.task import Playbook
from provision.transport.protocol import Connection, Login
from provision.transport.session import Session

DRIFT_EVERY = 30.0
"""Seconds from one comparison with the inventory to the next: it costs a host more than a look does."""

RETRY = 15.0
"""Seconds before a host is tried again that could not be reached."""


@dataclass(frozen=True)
class Drift:
    """What `provision plan` would say of a host."""

    state: str
    """``in_sync``, ``pending`` or ``unknown``."""
    changes: tuple[str, ...] = ()
    """The tasks and handlers that are pending, as ``role : name``."""
    reason: str = ""
    """Why it is unknown."""


@dataclass(frozen=True)
class Seen:
    """One look at a host, or why there was none."""

    host: str
    status: Status | None = None
    drift: Drift | None = None
    """None where nobody asked."""
    error: ProvisionError | None = None


@dataclass(frozen=True)
class Target:
    """A host to look at, and what it is to be like."""

    login: Login
    play: Play | None = None
    """None where nothing is to be compared, or cannot be."""
    reason: str = ""
    """Why it cannot."""


class Look:
    """Looks at one host, over one connection that is kept. Its methods but ``close`` belong to one thread."""

    def __init__(self, target: Target, connect: Callable[[Login], Connection], mask: Mask) -> None:
        self.name = target.login.name
        self._target, self._connect, self._mask = target, connect, mask
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._drift: Drift | None = None
        self._compared = 0.0

    def __call__(self) -> Seen:
        """One trip; the comparison with the inventory travels in it, where it is due."""
        try:
            return self._seen(self._session or self._open())
        except Exception as error:
            self.close()
            self._session = None
            return Seen(self.name, error=describe(error))

    def close(self) -> None:
        """End the session. Safe to call from another thread; never raises."""
        session, connection = self._session, self._connection
        if session is not None:
            session.close()
        if connection is not None:
            connection.close()

    def _open(self) -> Session:
        self._connection = self._connect(self._target.login)
        self._session = Session(self._connection)
        return self._session

    def _seen(self, session: Session) -> Seen:
        due = self._drift is None or time.monotonic() - self._compared >= DRIFT_EVERY
        wanted = self._target.play if due else None
        play = _WithStatus(wanted)
        host = Host(self.name, play, session, self._hear, selected=Selection().__contains__)
        try:
            host.survey()
            drift = self._compared_with_plan(host) if wanted else None
        except (ConfigError, Refused) as error:
            # The host has answered: what is there can be shown, whatever it is to be.
            if wanted is None or play.status not in host.observed.readings:
                raise
            drift = self._unknown(_in_a_line(error))
        if drift is not None:
            self._drift, self._compared = drift, time.monotonic()
        elif self._target.reason:
            self._drift = self._unknown(self._target.reason)
        return Seen(self.name, parse(host.observed.readings[play.status], host.observed.facts), self._drift)

    def _compared_with_plan(self, host: Host) -> Drift:
        changes = tuple(self._mask(f"{item.role} : {item.name}") for item in host.plan().items)
        return Drift("pending" if changes else "in_sync", changes)

    def _unknown(self, reason: str) -> Drift:
        return Drift("unknown", reason=self._mask(reason))

    def _hear(self, event: Event) -> None:
        if isinstance(event, Confidential):
            self._mask.add(event.values, certain=event.certain)


class _WithStatus:
    """A play that reads the status too, so that one trip learns both; without a play the status alone."""

    def __init__(self, play: Play | None) -> None:
        self._play = play
        self.status = read()

    def reads(self) -> set[Read]:
        """Those of the play, and the status."""
        return {self.status, *(self._play.reads() if self._play else ())}

    def resolve(self, facts: Facts) -> Playbook:
        """The play's tasks."""
        return self._play.resolve(facts) if self._play else Playbook((), ())


class StatusRun:
    """Looks at hosts, once or again and again, each in a thread of its own."""

    def __init__(self, looks: Sequence[Look], *, interval: float | None = None, forks: int = 32) -> None:
        """``interval`` is in seconds, from the beginning of one look to that of the next; without it there is one.

        Whoever watches looks at all hosts at once; else at ``forks`` at a time.
        """
        self._looks, self._interval = looks, interval
        self._forks = len(looks) if interval else min(len(looks), forks)
        self._waiting: queue.SimpleQueue[Look] = queue.SimpleQueue()
        self._seen: queue.SimpleQueue[Seen | BaseException | None] = queue.SimpleQueue()
        self._stopping = threading.Event()

    def seen(self) -> Generator[Seen, None, None]:
        """What is seen, as it comes, until each host was looked at, or for ever. Ends after ``stop``."""
        for look in self._looks:
            self._waiting.put(look)
        # Daemons: nobody waits for a login to a host that does not answer.
        for number in range(self._forks):
            threading.Thread(target=self._work, name=f"look {number}", daemon=True).start()
        going = self._forks
        try:
            while going and not self._stopping.is_set():
                found = self._seen.get()
                if isinstance(found, Seen):
                    yield found
                elif found is None:
                    going -= 1
                else:
                    raise found
        finally:
            self.stop()

    def stop(self) -> None:
        """Look no more. Safe to call from another thread."""
        self._stopping.set()
        self._seen.put(None)
        for look in self._looks:
            look.close()

    abort = stop

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                self._attend(self._waiting.get_nowait())
        except queue.Empty:
            self._seen.put(None)
        except BaseException as error:
            # A bug, which the thread that shows things is told.
            self._seen.put(error)

    def _attend(self, look: Look) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            seen = look()
            if self._stopping.is_set():
                return
            self._seen.put(seen)
            if self._interval is None or isinstance(seen.error, HostKeyError | AuthenticationError | Interrupted):
                # To try such a login again and again locks it out.
                look.close()
                return
            pause = max(self._interval, RETRY) if isinstance(seen.error, Unreachable) else self._interval
            self._stopping.wait(max(0.0, begun + pause - time.monotonic()))


def targets_of(targets: Targets, mask: Mask, *, drift: bool) -> list[Target]:
    """The hosts that were selected, each with its play where ``drift`` is asked for. Raises ConfigError for a login."""
    logins = [targets.login(host) for host in targets.hosts]
    if not drift:
        return [Target(login) for login in logins]
    from provision.fleet import Fleet
    from provision.run import given_secrets

    vault = targets.inventory.vault
    fleet = Fleet(targets.inventory.base, {}, vault, read_secrets=True)
    mask.add(given_secrets(host.variables for host in targets.hosts))
    found = []
    for host, login in zip(targets.hosts, logins, strict=True):
        try:
            ((play, _),) = fleet.plays([host])
            found.append(Target(login, play))
        except ProvisionError as error:
            found.append(Target(login, reason=_in_a_line(error)))
    mask.add(vault.revealed)
    return found


def _in_a_line(error: ProvisionError) -> str:
    position = error.position if isinstance(error, ConfigError) else None
    text = f"{position}: {error.message}" if position else error.message
    return " ".join(text.split())


def exit_code(seen: Sequence[Seen]) -> int:
    """1 where a host failed, before 3 where one could not be reached; 0 where all were seen."""
    codes = {found.error.exit_code for found in seen if found.error is not None}
    return next((code for code in (2, 1, 3) if code in codes), 0)
