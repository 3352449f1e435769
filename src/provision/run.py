"""Hosts x stages: all hosts side by side, rolling roles in turn behind a canary. Yields events."""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from provision import __version__
from provision.converge import Host, Tally, describe, stopped
from provision.errors import Interrupted, Locked, ProvisionError, Unreachable
from provision.events import Emit, HostFinished, HostNotReached, Notice, Phase
from provision.fleet import Fleet
from provision.inventory import Inventory
from provision.plan import Plan, Selection
from provision.playbook import HostPlay
from provision.resources.task import Task
from provision.transport.protocol import Connection, Login
from provision.transport.session import Session
from provision.yamlfile import Node

ABORT_GRACE = 10.0
"""Seconds for steps that a second Ctrl-C ends to tidy up after themselves, before nobody listens to them any more."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    check: bool = False
    diff: bool = False
    limit: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    extra: Mapping[str, Node] = field(default_factory=dict)
    forks: int = 32
    command: str = ""
    """The command line without secrets, for the lock and the audit."""


@dataclass(frozen=True)
class Outcome:
    """How the run ended on each host it tried."""

    results: Mapping[str, HostFinished]
    pending: bool = False
    """A check found changes."""

    @property
    def exit_code(self) -> int:
        """1 before 3 before 4; 130 when the user stopped it."""
        codes = {result.error.exit_code for result in self.results.values() if result.error is not None}
        return next((code for code in (130, 2, 1, 3, 4) if code in codes), 0)


class Run:
    """One `up` or `plan`. Making it validates everything a user wrote; nothing is sent before ``execute``."""

    def __init__(self, inventory: Path, options: Options, emit: Emit, connect: Callable[[Login], Connection]) -> None:
        self.options, self.emit, self._connect = options, emit, connect
        self._stopping = threading.Event()
        loaded = Inventory.load(inventory)
        for note in loaded.notes:
            emit(Notice("", note))
        fleet = Fleet(loaded.base, options.extra)
        plays = fleet.plays(loaded.select(*(options.limit or ("all",))))
        for note in fleet.selection_notes(options.roles, (*options.tags, *options.skip_tags), plays):
            emit(Notice("", note))
        self._workers = [_Worker(play, login, self) for play, login in plays]

    def connect(self, login: Login) -> Connection:
        """A connection, unless the run is stopping."""
        self.ensure_going()
        return self._connect(login)

    def ensure_going(self) -> None:
        """Raise Interrupted once the user has asked to stop."""
        if self._stopping.is_set():
            raise stopped()

    def stop(self) -> None:
        """Let running steps complete and start no further one. Safe to call from another thread."""
        self._stopping.set()
        for worker in self._workers:
            worker.stop()

    def abort(self) -> None:
        """End the running steps that say how, and wait for no other. Safe to call from another thread."""
        self._stopping.set()
        ending = [worker for worker in self._workers if worker.end_step()]
        for worker in self._workers:
            if worker not in ending:
                worker.give_up()
        deadline = time.monotonic() + ABORT_GRACE
        for worker in ending:
            worker.over.wait(max(0.0, deadline - time.monotonic()))
            worker.give_up()

    def execute(self) -> Outcome:
        """Run on all hosts and wait for them."""
        rolling = [worker for worker in self._workers if worker.rolls]
        in_turn = len(rolling) > 1 and not self.options.check
        try:
            self._each(self._workers, lambda worker: worker.first(in_turn=in_turn))
            if in_turn:
                self._roll([worker for worker in rolling if worker.waiting])
        finally:
            for worker in self._workers:
                worker.close()
        results = {worker.name: worker.result for worker in self._workers if worker.result is not None}
        return Outcome(results, any(worker.pending for worker in self._workers))

    def _each(self, workers: Sequence[_Worker], work: Callable[[_Worker], None]) -> None:
        if not workers:
            return
        with ThreadPoolExecutor(min(len(workers), self.options.forks), thread_name_prefix="host") as pool:
            list(pool.map(work, workers))

    def _roll(self, waiting: Sequence[_Worker]) -> None:
        """First one host, the canary, then the others; a failure leaves the rest as they are."""
        for batch in (waiting[:1], waiting[1:]):
            # What failed before the roll says nothing of the release.
            failed = [worker.name for worker in waiting if worker.failed]
            if failed:
                for worker in batch:
                    worker.leave(f"{failed[0]} failed; this host keeps what it serves")
            else:
                self._each(batch, lambda worker: worker.second())


class _Worker:
    """One host of a run: its connection, its session, and how it ended."""

    def __init__(self, play: HostPlay, login: Login, run: Run) -> None:
        self.name = login.name
        self.result: HostFinished | None = None
        self.pending = False
        self.waiting = False
        self.rolls = bool(play.rolling)
        self.over = threading.Event()
        self._play, self._login, self._run = play, login, run
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._host: Host | None = None
        self._given_up: Interrupted | None = None
        self._began = 0.0

    @property
    def failed(self) -> bool:
        """Did this host end with an error of its own?"""
        return self.result is not None and not isinstance(self.result.error, Interrupted | None)

    def first(self, *, in_turn: bool) -> None:
        """Connect, survey, plan, and apply all that need not wait for its turn."""
        self._began = time.monotonic()
        self._guarded(lambda: self._first(in_turn=in_turn))

    def second(self) -> None:
        """The rolling roles, then the proof."""
        self._guarded(self._second)

    def leave(self, reason: str) -> None:
        """End without the rolling roles."""
        self._run.emit(HostNotReached(self.name, reason))
        self.close()

    def _first(self, *, in_turn: bool) -> None:
        options = self._run.options
        self._run.emit(Phase(self.name, "connect"))
        self._connection = self._run.connect(self._login)
        self._run.ensure_going()
        self._session = Session(self._connection, holder="" if options.check else _holder(options.command))
        selection = Selection(frozenset(options.tags), frozenset(options.skip_tags), frozenset(options.roles))
        self._host = host = Host(
            self.name,
            self._play,
            self._session,
            self._run.emit,
            selected=selection.__contains__,
            diff=options.diff,
            audit=_audit(options.command),
        )
        host.survey()
        whole = host.plan()
        host.announce(whole)
        self.pending = bool(whole.items)
        if options.check or not whole.items:
            if options.check:
                host.tally.changed = len(whole.items)
            self._finish(None)
            return
        if in_turn:
            self._apply(host, host.plan(lambda task: not self._in_second_stage(task)))
            self.waiting = bool(host.plan(self._in_second_stage).items)
            if self.waiting:
                self._run.emit(Phase(self.name, "wait"))
                return
        else:
            self._apply(host, whole)
        self._prove(host)

    def _second(self) -> None:
        assert self._host is not None
        self._apply(self._host, self._host.plan(self._in_second_stage))
        self._prove(self._host)

    def _in_second_stage(self, task: Task) -> bool:
        return task.role in self._play.rolling

    def _apply(self, host: Host, planned: Plan) -> None:
        if planned.items:
            self._run.ensure_going()
            host.apply(planned)

    def _prove(self, host: Host) -> None:
        self._run.ensure_going()
        host.prove()
        self._finish(None)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._finish(self._given_up or describe(error))

    def _finish(self, error: ProvisionError | None) -> None:
        host = self._host
        tally = host.tally if host else Tally()
        if host is not None and error is None:
            for text in host.notices():
                self._run.emit(Notice(self.name, text))
        lost = isinstance(error, (Unreachable, Locked))
        self.result = HostFinished(
            self.name,
            ok=tally.ok,
            changed=tally.changed,
            failed=int(error is not None and not lost and not isinstance(error, Interrupted)),
            unreachable=int(lost),
            trips=self._session.trips if self._session else 0,
            seconds=time.monotonic() - self._began,
            skipped=tally.skipped,
            unknown=tally.unknown,
            error=error,
            urls=tuple(host.urls()) if host and error is None else (),
        )
        self._run.emit(self.result)
        self.close()

    def stop(self) -> None:
        """Ask the host to start no further step."""
        if self._session is not None and not self.over.is_set():
            self._session.stop()

    def end_step(self) -> bool:
        """End the running step, if it says how."""
        step = self._host.running if self._host else None
        if self._session is None or step is None or step.abort is None:
            return False
        self._given_up = Interrupted("the running step was ended, as asked", hint="run again: it goes on from there")
        self._session.abort(step.abort)
        return True

    def give_up(self) -> None:
        """Listen to the host no longer. A running step completes there by itself, and holds the lock until then."""
        if self._session is None or self.over.is_set():
            return
        busy = bool(self._host and self._host.running)
        self._given_up = Interrupted(
            "given up, as asked" + ("; the running step completes by itself, no further one is started" * busy),
            hint="run again: it goes on from there" + (", once that step has completed" * busy),
        )
        self._session.close()

    def close(self) -> None:
        """Close session and connection."""
        self.over.set()
        if self._session is not None:
            self._session.close()
        if self._connection is not None:
            self._connection.close()


def _holder(command: str) -> str:
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()}) since {_now()}: {command}"


def _audit(command: str) -> dict[str, object]:
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    return {"who": who, "when": _now(), "version": __version__, "command": command}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
