"""Holds a run on a VM at points of tests/cuts, one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tests.cuts.points import Point
from tests.cuts.rig import COMMANDS, HOOK
from tests.e2e.cli import wait_for
from tests.e2e.held import Running
from tests.vm.machine import LONGEST, PATIENCE, Machine


def swapped(point: Point) -> Point:
    """The point in a deployment into the other slot."""
    other = {"blue": "green", "green": "blue"}
    for slot, instead in other.items():
        if f"@{slot}" in point.call or f"/{slot}" in point.call:
            return dataclasses.replace(point, call=point.call.replace(slot, instead))
    return point


class Holder:
    """Wrappers of commands (tests/cuts/hook.sh), in memory: a boot leaves nothing of them but an empty folder."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        names = " ".join(COMMANDS)
        self._run(
            "mkdir -p /cut && mount -t tmpfs cut /cut && mount -t tmpfs cut /usr/local/sbin && cd /usr/local/sbin"
            f" && cat >hook.sh <<'END'\n{HOOK.read_text()}END\n"
            f"chmod 0755 hook.sh && for name in {names}; do ln -s hook.sh $name; done"
        )

    def arm(self, point: Point, steps: Sequence[str]) -> None:
        """Let the next call of the point wait, in a run of these steps."""
        pattern = f"{steps.index(point.step) + 1}.files {swapped(point).call}"
        # Complete before it has its name: the run goes on meanwhile.
        self._run(
            f"cat >/cut/new <<'END'\n{point.when}\n{pattern}\nEND\nrm -f /cut/reached; /usr/bin/mv /cut/new /cut/armed"
        )

    def wait_until_held(self, run: Running) -> None:
        """Wait for the point; fails where the run is over without it."""

        def held() -> bool:
            looked = self._machine.lab.run(self._machine.host, "test -e /cut/reached", timeout=PATIENCE)
            return run.over or looked.returncode == 0

        wait_for("the point", held, LONGEST)
        assert not run.over, f"the run ended without this point: {run.events[-20:]}"

    def go(self) -> None:
        """Let go on what waits."""
        self._run("touch /cut/go")

    def _run(self, command: str) -> None:
        self._machine.run(command)
