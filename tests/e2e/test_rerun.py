"""A second `provision up`: it changes what differs, and where nothing does it leaves the host alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.e2e.cli import DOMAIN, Site, wait_for

from provision.lab.provider import Host

TRIES = 5
"""Kills until one has fallen between repair and handler."""


@dataclass(frozen=True)
class Managed:
    """A file that a task writes, and what shows that its handler has run."""

    path: str
    task: str
    handler: str

    def __str__(self) -> str:
        return self.handler

    def handled(self, site: Site) -> str:
        # Not ExecReload=, which a `systemctl daemon-reload` forgets.
        return site.show("caddy.service", "StateChangeTimestampMonotonic")


MANAGED = [
    Managed("etc/caddy/Caddyfile", "caddy : Configure Caddy", "caddy : reload caddy"),
    Managed("etc/caddy/sites/notes.caddy", "app : Give the app its site", "caddy : reload caddy"),
]


@pytest.fixture(scope="module")
def deployed(prepared_host: Host, make_site: Callable[..., Site]) -> Site:
    """The example app on this module's host."""
    return make_site(prepared_host)


@pytest.fixture
def site(deployed: Site) -> Site:
    """The same, converged, whatever the test before left."""
    deployed.up()
    return deployed


def test_nothing_to_do_writes_nothing(site: Site) -> None:
    site.health()
    before = site.listing()
    assert {"/etc/caddy/Caddyfile", "/srv/notes/active", "/var/lib/app-notes/notes.db", "/tmp"} <= set(before)

    again = site.up()

    assert (again.settled, again.changed) == ((0, 1), [])
    assert site.listing() == before


def test_one_line_of_the_app_changes_the_app_alone(site: Site) -> None:
    version, slot = site.health()["version"], site.slot
    site.edit("notes/__init__.py", f'"{version}"', f'"{version}.1"')

    result = site.up()

    assert result.changed == ["app : Ship the release", "app : Build the app", "app : Deploy"]
    assert (site.health()["version"], site.slot != slot) == (f"{version}.1", True)
    assert site.up().settled == (0, 1)


def test_the_environment_changes_the_deployment_alone(site: Site) -> None:
    site.set(app_env={"APP_TITLE": '50 % off "quoted" $HOME `x` \\n it\'s', "OTHER": [1, "two"]})

    result = site.up()

    assert result.changed == ["app : Deploy"]
    assert "<h1>50 % off &#34;quoted&#34; $HOME `x` \\n it&#39;s</h1>" in site.curl(f"https://{DOMAIN}/").stdout
    assert site.up().settled == (0, 1)


@pytest.mark.parametrize("managed", MANAGED, ids=str)
def test_a_file_edited_by_hand_is_repaired_and_its_handler_runs(site: Site, managed: Managed) -> None:
    file, before = site.root / managed.path, managed.handled(site)
    wanted = file.read_text()
    file.write_text(f"{wanted}\n# by hand\n")

    result = site.up()

    assert result.changed == [managed.task, managed.handler]
    assert file.read_text() == wanted
    assert managed.handled(site) != before
    assert site.health()["status"] == "ok"


def test_a_unit_edited_by_hand_is_put_right_by_a_new_deployment(site: Site) -> None:
    """In the other slot: no file of the one that serves is ever written."""
    slot = site.slot
    file = site.root / f"etc/systemd/system/{slot}"
    file.write_text(file.read_text().replace("Restart=always", "Restart=no"))

    result = site.up()

    assert result.changed == ["app : Deploy"]
    assert site.slot != slot
    assert site.view.service(site.slot).systemd_properties["Restart"] == "always"
    assert not site.view.service(slot).is_running
    assert site.up().settled == (0, 1)


def test_a_stopped_service_is_started(site: Site) -> None:
    site.view.check_output("systemctl stop caddy.service %s", site.slot)

    result = site.up()

    assert result.changed == ["caddy : Start Caddy", "app : Deploy"]
    assert site.health()["status"] == "ok"


@pytest.mark.parametrize("managed", MANAGED, ids=str)
def test_a_run_killed_before_the_handler_leaves_the_handler_due(site: Site, managed: Managed) -> None:
    file, before = site.root / managed.path, managed.handled(site)
    wanted = file.read_text()
    for _ in range(TRIES):
        file.write_text(f"{wanted}\n# by hand\n")
        kill_at(site, managed.task)
        if file.read_text() == wanted and managed.handled(site) == before:
            break
        site.up()
        before = managed.handled(site)
    else:
        pytest.fail(f"none of {TRIES} kills fell between repair and handler")

    result = site.up()

    assert result.changed == [managed.handler]
    assert managed.handled(site) != before
    assert site.up().settled == (0, 1)


def kill_at(site: Site, task: str) -> None:
    """SIGKILL the controller as soon as it says that the repair has begun; the step itself is left to complete."""
    with site.start("up") as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "task_started" and f"{event['role']} : {event['task']}" == task:
                process.kill()
                break
    wait_for("the lock", lambda: site.view.run("flock -n /run/provision/lock true").rc == 0)
