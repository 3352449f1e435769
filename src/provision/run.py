"""Hosts x stages: all hosts side by side, rolling roles in turn behind a canary. Yields events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from provision.application import stopped
from provision.environment import is_telling
from provision.events import Confidential, Emit, HostFinished, Notice
from provision.fleet import Fleet
from provision.inventory import Inventory
from provision.options import Options
from provision.performers import Performers, Plays, likely_shared
from provision.playbook import HostPlay
from provision.resources.base import Shared
from provision.roll import Roll
from provision.transport.protocol import Connection, Login
from provision.worker import Rolling, Worker
from provision.yamlfile import Node

ABORT_GRACE = 10.0
"""Seconds for steps that a second Ctrl-C ends to tidy up after themselves, before nobody listens to them any more."""


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
    """Plays on their hosts. Nothing is sent before ``execute``."""

    def __init__(
        self,
        plays: Sequence[tuple[Rolling, Login]],
        options: Options,
        emit: Emit,
        connect: Callable[[Login], Connection],
    ) -> None:
        self.options, self.emit, self._connect = options, emit, connect
        self._stopping = threading.Event()
        self._plays = {login.name: (play, login) for play, login in plays}
        self._workers = [Worker(play, login, self) for play, login in plays]

    def connect(self, login: Login) -> Connection:
        """A connection, unless the run is stopping."""
        self.ensure_going()
        return self._connect(login)

    def ensure_going(self) -> None:
        """Raise Interrupted once the user has asked to stop."""
        if self._stopping.is_set():
            raise stopped()

    def performer(self, shared: Shared, host: str) -> str:
        """The host that does the work which ``host`` shares with others; here each does its own."""
        return host

    def perform(self, name: str, key: str) -> Worker:
        """Let a host do the work that others share under ``key``, and nothing else."""
        worker = self._again(name)
        worker.perform({key})
        return worker

    def _again(self, name: str) -> Worker:
        """A further worker for a host."""
        worker = Worker(*self._play(name), self)
        self._workers.append(worker)
        return worker

    def _play(self, name: str) -> tuple[Rolling, Login]:
        return self._plays[name]

    def stop(self) -> None:
        """Let running steps complete and start no further one. Safe to call from another thread."""
        self._stopping.set()
        for worker in list(self._workers):
            worker.stop()

    def abort(self) -> None:
        """End the running steps that say how, and wait for no other. Safe to call from another thread."""
        self._stopping.set()
        workers = list(self._workers)
        ending = [worker for worker in workers if worker.end_step()]
        for worker in workers:
            if worker not in ending:
                worker.give_up()
        deadline = time.monotonic() + ABORT_GRACE
        for worker in ending:
            worker.over.wait(max(0.0, deadline - time.monotonic()))
            worker.give_up()

    def execute(self) -> Outcome:
        """Run on all hosts and wait for them."""
        return self._outcome(self._converge)

    def _converge(self) -> None:
        rolling = [worker for worker in self._workers if worker.rolls]
        # A single app host waits, too: the database may be on one of the others.
        in_turn = bool(rolling) and len(self._workers) > 1 and not self.options.check
        self._each(self._workers, lambda worker: worker.first(in_turn=in_turn))
        if any(worker.waiting for worker in rolling):
            Roll(self._workers, self.performer, self.perform, self._each).go()

    def _outcome(self, work: Callable[[], None]) -> Outcome:
        try:
            work()
        finally:
            for worker in self._workers:
                worker.close()
        results = {worker.name: worker.result for worker in self._workers if worker.result is not None}
        return Outcome(results, any(worker.pending for worker in self._workers))

    def _each(self, workers: Sequence[Worker], work: Callable[[Worker], None]) -> None:
        if not workers:
            return
        with ThreadPoolExecutor(min(len(workers), self.options.forks), thread_name_prefix="host") as pool:
            list(pool.map(work, workers))


class InventoryRun(Run):
    """One `up`, `plan` or `migrate`. Making it validates everything a user wrote."""

    def __init__(
        self, inventory: Inventory, options: Options, emit: Emit, connect: Callable[[Login], Connection]
    ) -> None:
        self._inventory = inventory
        for note in self._inventory.notes:
            emit(Notice("", note))
        hosts, vault = self._inventory.select(*(options.limit or ("all",))), self._inventory.vault
        emit(Confidential("", (*given_secrets([*(host.variables for host in hosts), options.extra]), *vault.revealed)))
        self._fleet = Fleet(self._inventory.base, options.extra, vault, read_secrets=True)
        plays = self._fleet.plays(hosts)
        for note in self._fleet.selection_notes(options.roles, (*options.tags, *options.skip_tags), plays):
            emit(Notice("", note))
        # Files of roles may have been encrypted, and passwords of logins are templates.
        passwords = [text for _, login in plays for text in (login.password, login.become_password) if text]
        emit(Confidential("", tuple(passwords), certain=True))
        emit(Confidential("", tuple(vault.revealed)))
        self._known = {login.name: (play, login) for play, login in plays}
        self._selected = tuple(self._known)
        self._performers = Performers(self._all_plays)
        super().__init__(plays, options, emit, connect)

    def performer(self, shared: Shared, host: str) -> str:
        """The host of the whole inventory that does the work which ``host`` shares with others."""
        return self._performers.performer(shared, host)

    def migrate(self) -> Outcome:
        """Do the work that hosts have in common, and that alone; a host that shares nothing does its own."""
        return self._outcome(self._migrate)

    def _migrate(self) -> None:
        keys: dict[str, set[str]] = {}
        for name in self._selected:
            for shared in likely_shared(self._play(name)[0]):
                keys.setdefault(self.performer(shared, name) if shared.key else name, set()).add(shared.key)
        work = {self._again(name): found for name, found in keys.items()}
        self._each(list(work), lambda worker: worker.perform(work[worker]))

    def _again(self, name: str) -> Worker:
        if name not in self._selected:
            self.emit(Notice(name, "is not among the selected hosts, and migrates for them; see app_migrate_host"))
        return super()._again(name)

    def _play(self, name: str) -> tuple[HostPlay, Login]:
        """Of any host of the inventory."""
        if name not in self._known:
            (self._known[name],) = self._fleet.plays([self._inventory.hosts[name]])
        return self._known[name]

    def _all_plays(self) -> Plays:
        return [(host.name, self._play(host.name)[0]) for host in self._inventory.select("all")]


def given_secrets(variables: Iterable[Mapping[str, Node]]) -> set[str]:
    """All that stands in a variable which is called a password, a token or the like, but for templates.

    app_secrets says where secrets are, which an error has to name; the deployment tells their values.
    """
    telling = {
        id(node): node
        for given in variables
        for name, node in given.items()
        if is_telling(name) and name != "app_secrets"
    }
    return {text for node in telling.values() for text in node.texts() if "{{" not in text}
