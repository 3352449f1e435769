"""Makes the cuts: each on a host of its own, and then sees what the next runs make of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from tests.cuts.app import NEW, OLD, Releases, Wanted
from tests.cuts.hosts import Hosts
from tests.cuts.points import BEGINNINGS, STEPS, Cut, Scenario, Way, beginning, steps_from
from tests.cuts.rig import PATIENCE, Rig
from tests.cuts.state import differences, state
from tests.cuts.visitor import Visitor
from tests.e2e.cli import AUTHORITY, Result, provision, wait_for
from tests.e2e.held import Running, running, silence

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

    def __init__(self, lab: Lab, folder: Path, count: int) -> None:
        self._lab, self._releases = lab, Releases(folder)
        self._hosts = Hosts(lab, folder, count)
        self._count = count
        self._wanted: dict[Scenario, dict[str, str]] = {}

    def prepare(self, cuts: Sequence[Cut]) -> None:
        """Make the states that these cuts begin with, and see what undisturbed runs end with."""
        self._make_states("first")
        with self._hosts.take("prepared") as host:
            for version in OLD:
                self._settle(host, version)
            self._hosts.save(host, "deployed", "prepared")
        self._make_states("update")
        with ThreadPoolExecutor(self._count) as pool:
            list(pool.map(self._see_undisturbed, {cut.scenario for cut in cuts}))

    def _make_states(self, scenario: Literal["first", "update"]) -> None:
        """Cut runs of a kind, each where the one before was cut."""
        for below, base in pairwise(BEGINNINGS[scenario]):
            cut = beginning(scenario, base)
            with self._hosts.take(below) as host:
                with self._cut(host, cut, steps_from(scenario, below)):
                    pass
                self._hosts.save(host, base, below)

    def run(self, cuts: Sequence[Cut]) -> Iterator[Outcome]:
        """Make these cuts, several at a time; each outcome as soon as it is known."""
        with ThreadPoolExecutor(self._count) as pool:
            waiting = [pool.submit(self._outcome, cut) for cut in cuts]
            yield from (done.result() for done in as_completed(waiting))

    def _see_undisturbed(self, scenario: Scenario) -> None:
        with self._hosts.take("bare" if scenario == "first" else "deployed") as host:
            result = self._settle(host, scenario)
            assert tuple(result.changed) == STEPS[scenario], str(result)
            Rig(self._lab, host).wait_until_idle()
            self._wanted[scenario] = state(self._lab, host)

    def _outcome(self, cut: Cut) -> Outcome:
        began = time.monotonic()
        fault = ""
        try:
            with self._hosts.take(cut.base) as host:
                began = time.monotonic()
                self._try(host, cut)
        # Whatever goes wrong with one cut is its outcome; the others go on.
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        return Outcome(cut, fault, time.monotonic() - began)

    def _try(self, host: Host, cut: Cut) -> None:
        visitor = Visitor(host.address, self._lab.root(host) / AUTHORITY)
        before = "" if cut.scenario == "first" else OLD[-1]
        # After a boot the app comes last. Caddy holds requests until then, but a reload of Caddy ends their waiting.
        wait_for("the old release after the boot", lambda: visitor.ask() == before, PATIENCE)
        with visitor.coming() if before else nullcontext():
            with self._cut(host, cut, cut.steps) as rig:
                expected = {NEW if self._switched(host) else before}
                if not before:
                    # Without a link Caddy asks the blue slot, which may run before its gate is passed.
                    expected.add(NEW)
                served = visitor.ask()
                assert served in expected, f"{served!r} is served"
            self._settle(host, cut.scenario)
        assert visitor.ask() == NEW
        visitor.check(before, NEW)
        # What a killed step has started, such as apt, may go on beside the next run, but not for long.
        rig.wait_until_idle()
        wrong = differences(state(self._lab, host), self._wanted[cut.scenario])
        assert not wrong, "\n".join(["not as after an undisturbed run:", *wrong])

    @contextmanager
    def _cut(self, host: Host, cut: Cut, steps: Sequence[str]) -> Iterator[Rig]:
        """Make the cut in a run of these steps; in the block the host is free for another."""
        rig = Rig(self._lab, host)
        rig.arm(cut.point, steps)
        with running(self._releases.inventory(host, cut.scenario)) as run:
            rig.wait_until_held(run)
            _end(run, rig, host, cut.way)
        rig.remove()
        yield rig

    def _switched(self, host: Host) -> bool:
        """Does the link name the slot of the new release? That is blue, in both kinds of run."""
        link = self._lab.root(host) / "srv/notes/active"
        return link.is_symlink() and link.readlink().name == "blue"

    def _settle(self, host: Host, wanted: Wanted) -> Result:
        """A run that changes what is left to do, and one that finds nothing; the first."""
        inventory = self._releases.inventory(host, wanted)
        result = provision("up", inventory)
        assert result.code == 0, str(result)
        again = provision("up", inventory)
        assert again.settled == (0, 1), f"the run after it was not idle: {again}"
        return result


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
            case "silent":
                run.end(timeout=PATIENCE)
                rig.wait_for_watchdog()
        rig.go()
        code = run.end(timeout=PATIENCE).code
        assert code == CODES[way], f"the run that was cut ended with {code}"
        rig.wait_until_free()
