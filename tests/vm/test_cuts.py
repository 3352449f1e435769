"""The plug is pulled in the middle of an update: the right slot serves after the boot, and the next run completes it.

One update is held at each point in turn, and a snapshot of the VM is made there, memory and all. So each test begins in
the same run, a moment before its plug is pulled.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.cuts.app import NEW, OLD
from tests.cuts.points import INSIDE, LAST, SWITCH, Point
from tests.e2e.held import running
from tests.vm.held import Holder
from tests.vm.machine import PATIENCE, Machine

POINTS = {
    point.name: point
    for point in (*INSIDE, *SWITCH)
    if point.name
    in (
        "the release is unpacked, without its name",
        "the dependencies are installed, not compiled",
        "the build is complete, without its mark",
        "the site is in its place, Caddy not told",
        "the record has its number, the slot not",
        "the migration runs",
        "the slot starts",
        "the link is switched",
        "the deployment is on record",
    )
}
"""In the order in which a run comes by."""
assert len(POINTS) == 9

SWITCHED = "the link is switched"
"""Held after the rename, and before it is known to be on the disk: either slot may serve after the boot."""


@dataclass(frozen=True)
class Undisturbed:
    """The files after the run went on from its last point."""

    empty: set[str]
    contents: dict[str, str]
    old_slot: str


@pytest.fixture(scope="module")
def undisturbed(deployed: Machine) -> Undisturbed:
    """Makes a snapshot at each point of one run, which then ends."""
    machine, lab, host = deployed, deployed.lab, deployed.host
    lab.restore(host, "deployed")
    old_slot = machine.slot()
    holder = Holder(machine)
    points = list(POINTS.values())
    holder.arm(points[0], LAST)
    with running(machine.releases.inventory(host, "update")) as run:
        for place, following in enumerate([*points[1:], None]):
            holder.wait_until_held(run)
            lab.snapshot(host, snapshot_of(points[place]))
            if following:
                holder.arm(following, LAST)
            holder.go()
        assert run.end(timeout=PATIENCE).code == 0, run.events[-20:]
    assert machine.up("update").settled == (0, 1)
    return Undisturbed(machine.empty_files(), machine.contents(), old_slot)


def snapshot_of(point: Point) -> str:
    """Its name."""
    return f"point-{list(POINTS).index(point.name)}"


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_a_plug_pulled_in_an_update(deployed: Machine, undisturbed: Undisturbed, point: Point) -> None:
    machine = deployed
    names = list(POINTS)
    machine.lab.restore(machine.host, snapshot_of(point))

    machine.lab.restart(machine.host)

    new = machine.slot() != undisturbed.old_slot
    if point.name != SWITCHED:
        assert new == (names.index(point.name) > names.index(SWITCHED))
    machine.wait_until_serving(NEW if new else OLD[-1])
    assert machine.migrations() == set()
    assert machine.empty_files() <= undisturbed.empty
    machine.settle("update")
    assert machine.visitor.ask() == NEW
    assert machine.empty_files() == undisturbed.empty
    assert machine.contents() == undisturbed.contents
