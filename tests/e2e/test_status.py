"""`provision status` on a host that serves: its figures are those of the host, and drift is seen and repaired."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.cli import DOMAIN, PROVISION, Event, Site, provision, wait_for
from tests.e2e.terminal import terminal

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host

CADDYFILE = "etc/caddy/Caddyfile"


@pytest.fixture(scope="module")
def site(prepared_host: Host, make_site: Callable[..., Site]) -> Site:
    """The example app, deployed once."""
    site = make_site(prepared_host)
    site.up()
    assert site.up().settled == (0, 1)
    return site


def look(inventory: Path, *options: str) -> Event:
    """The one object of ``status --json``."""
    result = provision("status", inventory, *options)
    assert result.code == 0, str(result)
    (event,) = result.events
    assert (event["event"], result.stderr) == ("status", "")
    return event


def test_the_app_and_its_workers(site: Site) -> None:
    (app,) = look(site.inventory)["apps"]
    main, slot = app["main"], (site.root / "srv/notes/active").readlink().name

    assert (app["name"], app["state"], app["slot"]) == ("notes", "serving", slot)
    assert f"{main['name']}.service" == site.slot
    kinds = {process["pid"]: process["kind"] for process in main["processes"]}
    assert kinds[int(site.show(site.slot, "MainPID"))] == "supervisor"
    workers = [process for process in main["processes"] if process["kind"] == "worker"]
    assert len(workers) == app["workers"] == 2
    for worker in workers:
        rollup = site.view.check_output("grep ^Pss: /proc/%s/smaps_rollup", str(worker["pid"]))
        assert abs(worker["memory_mb"] - int(rollup.split()[1]) / 1024) < 10
        assert worker["cpu_percent"] >= 0
        assert worker["up_seconds"] > 0
    assert sum(worker["memory_mb"] for worker in workers) < app["memory_mb"]
    assert app["deployment"] == int((site.root / "srv/notes/slots" / slot / slot).read_text())


def test_the_host(site: Site) -> None:
    found = look(site.inventory)

    total = int(site.view.check_output("sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo")) // 1024
    assert found["memory_mb"] == total
    assert 0 < found["used_percent"] < 100
    assert found["apps"][0]["memory_percent"] == found["apps"][0]["memory_mb"] * 100 // total
    assert "/" in [disk["mount"] for disk in found["disks"]]
    (caddy,) = found["services"]
    assert (caddy["name"], caddy["state"]) == ("caddy", "active")
    assert caddy["processes"][0]["memory_mb"] > 0
    (certificate,) = found["certificates"]
    assert (certificate["name"], certificate["authority"], certificate["state"]) == (DOMAIN, "local", "valid")
    assert found["now"] < certificate["not_after"]
    assert found["last_run"]["result"] == "ok"
    assert found["last_run"]["command"].startswith("provision up ")


def test_a_certificate_of_a_name_that_caddy_no_longer_has_is_not_shown(site: Site) -> None:
    """Also where that is the end of one it has, or has it as its own end."""
    folder = site.root / "var/lib/caddy/.local/share/caddy/certificates/local"
    others = [folder / name for name in (DOMAIN.partition(".")[2], f"old-{DOMAIN}", f"{DOMAIN}.old")]
    for other in others:
        other.mkdir()
        shutil.copy(folder / DOMAIN / f"{DOMAIN}.crt", other / f"{other.name}.crt")
    try:
        assert [found["name"] for found in look(site.inventory)["certificates"]] == [DOMAIN]
    finally:
        for other in others:
            shutil.rmtree(other)


def test_what_a_busy_process_uses(site: Site) -> None:
    """A loop in the slot's control group; as elsewhere, that of version 2 may lie beside those of version 1."""
    group = site.show(site.slot, "ControlGroup")
    start = f"for place in '/sys/fs/cgroup{group}' '/sys/fs/cgroup/unified{group}'; do "
    start += '[ ! -d "$place" ] || echo $$ >"$place/cgroup.procs"; done; while :; do :; done'
    pid = int(site.view.check_output("sh -c %s >/dev/null 2>&1 & echo $!", start))
    try:

        def busy() -> bool:
            processes = look(site.inventory, "--no-drift")["apps"][0]["main"]["processes"]
            return any(process["pid"] == pid and process["cpu_percent"] > 5 for process in processes)

        wait_for("the load of a process", busy)
    finally:
        site.view.check_output("kill -9 %s", str(pid))


def test_a_restart_is_counted(site: Site) -> None:
    before = look(site.inventory, "--no-drift")["apps"][0]["main"]
    site.kill_main_process()

    def restarted() -> Event | None:
        main = look(site.inventory, "--no-drift")["apps"][0]["main"]
        return main if main["state"] == "active" and main["restarts"] == before["restarts"] + 1 else None

    after = wait_for("a restart in the status", restarted)
    assert after["since"] > before["since"]
    said = f"journalctl -q -o cat _SYSTEMD_INVOCATION_ID={site.show(site.slot, 'InvocationID')}"
    wait_for("both workers", lambda: site.view.check_output(said).count("Application startup complete") == 2)
    site.health()


def test_drift_is_seen_and_repaired(site: Site) -> None:
    assert look(site.inventory)["drift"] == {"state": "in_sync", "changes": [], "reason": ""}
    with (site.root / CADDYFILE).open("a") as file:
        file.write("# by hand\n")
    before = site.listing()

    drift = look(site.inventory)["drift"]
    assert drift["state"] == "pending"
    assert drift["changes"][0] == "caddy : Configure Caddy"
    assert site.listing() == before

    assert site.up().changed == drift["changes"]
    assert site.up().settled == (0, 1)
    assert look(site.inventory)["drift"]["state"] == "in_sync"


def test_drift_that_cannot_be_told_is_unknown(site: Site) -> None:
    with site.broken():
        site.set(app_workers="{{ no_such_variable }}")
        found = look(site.inventory)
    assert found["drift"]["state"] == "unknown"
    assert "no_such_variable" in found["drift"]["reason"]
    assert found["apps"][0]["state"] == "serving"


def test_a_watch_on_a_terminal_ends_at_control_c(site: Site) -> None:
    with terminal("status", site.inventory, "--watch", "1", columns=80, rows=40) as screen:
        for _ in range(3):
            screen.expect(r"every 1 s, Ctrl-C ends[^$]*drift +in sync with the inventory")
        screen.press("\x03")
        assert screen.end() == 130
    left = screen.written.rpartition("\x1b[?25h")[2]
    assert "\x1b[38;5;28min sync with the inventory\x1b[0m" in left
    assert "Traceback" not in screen.seen


def test_a_watch_for_programs(site: Site) -> None:
    argv: list[str | Path] = [PROVISION, "status", site.inventory, "--watch", "1", "--json"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    rows = [process.stdout.readline() for _ in range(2)]
    process.terminate()
    rest, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (130, "")
    assert all('"event": "status"' in row for row in [*rows, *rest.splitlines()])


def test_a_host_without_anything_and_one_that_is_not_there(fresh_host: Host, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    write_inventory(inventory, [fresh_host], {"roles": ["python"]})
    gone = "    gone:\n      ansible_host: 127.0.0.1\n      ansible_port: 9\n"
    inventory.write_text(inventory.read_text().replace("  vars:", f"{gone}  vars:"))

    done = subprocess.run([PROVISION, "status", inventory], capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 3
    assert done.stdout.startswith(f"{fresh_host.name}  Debian 12, ")
    assert "\n  nothing of provision is here yet\n" in done.stdout
    assert "pending, see `provision plan`: python : " in done.stdout
    assert "unreachable: [gone]" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
