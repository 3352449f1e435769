"""Runs a command and says what it cost this machine: time, processor, memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLING = 0.2
"""Seconds between two looks at the memory; a run that is shorter shows none."""


class Failed(Exception):
    """A command of the benchmark did not do its part."""


@dataclass(frozen=True)
class Cost:
    """Of one run on the controller."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor, user and system, of the command and all it has waited for."""
    memory: float
    """MiB: the most that the command and its children had at a time (PSS: what is shared is divided)."""


def run(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, watch: bool = True
) -> Cost:
    """Run ``command`` to its end. Raises Failed with what it said.

    Each look at the memory holds up what is looked at: without ``watch`` there is none, and a memory of 0.
    """
    environment = {**os.environ, **(env or {})}
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        most: list[float] = [0.0]
        over = threading.Event()
        sampler = threading.Thread(target=_sample, args=(process.pid, most, over))
        if watch:
            sampler.start()
        assert process.stdout
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        over.set()
        if watch:
            sampler.join()
    if process.returncode:
        raise Failed(f"{' '.join(command)} ended with {process.returncode}\n{said.decode(errors='replace')[-3000:]}")
    # A run too short to be looked at has this process's own memory in ru_maxrss: from before its exec.
    return Cost(wall, usage.ru_utime + usage.ru_stime, most[0])


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each number."""
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "memory")))


def _sample(pid: int, most: list[float], over: threading.Event) -> None:
    while not over.wait(SAMPLING):
        most[0] = max(most[0], sum(map(_pss, _tree(pid))))


def _tree(pid: int) -> list[int]:
    """A process and all below it; empty once it is gone."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        try:
            for task in Path(f"/proc/{found[-1]}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _pss(pid: int) -> float:
    """MiB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
