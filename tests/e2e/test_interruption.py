"""Runs that are cut: the running step completes, the next never starts, and another run takes over."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.cli import Site, provision, wait_for
from tests.e2e.held import Held, running, silence, write_role

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image
from provision.resources import sshd

HOLDER = (
    r"another run holds this host: \S+@\S+ \(pid {pid}\) since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ: provision up {file}"
)

ONESHOT = """\
- name: Add a unit that takes long
  copy:
    content: "[Service]\\nType=oneshot\\nExecStart=/bin/sleep 600\\n"
    dest: /etc/systemd/system/long.service
- name: Start it
  service:
    name: long
    state: started
"""


@pytest.fixture
def held(lab: Lab, host: Host, tmp_path: Path) -> Held:
    return Held(tmp_path, [host], lab.root)


def what_is_left(lab: Lab, host: Host) -> list[str]:
    """What is in the folder of runs, once the lock is free."""
    wait_for("a free lock", lambda: lab.run(host, "sudo flock -n /run/provision/lock true").returncode == 0)
    return lab.run(host, "sudo ls /run/provision").stdout.split()


@pytest.fixture
def left(lab: Lab, host: Host) -> Callable[[], list[str]]:
    return lambda: what_is_left(lab, host)


@pytest.mark.parametrize("image", [Image(), Image("trixie", "cloud")], ids=str)
def test_a_killed_run_leaves_the_running_step_to_complete(
    lab: Lab, make_host: Callable[[Image], Host], tmp_path: Path, image: Image
) -> None:
    """Also below a sudo that puts a terminal of its own in between, as newer ones do."""
    host = make_host(image)
    held = Held(tmp_path, [host], lab.root)
    with running(held.inventory) as run:
        held.wait_for("begun")
        run.kill()
    locked = provision("up", held.inventory)
    held.go()

    assert what_is_left(lab, host) == ["lock"]
    assert held.done == {"begun", "first"}
    assert locked.code == 4
    again = provision("up", held.inventory)
    assert (again.code, again.changed) == (0, ["held : Second"])
    assert provision("up", held.inventory).settled == (0, 1)


CUTS = (
    # Seen in an event, completed on the host, not begun.
    ("task_output", "Unpacking", "dpkg --status python3 | grep 'Status: install ok installed'", "/opt/provision"),
    ("task_started", "Build the app", "ls /srv/notes/builds/*/.complete", "/etc/caddy/sites/notes.caddy"),
    ("task_output", "starting app-notes", "ls /srv/notes/active/", "/srv/notes/slots/green"),
)
"""In the middle of apt, of the build and of the deployment."""


def test_the_main_job_is_taken_up_where_it_was_cut(lab: Lab, fresh_host: Host, make_site: Callable[..., Site]) -> None:
    site = make_site(fresh_host)
    for kind, text, completed, untouched in CUTS:
        with running(site.inventory) as run:
            run.wait_for(kind, text)
            run.kill()
        assert what_is_left(lab, fresh_host) == ["lock"]
        assert lab.run(fresh_host, completed).returncode == 0, text
        assert not (site.root / untouched[1:]).exists()

    site.up()
    assert site.health()["status"] == "ok"
    assert site.up().settled == (0, 1)


def test_a_second_run_is_refused_and_a_plan_is_not(held: Held) -> None:
    with running(held.inventory) as first:
        held.wait_for("begun")
        second = provision("up", held.inventory)
        plan = provision("plan", held.inventory, "--exit-code")
        held.go()
        done = first.end()

    assert second.code == 4
    assert re.fullmatch(HOLDER.format(pid=first.pid, file=held.inventory), second.error["message"])
    hint = "let it end, then run again, or wait with --lock-timeout; `provision plan` needs no lock"
    assert second.error["hint"] == hint
    assert plan.code == 5
    assert done.code == 0


def test_ctrl_c_lets_the_running_step_complete(lab: Lab, host: Host, held: Held, left: Callable[[], list[str]]) -> None:
    """Also where the host allows no second session beside the first."""
    drop_in = lab.root(host) / "etc/ssh/sshd_config.d/one-session.conf"
    drop_in.write_text("MaxSessions 1\n")
    assert lab.run(host, str(sshd._RELOAD)).returncode == 0
    try:
        with running(held.inventory) as run:
            held.wait_for("begun")
            run.interrupt()
            run.wait_for("notice", "stopping after the running steps; Ctrl-C again gives them up")
            held.go()
            result = run.end()
    finally:
        drop_in.unlink()
        assert lab.run(host, str(sshd._RELOAD)).returncode == 0

    assert result.code == 130
    assert result.changed == ["held : First"]
    assert (result.error["kind"], result.error["message"]) == ("Interrupted", "stopped as asked, between two steps")
    assert result.error["hint"] == "run again: it goes on from there"
    assert (held.done, left()) == ({"begun", "first"}, ["lock"])
    assert provision("up", held.inventory).changed == ["held : Second"]


def test_a_second_ctrl_c_waits_for_no_step(held: Held, left: Callable[[], list[str]]) -> None:
    """A step that does not say how to end it, as of apt, is left alone."""
    with running(held.inventory) as run:
        held.wait_for("begun")
        run.interrupt()
        run.wait_for("notice", "stopping")
        run.interrupt()
        result = run.end()
    held.go()

    assert result.code == 130
    assert result.error["message"] == (
        "given up, as asked; the running step completes by itself, no further one is started"
    )
    assert result.error["hint"] == "run again: it goes on from there, once that step has completed"
    assert (left(), held.done) == (["lock"], {"begun", "first"})


def test_a_second_ctrl_c_ends_a_unit_that_is_being_started(
    lab: Lab, host: Host, tmp_path: Path, left: Callable[[], list[str]]
) -> None:
    """Killing systemctl would not: its job goes on."""
    write_role(tmp_path, "long", ONESHOT)
    inventory = tmp_path / "inventory.yml"
    write_inventory(inventory, [host], {"roles": ["long"]})
    with running(inventory) as run:
        run.wait_for("task_started", "Start it")
        wait_for("the unit", lambda: lab.run(host, "systemctl is-active long").stdout == "activating\n")
        run.interrupt()
        run.wait_for("notice", "stopping")
        run.interrupt()
        result = run.end()

    assert result.code == 130
    assert result.error["message"] == "the running step was ended, as asked"
    assert lab.run(host, "systemctl is-active long").stdout in ("failed\n", "inactive\n")
    assert left() == ["lock"]


def test_a_silent_line_leaves_no_lock(lab: Lab, host: Host, held: Held, left: Callable[[], list[str]]) -> None:
    """Nothing is closed, nothing arrives: both ends notice by themselves, within a minute and a quarter."""
    with running(held.inventory) as run:
        held.wait_for("begun")
        began, began_at = time.monotonic(), time.time()
        with silence(host):
            result = run.end()
            lost = time.monotonic() - began
            # The step still runs, and with it the lock is held.
            assert provision("up", held.inventory).code == 4
            found = wait_for("the watchdog", lambda: lab.run(host, "stat -c %.Y /run/provision/run.*/dead").stdout)
            noticed = float(found) - began_at
            held.go()
            assert left() == ["lock"]

    assert result.code == 3
    assert result.error["message"] == f"the connection to {host.name} ({host.address} port {host.port}) was lost"
    assert result.error["hint"] == (
        "what the host did last is unknown; run again: it reads the host anew and goes on from there"
    )
    assert 30 < lost < 75
    assert noticed < 90
    assert held.done == {"begun", "first"}
    assert provision("up", held.inventory).changed == ["held : Second"]
