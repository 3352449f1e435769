"""Limits of memory and disk, which a kernel of its own enforces."""

from __future__ import annotations

import threading

from tests.cuts.app import NEW, OLD
from tests.e2e.cli import provision, wait_for
from tests.vm.machine import LONGEST, PATIENCE, Machine

EAT = '''

@app.get("/eat")
def eat() -> None:
    """Take all the memory there is."""
    taken = []
    while True:
        taken.append(b"x" * 2**20)
'''


def worker_pids(machine: Machine) -> set[str]:
    """The processes of the unit that serves, less its main process."""
    unit = f"app-notes@{machine.slot()}.service"
    group = machine.show(unit, "ControlGroup")
    main = machine.show(unit, "MainPID")
    return set(machine.run(f"cat '/sys/fs/cgroup{group}/cgroup.procs'").split()) - {main}


def test_a_worker_that_eats_memory_is_replaced(machine: Machine) -> None:
    main = machine.releases.source(NEW) / "notes/main.py"
    text = main.read_text()
    try:
        main.write_text(text + EAT)
        inventory = machine.releases.inventory(machine.host, "update")
        # On such a processor uvicorn would end each worker before it has begun: after five seconds.
        command = "uvicorn notes.main:app --timeout-worker-healthcheck 120"
        settings = ("--set", "app_workers=2", "--set", f"app_run_command={command}")
        result = provision("up", inventory, *settings, timeout=LONGEST)
        assert result.code == 0, str(result)
    finally:
        main.write_text(text)
    unit = f"app-notes@{machine.slot()}.service"
    before = worker_pids(machine)
    boot, process = machine.boot(), machine.show(unit, "MainPID")

    eater = threading.Thread(target=machine.visitor.ask, args=("/eat",))
    eater.start()
    try:
        wait_for("the end of a worker", lambda: before - worker_pids(machine), PATIENCE)
        machine.wait_until_serving(NEW)
        wait_for("another in its place", lambda: len(worker_pids(machine)) == len(before), PATIENCE)
    finally:
        eater.join()

    assert machine.run("journalctl --dmesg --grep 'Memory cgroup out of memory' --lines 1 --output cat")
    assert (machine.boot(), machine.show(unit, "MainPID"), machine.show(unit, "NRestarts")) == (boot, process, "0")


def test_a_full_disk_fails_the_update_and_not_the_site(machine: Machine) -> None:
    machine.run("fallocate --length $(($(df --output=avail --block-size=1 / | tail -n 1) - 4194304)) /root/full")

    failed = machine.up("update", code=1)

    assert "No space left on device" in str(failed) or "disk is full" in str(failed)
    machine.wait_until_serving(OLD[-1])
    machine.lab.restart(machine.host)
    machine.wait_until_serving(OLD[-1])
    machine.run("rm /root/full")
    machine.settle("update")
    assert machine.visitor.ask() == NEW
