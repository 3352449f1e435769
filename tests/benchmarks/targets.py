"""What `provision` promises about its speed, and whether a run of the benchmarks kept it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.cases import DELAY, Case
from tests.benchmarks.measured import Cost, median


@dataclass(frozen=True)
class Target:
    """``found`` is to be at least, or at most, ``limit``."""

    what: str
    found: float
    limit: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        """Is the number as promised?"""
        return self.found >= self.limit if self.least else self.found <= self.limit


def targets(cases: Sequence[Case], survey: Mapping[int, float], fleet: int) -> Iterator[Target]:
    """Those whose cases and tools were measured."""
    return (target for target in _all(cases, survey, fleet) if not math.isnan(target.found))


def _all(cases: Sequence[Case], survey: Mapping[int, float], fleet: int) -> Iterator[Target]:
    medians = {case.name: {tool: median(costs) for tool, costs in case.costs.items() if costs} for case in cases}
    near, far = medians.get("nothing to do, 1 host, 0 ms"), medians.get("nothing to do, 1 host, 80 ms")
    for name, found, bare, ansible, pyinfra in (("0 ms", near, 2.5, 20, 5), ("80 ms", far, 1.5, 20, 9)):
        if found:
            what = f"nothing to do, 1 host, {name}"
            yield Target(f"{what}, of `ssh host true`", _ratio(found, "provision", "ssh host true"), bare, "x")
            yield Target(
                f"{what}, faster than Ansible", _ratio(found, "ansible", "provision"), ansible, "x", least=True
            )
            yield Target(
                f"{what}, faster than pyinfra", _ratio(found, "pyinfra", "provision"), pyinfra, "x", least=True
            )
    if many := medians.get(f"nothing to do, {fleet} hosts, 0 ms"):
        yield from _faster(f"nothing to do, {fleet} hosts", many, 10, 4)
        if near:
            one, all_ = near["provision"], many["provision"]
            yield Target("CPU for each further host", (all_.cpu - one.cpu) / (fleet - 1) * 1000, 80, "ms")
            yield Target("memory for each further host", (all_.memory - one.memory) / (fleet - 1), 1, "MiB")
    if first := medians.get("first run"):
        yield Target("first run, of the script by hand", _ratio(first, "provision", "by_hand.sh"), 1.1, "x")
    if far and (changed := medians.get("one changed template, 1 host, 80 ms")):
        more = changed["provision"].wall - far["provision"].wall
        yield Target("one changed template, 80 ms, beyond nothing to do", more, 4 * DELAY + 0.3, "s")
    if survey:
        yield Target("survey of 100 resources, CPU of the host", survey[100] * 1000, 100, "ms")


def _faster(what: str, found: Mapping[str, Cost], ansible: float, pyinfra: float) -> Iterator[Target]:
    for name, tool, limit in (("Ansible", "ansible", ansible), ("pyinfra", "pyinfra", pyinfra)):
        yield Target(f"{what}, faster than {name}", _ratio(found, tool, "provision"), limit, "x", least=True)


def _ratio(found: Mapping[str, Cost], over: str, under: str) -> float:
    return found[over].wall / found[under].wall if over in found and under in found else float("nan")
