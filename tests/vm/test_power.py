"""Reboots and pulled plugs: the site comes back by itself, and is what it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cuts.app import NEW, OLD
from tests.e2e.cli import wait_for
from tests.vm.machine import PATIENCE, Machine


def reboot(machine: Machine) -> None:
    """What the administrator does."""
    before = machine.boot()
    machine.lab.run(machine.host, "systemctl reboot")  # The line is cut before it says how that went.
    wait_for("another boot", lambda: machine.boot() not in ("", before), PATIENCE)
    machine.lab.wait(machine.host)


def pull_the_plug(machine: Machine) -> None:
    """What a power cut does, in the midst of things that nobody has told to end."""
    machine.lab.restart(machine.host)


@pytest.mark.parametrize("interrupt", [reboot, pull_the_plug])
def test_the_site_comes_back_by_itself(machine: Machine, interrupt: Callable[[Machine], None]) -> None:
    boot, certificate, empty = machine.boot(), machine.certificate(), machine.empty_files()

    interrupt(machine)

    assert machine.boot() != boot
    machine.wait_until_serving(OLD[-1])
    assert machine.certificate() == certificate
    assert machine.migrations() == set()
    assert machine.run("systemctl --failed --plain --no-legend") == ""
    assert machine.empty_files() == empty
    assert machine.up(OLD[-1]).settled == (0, 1)


def test_an_update_that_was_reported_outlives_the_power(machine: Machine) -> None:
    machine.up("update")
    before = machine.empty_files(), machine.contents()

    pull_the_plug(machine)

    machine.wait_until_serving(NEW)
    assert (machine.empty_files(), machine.contents()) == before
    assert machine.migrations() == set()
    assert machine.up("update").settled == (0, 1)
