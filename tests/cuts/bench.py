"""Makes the cuts: each on a host of its own, and then sees what the next runs make of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.cuts.app import NEW, OLD, Releases
from tests.cuts.hosts import Hosts
from tests.cuts.points import STEPS, Cut, Scenario, Way
from tests.cuts.rig import PATIENCE, Rig
from tests.cuts.state import differences, state
from tests.cuts.visitor import Visitor
from tests.e2e.cli import Result, provision
from tests.e2e.held import Running, running
from tests.e2e.test_interruption import silence

from provision.lab.lab import Lab
from provision.lab.provider import Host

CODES: dict[Way, int] = {"killed": -9, "silent": 3, "shell": 1, "session": 1}
"""How the controller ends."""


@dataclass(frozen=True)
class Outcome:
    """What became of a cut; ``fault`` is empty where everything held."""

    cut: Cut
    fault: str
    seconds: float


class Bench:
    """Cuts runs on ``count`` hosts of ``lab`` at a time, with its files in ``folder``."""

    def __init__(self, lab: Lab, base: Path, folder: Path, count: int) -> None:
        self._lab, self._releases = lab, Releases(folder)
        self._hosts = Hosts(lab, base, folder, count)
        self._count = count
        self._wanted: dict[Scenario, dict[str, str]] = {}

    def prepare(self, scenarios: Iterable[Scenario]) -> None:
        """Make the state that updates begin with, and see what undisturbed runs end with."""
        with self._hosts.take() as host:
            for version in OLD:
                _settle(self._inventory(host, version))
            self._hosts.save(host, "update")
        for scenario in set(scenarios):
            with self._hosts.take(_saved(scenario)) as host:
                inventory = self._inventory(host, NEW)
                result = _settle(inventory)
                assert tuple(result.changed) == STEPS[scenario], str(result)
                self._wanted[scenario] = state(self._lab, host)

    def run(self, cuts: Iterable[Cut]) -> Iterator[Outcome]:
        """Make these cuts, several at a time; each outcome as soon as it is known."""
        with ThreadPoolExecutor(self._count) as pool:
            waiting = [pool.submit(self._outcome, cut) for cut in cuts]
            yield from (done.result() for done in as_completed(waiting))

    def _outcome(self, cut: Cut) -> Outcome:
        began = time.monotonic()
        fault = ""
        try:
            with self._hosts.take(_saved(cut.scenario)) as host:
                self._cut(host, cut)
        # Whatever goes wrong with one cut is its outcome; the others go on.
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        return Outcome(cut, fault, time.monotonic() - began)

    def _cut(self, host: Host, cut: Cut) -> None:
        rig = Rig(self._lab, host)
        inventory = self._inventory(host, NEW)
        serves = cut.scenario == "update"
        visitor = Visitor(self._lab, host)
        with visitor.coming() if serves else nullcontext():
            rig.arm(cut)
            with running(inventory) as run:
                rig.wait_until_held(lambda: run.over)
                _end(run, rig, host, cut.way)
            served = visitor.ask()
            switched = (self._lab.root(host) / "srv/notes/active").is_symlink()
            assert served in ((*OLD[-1:], NEW) if serves else (NEW,) if switched else ("",)), f"it serves {served!r}"
            rig.remove()
            _settle(inventory)
        assert visitor.ask() == NEW
        visitor.check(OLD[-1], NEW)
        # What a killed step has started, such as apt, may go on beside the next run, but not for long.
        rig.wait_until_idle()
        wrong = differences(state(self._lab, host), self._wanted[cut.scenario])
        assert not wrong, "\n".join(["not as after an undisturbed run:", *wrong])

    def _inventory(self, host: Host, version: str) -> Path:
        return self._releases.inventory(host, version)


def _end(run: Running, rig: Rig, host: Host, way: Way) -> None:
    """End a run that is held at a point; afterwards the host is free."""
    with silence(host) if way == "silent" else nullcontext():
        match way:
            case "killed":
                run.kill()
            case "shell":
                rig.kill_shells()
            case "session":
                rig.kill_session()
        if way == "silent":
            code = run.end(timeout=PATIENCE).code
            rig.wait_for_watchdog()
        rig.go()
        if way != "silent":
            code = run.end(timeout=PATIENCE).code
        assert code == CODES[way], f"the run that was cut ended with {code}"
        rig.wait_until_free()


def _settle(inventory: Path) -> Result:
    """A run that changes what is left to do, and one that finds nothing; the first."""
    result = provision("up", inventory)
    assert result.code == 0, str(result)
    again = provision("up", inventory)
    assert again.settled == (0, 1), f"the run after it was not idle: {again}"
    return result


def _saved(scenario: Scenario) -> str:
    return "update" if scenario == "update" else ""
