"""What a bare host is after one `provision up`."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest
from tests.e2e.cli import DOMAIN, Result, Site, provision, wait_for

from provision.lab.provider import Host

RUN_OF_ALEMBIC = "Context impl SQLiteImpl"
"""What alembic says once whenever it runs, also where there is nothing to upgrade."""


@pytest.fixture(scope="module")
def site(host: Host, make_site: Callable[..., Site]) -> Site:
    """The example app for a bare host, not there yet."""
    return make_site(host)


@pytest.fixture(scope="module", autouse=True)
def first(site: Site) -> Result:
    """The one run on it."""
    assert not site.view.exists("python3")
    return site.up()


def migrations(site: Site) -> int:
    return str(site.view.check_output("journalctl -q -o cat -u 'app-notes-migrate@*'")).count(RUN_OF_ALEMBIC)


def test_the_run_took_three_trips(first: Result) -> None:
    (recap,) = first.recaps.values()

    assert (recap["trips"], recap["failed"], recap["urls"]) == (3, 0, [f"https://{DOMAIN}"])
    assert recap["changed"] == len(first.changed) == len(set(first.changed))


def test_two_workers_answer_over_https(site: Site) -> None:
    """Verified with Caddy's own authority alone."""
    site.health()
    workers: set[int] = set()

    def both() -> bool:
        # At once, or Caddy goes on using its one connection to one worker.
        url = f"https://{DOMAIN}/health"
        answers = site.curl(url, *[url] * 19, "--parallel", "--parallel-immediate").stdout
        workers.update(map(int, re.findall(r'"worker":(\d+)', answers)))
        return len(workers) == 2

    wait_for("answers of two workers", both)

    main = int(site.show(site.slot, "MainPID"))
    assert {site.view.process.get(pid=worker).ppid for worker in workers} == {main}
    assert {site.view.process.get(pid=worker).user for worker in workers} == {"app-notes"}


def test_its_unit_starts_at_boot_and_after_every_end(site: Site) -> None:
    unit = site.view.service(site.slot)

    assert unit.is_running
    assert unit.is_enabled
    assert unit.systemd_properties["Restart"] == "always"
    assert site.view.service("caddy").is_enabled


def test_a_killed_main_process_comes_back_by_itself(site: Site) -> None:
    before = migrations(site)
    pid = site.kill_main_process()

    wait_for("another main process", lambda: site.show(site.slot, "MainPID") not in ("0", pid))

    assert site.health()["status"] == "ok"
    assert migrations(site) == before == 1


def test_the_migration_does_not_run_again_at_a_restart(site: Site) -> None:
    assert migrations(site) == 1
    stamps = site.view.check_output("ls --full-time /srv/notes/migrated")

    site.view.check_output("systemctl restart %s", site.slot)

    assert site.health()["notes"] == 0
    assert migrations(site) == 1
    assert site.view.check_output("ls --full-time /srv/notes/migrated") == stamps


def test_only_ssh_and_caddy_are_reached_from_outside(site: Site) -> None:
    listening = [entry for entry in site.view.socket.get_listening_sockets() if entry.startswith("tcp://")]

    assert {"tcp://127.0.0.1:8000", "tcp://127.0.0.1:8002"} <= set(listening)
    outside = [entry for entry in listening if not entry.startswith("tcp://127.")]
    assert {entry.rpartition(":")[2] for entry in outside} <= {"22", "80", "443"}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((site.host.address, 8000), timeout=5)


def test_the_admin_interface_is_a_socket_of_caddys_own(site: Site) -> None:
    socket_file = site.view.file("/run/caddy/admin.sock")

    assert socket_file.is_socket
    assert socket_file.user == "caddy"
    assert site.view.file("/run/caddy").mode == 0o750
    assert not site.view.socket("tcp://127.0.0.1:2019").is_listening


def test_the_app_can_write_its_state_only(site: Site) -> None:
    foreign = site.view.check_output("find /srv/notes /etc/app-notes ! -user root -o -perm /022 ! -type l")
    writable = site.view.run("runuser -u app-notes -- find /srv/notes -writable ! -type l").stdout
    readable = site.view.run("runuser -u app-notes -- cat /etc/app-notes/blue.env")

    assert (foreign, writable) == ("", "")
    assert readable.rc != 0
    assert site.view.file("/var/lib/app-notes/notes.db").user == "app-notes"


def test_http_is_sent_to_https(site: Site) -> None:
    answer = site.curl(f"http://{DOMAIN}/health?x=1", "--write-out", "%{http_code} %{redirect_url}")

    assert answer.stdout == f"308 https://{DOMAIN}/health?x=1"


def test_looking_leaves_a_fresh_host_as_it_was(fresh_host: Host, make_site: Callable[..., Site], first: Result) -> None:
    """And the plan is true: it names as many changes as the first run on such a host made."""
    fresh = make_site(fresh_host)
    before = fresh.listing()

    for words in (("plan",), ("plan", "--diff"), ("up", "--check")):
        result = provision(*words, fresh.inventory)
        assert result.code == 0, str(result)
        assert result.settled == (len(first.changed), 1)

    assert fresh.listing() == before
