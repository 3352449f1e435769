"""How much memory a deployment takes, and what follows from it: workers, limits, and whether two copies fit at once.

All of it is decided when a deployment is made and stays as it is until the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from provision.resources.base import Facts, Reading

Strategy = Literal["switch", "restart"]

ASSUMED_WORKER_MB = 100
"""What a worker is taken to need before one was measured: 16 of 20 real apps need less."""

SYSTEM_MB = 250
"""For the system and Caddy."""

SUPERVISOR_MB = 60
"""uvicorn's parent process, which one worker does without."""

SWITCHING = 0.9
"""The share of the memory that all may take for the moments in which two copies run."""

_LIMIT = re.compile(r"[0-9]+(?:\.[0-9]+)?%|[0-9]+[KMGT]?|infinity")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What was decided, and ``summary``, the arithmetic in one line."""

    workers: int
    worker_mb: int
    strategy: Strategy
    memory_high: str
    memory_max: str
    summary: str

    def differ(self, found: Reading) -> bool:
        """Has the deployment that was ``found`` been made with others?"""
        return any(found.get(name) != str(getattr(self, name)) for name in ("workers", "memory_high", "memory_max"))


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What the inventory says of a deployment's size."""

    workers: str = "auto"
    """A number, or ``auto``."""
    processes: int = 0
    """Processes beside the workers; each is taken to need what a worker needs."""
    target: float = 0.7
    """The share of the memory that the app and the system may take together, two copies apart."""
    strategy: Literal["auto", "switch", "restart"] = "auto"
    memory_high: str = "infinity"
    memory_max: str = "auto"

    def check(self) -> None:
        """Raise ValueError for what cannot be meant; its first word is the field of a deployment."""
        if self.workers != "auto" and not (self.workers.isdecimal() and int(self.workers) > 0):
            raise ValueError(f"workers is auto or a number above 0, not {self.workers!r}")
        if not 0.5 <= self.target <= SWITCHING:
            raise ValueError(f"memory_target is a share from 0.5 to {SWITCHING}, not {self.target:g}")
        for name, limit in (("memory_high", self.memory_high), ("memory_max", self.memory_max)):
            if limit != "auto" and not _LIMIT.fullmatch(limit):
                raise ValueError(f"{name} is auto, a size such as 512M, a percentage or infinity, not {limit!r}")

    def sizes(self, facts: Facts, measured_mb: int) -> Sizes:
        """The sizes of a deployment made now; ``measured_mb`` is what a worker took so far, 0 = unknown.

        Without a number, one worker a core and at least two, so that one can die unnoticed; fewer where memory is
        short. Two copies at once are preferred to more workers; where not even one worker fits twice, the old release
        has to stop before the new one starts.
        """
        worker_mb = measured_mb or ASSUMED_WORKER_MB
        serving = facts.memtotal_mb * self.target - SYSTEM_MB
        switching = (facts.memtotal_mb * SWITCHING - SYSTEM_MB) / 2
        wanted = range(1, max(2, facts.processor_vcpus) + 1)
        alone = self._largest(wanted, worker_mb, serving)
        twice = self._largest(wanted, worker_mb, min(serving, switching))
        if self.workers != "auto":
            alone = int(self.workers)
            twice = alone if self._copy_mb(alone, worker_mb) <= switching else 0
        strategy: Strategy = "switch" if twice else "restart"
        if self.strategy != "auto":
            strategy = self.strategy
        workers = twice or max(1, alone) if strategy == "switch" else max(1, alone)
        return Sizes(
            workers=workers,
            worker_mb=worker_mb,
            strategy=strategy,
            memory_high=self._limit(self.memory_high, facts, workers, measured_mb, strategy, (70, 1.3, 0.9)),
            memory_max=self._limit(self.memory_max, facts, workers, measured_mb, strategy, (80, 1.5, 1.0)),
            summary=self._summary(facts.memtotal_mb, workers, worker_mb, strategy, known=measured_mb > 0),
        )

    def notices(self, app: str, found: Reading) -> list[str]:
        """That the deployment that was ``found`` would have another number of workers now, unless it was resized."""
        facts = Facts(memtotal_mb=number(found.get("memtotal_mb")), processor_vcpus=number(found.get("cores")))
        measured = number(found.get("memory_per_worker"))
        if self.workers != "auto" or not measured or found.get("sized_for") == machine(facts):
            return []
        workers, now = number(found.get("workers")), self.sizes(facts, measured).workers
        if now == workers:
            return []
        why = f"with {measured} MB a worker, of {facts.memtotal_mb} MB"
        return [f"{app} runs {_count(workers, 'worker')} and would have {now} now, {why}: see `provision up --resize`"]

    def _copy_mb(self, workers: int, worker_mb: int) -> int:
        return (workers + self.processes) * worker_mb + (SUPERVISOR_MB if workers > 1 else 0)

    def _largest(self, counts: Iterable[int], worker_mb: int, room: float) -> int:
        return max((count for count in counts if self._copy_mb(count, worker_mb) <= room), default=0)

    def _limit(
        self,
        wanted: str,
        facts: Facts,
        workers: int,
        measured_mb: int,
        strategy: Strategy,
        rule: tuple[int, float, float],
    ) -> str:
        """A limit of a slot: the memory less what the system, and during a switch the other slot, needs.

        ``rule`` is the most it may be, in per cent of the memory; the least, in what the slot took so far; and a factor
        for what is left. What an app takes is known only after its first deployment; until then it may use most.
        """
        most, least, factor = rule
        if wanted != "auto":
            return wanted
        if not measured_mb:
            return f"{most}%"
        copy = self._copy_mb(workers, measured_mb)
        left = facts.memtotal_mb * SWITCHING - SYSTEM_MB - (copy if strategy == "switch" else 0)
        limit = max(copy * least, left * factor)
        return f"{int(min(limit, facts.memtotal_mb * most / 100))}M"

    def _summary(self, total: int, workers: int, worker_mb: int, strategy: Strategy, *, known: bool) -> str:
        copy = self._copy_mb(workers, worker_mb)
        words = [_count(workers, "worker")] + [_count(self.processes, "process")] * bool(self.processes)
        people = words[0] if len(words) == 1 else f"({' + '.join(words)})"
        one = f"{people} x {worker_mb} MB{'' if known else ' (assumed)'}" + f" + {SUPERVISOR_MB}" * (workers > 1)
        share = f"{copy} of {total} MB ({_percent(copy, total)})"
        twice = f"2 slots x ({one}) = {2 * copy} of {total} MB ({_percent(2 * copy, total)})"
        above = f"; more than the target of {self.target:.0%}" * (copy + SYSTEM_MB > total * self.target)
        if strategy == "switch":
            return f"memory: {twice}{above}"
        if self.strategy == "restart":
            return f"memory: {one} = {share}; the old release is stopped before the new one starts{above}"
        return (
            f"memory: {twice} and {SYSTEM_MB} for the system do not fit into {SWITCHING:.0%}, so the old release is "
            f"stopped before the new one starts; one slot takes {share}{above}"
        )


def machine(facts: Facts) -> str:
    """What sizes depend on beside the inventory."""
    return f"{facts.memtotal_mb} MB, {facts.processor_vcpus} cores"


def number(text: str | None) -> int:
    """The number in ``text``, 0 where there is none."""
    return int(text) if text and text.isdecimal() else 0


def _count(number: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun if number == 1 else plural}"


def _percent(part: int, total: int) -> str:
    return f"{part * 100 // max(1, total)} %"
