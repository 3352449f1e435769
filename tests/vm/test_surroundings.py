"""What happens to a VM from outside: a wrong clock, a network that is gone for a while."""

from __future__ import annotations

import re
import time

from tests.cuts.app import NEW, OLD
from tests.cuts.points import LAST, SWITCH
from tests.e2e.held import running
from tests.vm.held import Holder
from tests.vm.machine import PATIENCE, Machine

from provision.lab.qemu import NETWORK_CARD

YEAR = 365 * 24 * 3600
MINUTE = 60.0


def test_a_clock_that_is_a_year_behind(machine: Machine) -> None:
    update_by_another_clock(machine, -YEAR)

    assert machine.up("update").settled == (0, 1)
    machine.wait_until_serving(NEW)


def test_a_clock_that_is_a_year_ahead(machine: Machine) -> None:
    """What Caddy has signed itself meanwhile is not valid for a year: that is said, with what to do."""
    update_by_another_clock(machine, YEAR)

    result = machine.up("update")
    assert result.settled == (0, 1)
    (notice,) = result.notices
    assert "was signed while this host's clock was ahead" in notice
    for command in re.findall("`([^`]*)`", notice):
        machine.run(command)
    machine.wait_until_serving(NEW)
    assert machine.up("update").notices == []


def update_by_another_clock(machine: Machine, seconds: int) -> None:
    """Deploy while the VM's clock is off by that much, and set it right."""
    machine.run(f"date --utc --set=@{time.time() + seconds:.0f}")
    result = machine.up("update")
    machine.run(f"date --utc --set=@{time.time():.0f}")
    assert any("clock" in notice for notice in result.notices), result.notices


def test_a_network_that_is_gone_for_a_minute_in_an_update(machine: Machine) -> None:
    holder = Holder(machine)
    holder.arm(next(point for point in SWITCH if point.name == "the app is imported"), LAST)
    with running(machine.releases.inventory(machine.host, "update")) as run:
        holder.wait_until_held(run)
        set_link(machine, up=False)
        time.sleep(MINUTE)
        set_link(machine, up=True)
        machine.lab.wait(machine.host)
        machine.wait_until_serving(OLD[-1])
        holder.go()
        code = run.end(timeout=PATIENCE).code

    assert code in (0, 3)
    machine.run(f"timeout {PATIENCE:g} flock /run/provision/lock true")
    machine.settle("update")
    assert machine.visitor.ask() == NEW


def set_link(machine: Machine, *, up: bool) -> None:
    """Put the network cable in, or pull it."""
    machine.monitor.command("set_link", name=NETWORK_CARD, up=up)
