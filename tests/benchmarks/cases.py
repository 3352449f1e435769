"""What is measured: the cases of `make bench`, on hosts of one lab, the tools in turn within each round."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from tests.benchmarks.measured import Cost, run
from tests.benchmarks.survey import processor_times
from tests.benchmarks.tools import Ssh, Tool, through

from provision.lab.lab import Lab
from provision.lab.provider import Host

DELAY = 0.04
"""Seconds each way: a round trip of 80 ms."""

LONG = 4.0
"""Seconds of a run in whose time a look at its memory, five times a second, does not show."""


@dataclass(frozen=True)
class Case:
    """One row of the table: what each tool's runs cost, by the tool's name."""

    name: str
    costs: dict[str, list[Cost]]
    made: str = ""
    """When, at which commit, in how many rounds."""


class Bench:
    """Runs the tools on hosts of ``lab``; saved states and other files lie in ``folder``."""

    def __init__(self, lab: Lab, tools: Sequence[Tool], scripts: Sequence[Tool], folder: Path) -> None:
        """``scripts`` can do a first run and nothing else."""
        self._lab, self._tools, self._scripts, self._folder = lab, tools, scripts, folder
        self._banners = count(1)
        self._layers: dict[str, Path] = {}
        self._slow: set[str] = set()

    def first_run(self, rounds: int) -> Case:
        """A bare host, for each tool and each round one of its own."""
        costs: dict[str, list[Cost]] = {tool.name: [] for tool in (*self._tools, *self._scripts)}
        for turn in range(rounds):
            for tool in (*self._tools, *self._scripts):
                host = self._lab.add()
                if tool.needs_python:
                    done = self._lab.run(
                        host, "apt-get -qq update && apt-get -qq install -y python3 python3-apt", timeout=300
                    )
                    assert done.returncode == 0, done.stderr
                costs[tool.name].append(self._run(tool, [host]))
                if turn == 0 and tool in self._tools:
                    # A host that other cases begin with has seen a second run.
                    self._run(tool, [host])
                    self._layers[tool.name] = self._folder / f"done-{tool.name.replace(' ', '')}"
                    self._lab.save(host, self._layers[tool.name])
                self._lab.remove(host)
        return Case("first run", costs)

    def nothing_to_do(self, rounds: int, hosts: int, *, delay: float = 0.0) -> Case:
        """Hosts where each tool has done its job; beside one of them a login that does nothing."""
        name = f"nothing to do, {hosts} host{'s' if hosts > 1 else ''}, {delay * 2000:g} ms"
        return self._again(name, rounds, hosts, delay, lambda: 0, beside=[Ssh()] if hosts == 1 else [])

    def one_template(self, rounds: int, *, delay: float) -> Case:
        """One template of one host has another value."""
        return self._again(f"one changed template, 1 host, {delay * 2000:g} ms", rounds, 1, delay, self._next_banner)

    def survey(self, rounds: int) -> dict[int, float]:
        """Seconds of processor that a bare host needs to read itself, by the number of resources."""
        host = self._lab.add()
        try:
            return processor_times(host, rounds)
        finally:
            self._lab.remove(host)

    def _next_banner(self) -> int:
        return next(self._banners)

    def _again(
        self, name: str, rounds: int, hosts: int, delay: float, banner: Callable[[], int], beside: Sequence[Tool] = ()
    ) -> Case:
        costs: dict[str, list[Cost]] = {tool.name: [] for tool in (*self._tools, *beside)}
        # All tools' hosts at a time would not fit into one machine; so few do that the rounds can alternate.
        groups = [self._tools] if hosts == 1 else [[tool] for tool in self._tools]
        for group in groups:
            with self._done(group, hosts, delay) as ready:
                for _ in range(rounds):
                    for tool in group:
                        costs[tool.name].append(self._again_once(tool, ready[tool.name], banner))
                    for tool in beside:
                        costs[tool.name].append(self._run(tool, ready[group[0].name]))
        return Case(name, costs)

    def _again_once(self, tool: Tool, hosts: Sequence[Host], banner: Callable[[], int]) -> Cost:
        # To look at the memory of a short run would show in its time.
        if len(hosts) > 1 or tool.name in self._slow:
            return self._run(tool, hosts, banner())
        timed = self._run(tool, hosts, banner(), watch=False)
        return replace(timed, memory=self._run(tool, hosts, banner()).memory)

    @contextmanager
    def _done(self, tools: Sequence[Tool], hosts: int, delay: float) -> Iterator[dict[str, list[Host]]]:
        """``hosts`` hosts for each of the tools, on which it has nothing to do."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = {tool.name: list(pool.map(self._ready, [tool] * hosts)) for tool in tools}
        every = [host for group in made.values() for host in group]
        try:
            if delay:
                with _delayed(every, delay, self._folder) as moved:
                    # Also a first run over the line, in which each tool remembers what it remembers.
                    behind = dict(zip([host.name for host in every], moved, strict=True))
                    made = {name: [behind[host.name] for host in group] for name, group in made.items()}
                    self._warm(tools, made)
                    yield made
            else:
                self._warm(tools, made)
                yield made
        finally:
            for host in every:
                self._lab.remove(host)

    def _ready(self, tool: Tool) -> Host:
        return self._lab.add(layers=[self._layers[tool.name]])

    def _warm(self, tools: Sequence[Tool], hosts: dict[str, list[Host]]) -> None:
        for tool in tools:
            if self._run(tool, hosts[tool.name]).wall > LONG:
                self._slow.add(tool.name)

    def _run(self, tool: Tool, hosts: Sequence[Host], banner: int = 0, *, watch: bool = True) -> Cost:
        cost = run(tool.command(hosts, banner), env=tool.env, cwd=self._folder, watch=watch)
        print(
            f"  {tool.name:18} {len(hosts):2} host(s) {cost.wall:7.2f} s  {cost.cpu:6.2f} s CPU  {cost.memory:5.0f} MiB"
        )
        return cost


@contextmanager
def _delayed(hosts: Sequence[Host], delay: float, folder: Path) -> Iterator[list[Host]]:
    """The same hosts behind a long line."""
    places = [f"{host.address}:{host.port}" for host in hosts]
    words = [sys.executable, "-m", "tests.benchmarks.proxy", str(delay), *places]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdin
        assert proxy.stdout
        try:
            yield through(hosts, [int(proxy.stdout.readline()) for _ in hosts], folder)
        finally:
            proxy.stdin.close()
            proxy.terminate()
