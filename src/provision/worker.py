"""One host of a run: its connection, its session, and how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Protocol

from provision.audit import audit, holder
from provision.batches import Batches
from provision.converge import Host, Play, Tally, describe
from provision.errors import Interrupted, Locked, NotConverged, ProvisionError, StepFailed, Unreachable
from provision.events import Emit, HostFinished, HostNotReached, Notice, Phase
from provision.new_login import NewLogin
from provision.options import Options
from provision.plan import Item, Plan, Selection
from provision.resources.base import Shared
from provision.resources.task import Task
from provision.transport.protocol import Connection, Login
from provision.transport.session import SILENCE, Session


class Rolling(Play, Protocol):
    """A play some of whose roles come to the hosts in turn."""

    @property
    def rolling(self) -> frozenset[str]:
        """The names of these roles."""
        ...

    @property
    def batches(self) -> Batches:
        """To how many hosts at a time."""
        ...


class Course(Protocol):
    """What a worker needs of its run."""

    options: Options
    emit: Emit

    def connect(self, login: Login) -> Connection:
        """A connection, unless the run is stopping."""
        ...

    def ensure_going(self) -> None:
        """Raise Interrupted once the user has asked to stop."""
        ...

    def performer(self, shared: Shared, host: str) -> str:
        """The name of the host that does the work which ``host`` shares with others."""
        ...


class Worker:
    """Takes one host through the stages of a run. Its methods are called from one thread at a time."""

    def __init__(self, play: Rolling, login: Login, course: Course) -> None:
        self.name = login.name
        self.play = play
        self.result: HostFinished | None = None
        self.pending = False
        self.waiting = False
        self.over = threading.Event()
        self._login, self._course = login, course
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._host: Host | None = None
        self._given_up: Interrupted | None = None
        self._performing = False
        self._began = 0.0

    @property
    def rolls(self) -> bool:
        """Does a role of this host come in turn?"""
        return bool(self.play.rolling)

    @property
    def failed(self) -> bool:
        """Did this host end with an error of its own?"""
        return self.result is not None and not isinstance(self.result.error, Interrupted | None)

    @property
    def out_of_reach(self) -> bool:
        """Could nothing be done on it? Such a host holds nobody up."""
        return self.result is not None and isinstance(self.result.error, Unreachable | Locked)

    def first(self, *, in_turn: bool) -> None:
        """Connect, survey, plan, and apply all that need not wait for its turn."""
        self._guarded(lambda: self._first(in_turn=in_turn))

    def second(self, noted: Iterable[tuple[Task, Shared]] = ()) -> None:
        """The rolling roles, then the proof. ``noted`` is what another host has done for this one."""
        self._guarded(lambda: self._second(noted))

    def perform(self, keys: Collection[str]) -> None:
        """Do the work that others share under ``keys``, with what it needs, and leave the rest of the host alone."""
        self._guarded(lambda: self._perform(keys))

    def leave(self, reason: str) -> None:
        """End without the rolling roles."""
        self._course.emit(HostNotReached(self.name, reason))
        self.close()

    def unshared(self) -> list[tuple[Task, Shared]]:
        """The work on things shared with other hosts that this host's changes need, and has not on record."""
        assert self._host is not None
        changing = [verdict.task for verdict in self._host.plan().verdicts if verdict.word in {"change", "unknown"}]
        return [
            (task, shared)
            for task, shared in self._host.sharing()
            if shared.key and not shared.done and task in changing
        ]

    def has_done(self, key: str) -> bool:
        """Was the work of ``key`` on this host's record when it was last read?"""
        return self._host is not None and any(shared.done for _, shared in self._host.sharing() if shared.key == key)

    def _open(self) -> Host:
        options = self._course.options
        self._began = time.monotonic()
        self._course.emit(Phase(self.name, "connect"))
        self._connection = self._course.connect(self._login)
        self._course.ensure_going()
        self._session = Session(
            self._connection,
            holder="" if options.check else holder(options.command),
            lock_timeout=options.lock_timeout,
            silence=options.silence or SILENCE,
            waiting=self._wait,
        )
        selection = Selection(frozenset(options.tags), frozenset(options.skip_tags), frozenset(options.roles))
        self._host = Host(
            self.name,
            self.play,
            self._session,
            self._course.emit,
            selected=selection.__contains__,
            diff=options.diff,
            audit=audit(options.command),
            silence=options.silence,
            new_login=NewLogin(lambda: self._course.connect(self._login), self._session),
        )
        self._host.survey()
        return self._host

    def _wait(self, holder: str) -> None:
        self._course.ensure_going()
        self._course.emit(Notice(self.name, f"waiting for another run that holds this host: {holder}"))

    def _first(self, *, in_turn: bool) -> None:
        host = self._open()
        whole = host.plan()
        host.announce(whole)
        self.pending = bool(whole.items)
        others = self._performers()
        if self._course.options.check:
            host.tally.changed = len(whole.items)
            for name in sorted(others):
                self._course.emit(Notice(self.name, f"{name} migrates first, for all hosts that share the database"))
            self._finish(None)
        elif not whole.items:
            self._finish(None)
        elif in_turn or others:
            self._apply(host, host.plan(lambda task: not self._in_second_stage(task)))
            self.waiting = bool(host.plan(self._in_second_stage).items)
            if self.waiting:
                self._course.emit(Phase(self.name, "wait"))
            else:
                self._prove(host)
        else:
            self._apply(host, whole)
            self._prove(host)

    def _performers(self) -> set[str]:
        """The other hosts that must do something first."""
        return {self._course.performer(shared, self.name) for _, shared in self.unshared()} - {self.name}

    def _second(self, noted: Iterable[tuple[Task, Shared]]) -> None:
        assert self._host is not None
        planned = self._host.plan(self._in_second_stage)
        for task, shared in noted:
            planned.items = [
                replace(item, steps=(shared.note, *item.steps)) if item.of(task) else item for item in planned.items
            ]
        self._apply(self._host, planned)
        self._prove(self._host)

    def _perform(self, keys: Collection[str]) -> None:
        self._performing = True
        host = self._open()
        for task, shared in host.sharing():
            if shared.key in keys and not shared.done:
                self._perform_one(host, task, shared)
        self._finish(None)

    def _perform_one(self, host: Host, task: Task, shared: Shared) -> None:
        def stage(other: Task) -> bool:
            return other.role == task.role and other.kind in shared.needs

        planned = host.plan(stage)
        host.announce(planned)
        planned.items.append(Item(task.role, shared.work.title.capitalize(), (shared.work,)))
        try:
            self._apply(host, planned)
        except StepFailed as error:
            error.hint = error.hint or (
                "here only what the migration needs is done: if this host was never set up, run `provision up` on it; "
                "or let another host migrate, with app_migrate_host"
            )
            raise
        self._course.ensure_going()
        host.prove(stage)
        if not self.has_done(shared.key):
            raise NotConverged(f"{shared.work.title} has left no record of itself", hint="run again")

    def _in_second_stage(self, task: Task) -> bool:
        return task.role in self.play.rolling

    def _apply(self, host: Host, planned: Plan) -> None:
        if planned.items:
            self._course.ensure_going()
            host.apply(planned)

    def _prove(self, host: Host) -> None:
        self._course.ensure_going()
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
                self._course.emit(Notice(self.name, text))
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
            urls=tuple(host.urls()) if host and error is None and not self._performing else (),
        )
        self._course.emit(self.result)
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
