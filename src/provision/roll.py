"""Rolling roles come to their hosts in turn: a canary, then batches, and a stop at a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provision.resources.base import Shared
from provision.resources.task import Task
from provision.worker import Worker

Side = Callable[[Sequence[Worker], Callable[[Worker], None]], None]
"""Does something with several workers side by side."""


class Roll:
    """The second stage of the hosts that wait for it.

    Work that hosts share is done before any of them needs it: by the host's own second stage where it has one, which
    is then ahead of the others', else by ``perform``.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        performer: Callable[[Shared, str], str],
        perform: Callable[[str, str], Worker],
        each: Side,
    ) -> None:
        """``workers`` are all of the run; ``perform(host, key)`` lets a host do shared work and nothing else."""
        self._workers = {worker.name: worker for worker in workers}
        self._performer, self._perform, self._each = performer, perform, each
        self._waiting = {worker.name: worker for worker in workers if worker.waiting}
        self._lacking = {name: worker.unshared() for name, worker in self._waiting.items()}
        self._performed: dict[str, Worker] = {}
        self._told: dict[Worker, list[tuple[Task, Shared]]] = {}

    def go(self) -> None:
        """Go through all waiting hosts."""
        order = self._ordered()
        batches = order[0].play.batches
        for batch in batches.of(order):
            failed = [worker.name for worker in self._workers.values() if self._counts(worker, order)]
            if order[0].failed or len(failed) > batches.max_fail:
                for worker in batch:
                    worker.leave(f"{failed[0]} failed; this host keeps what it serves")
                continue
            # Whoever does something for others goes ahead of them.
            performing = [worker for worker in batch if not self._others(worker)]
            self._each(performing, lambda worker: worker.second())
            for worker in batch:
                if worker not in performing:
                    self._told[worker] = self._noted(worker)
            self._each([worker for worker in batch if self._told.get(worker)], self._second)

    def _counts(self, worker: Worker, order: Sequence[Worker]) -> bool:
        """Has it failed? Also before its turn, or without one; but who could not be reached by then holds nobody up."""
        return worker.failed and (worker in order or not worker.out_of_reach)

    def _ordered(self) -> list[Worker]:
        """The waiting hosts in the inventory's order, each behind the host it depends on."""
        found: dict[str, Worker] = {}
        for name, worker in self._waiting.items():
            for other in (*self._others(worker), name):
                if other in self._waiting:
                    found.setdefault(other, self._waiting[other])
        return list(found.values())

    def _others(self, worker: Worker) -> list[str]:
        """The other hosts whose work this one depends on."""
        names = [self._performer(shared, worker.name) for _, shared in self._lacking[worker.name]]
        return [name for name in names if name != worker.name]

    def _second(self, worker: Worker) -> None:
        worker.second(self._told[worker])

    def _noted(self, worker: Worker) -> list[tuple[Task, Shared]]:
        """What other hosts have done for this one; nothing where one of them could not, and it is left as it is."""
        noted: list[tuple[Task, Shared]] = []
        for task, shared in self._lacking[worker.name]:
            name = self._performer(shared, worker.name)
            if name == worker.name:
                continue
            performing = self._performing(name, shared.key)
            if performing.result is None or performing.result.error is not None:
                worker.leave(f"{name}, which migrates for this host, did not succeed; it keeps what it serves")
                return []
            noted.append((task, shared))
        return noted

    def _performing(self, name: str, key: str) -> Worker:
        """The worker whose success means that the work is done."""
        if key in self._performed:
            return self._performed[key]
        worker = self._workers.get(name)
        settled = worker is not None and (name in self._waiting or worker.failed or worker.has_done(key))
        self._performed[key] = worker if worker is not None and settled else self._perform(name, key)
        return self._performed[key]
