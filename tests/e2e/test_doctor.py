"""The doctor on a real host: bare, with another web server in the way, and serving."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra.host
from tests.e2e.cli import DOMAIN, PROVISION, Event, Result, Site, provision, wait_for

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image
from provision.ops.doctor.probes import knock

SQUATTER = "systemd-run --unit squatter --service-type exec perl -MIO::Socket::INET -e {}"
LISTEN = "@kept = IO::Socket::INET->new(LocalPort => 80, Listen => 5); sleep"
"""A web server for whoever only looks at the port; perl is on every Debian."""


def doctor(inventory: Path, names: dict[str, str] | None = None) -> Result:
    """Run ``provision doctor``, on a machine that resolves ``names`` as a file of its own says."""
    command: list[str | Path] = [PROVISION, "doctor", inventory, "--json"]
    if names:
        hosts = inventory.with_name("hosts")
        hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in names.items()))
        bind = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", bind, "sh", hosts, *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return Result(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)


def found(result: Result) -> dict[str, Event]:
    """The checks of the one host by their ids; where there are several of one, the worst."""
    order = ("fail", "warn", "skipped", "ok")
    checks = sorted(
        (event for event in result.events if event["event"] == "check"),
        key=lambda event: order.index(event["status"]),
        reverse=True,
    )
    assert checks, str(result)
    return {check["id"]: check for check in checks}


@pytest.fixture(scope="module")
def squatted(lab: Lab, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory of a bare host on which something else holds port 80."""
    path = tmp_path_factory.mktemp("squatted") / "inventory.yml"
    write_inventory(path, [host], {"roles": ["caddy"], "caddy_domain": DOMAIN, "caddy_source": "distro"})
    lab.run(host, SQUATTER.format(f"'{LISTEN}'"))
    wait_for("port 80", lambda: knock(host.address, 80).state == "open")
    return path


def test_a_bare_host_with_another_server(squatted: Path, host: Host) -> None:
    result = doctor(squatted)
    checks = found(result)

    assert result.code == 1, str(result)
    assert checks["server"]["status"] == "fail"
    assert re.fullmatch(
        r"perl \(pid \d+, squatter.service\) holds port 80, which Caddy needs", checks["server"]["found"]
    )
    assert "`systemctl disable --now squatter`" in checks["server"]["advice"]
    assert (checks["A"]["status"], checks["A"]["found"]) == ("fail", f"{DOMAIN} does not resolve")
    assert host.address in checks["A"]["advice"]
    for name in ("certificate", "redirect", "http2", "answer"):
        assert (checks[name]["status"], checks[name]["found"]) == ("skipped", "not yet: Caddy is not installed")
    assert checks["port 443"]["status"] == "skipped"
    assert checks["port 80"]["status"] == "ok"
    for name in ("system", "clock", "ntp", "memory", "disk"):
        assert checks[name]["status"] == "ok", checks[name]


def test_a_run_is_refused_before_caddy_is_installed(
    squatted: Path, host: Host, inspect: Callable[[Host], testinfra.host.Host]
) -> None:
    planned = provision("plan", squatted)
    assert any("`systemctl disable --now squatter`" in notice for notice in planned.notices), str(planned)

    result = provision("up", squatted)
    assert result.code == 1, str(result)
    assert "Caddy needs port 80, and perl (pid" in result.log
    assert "`provision doctor`" in result.error["hint"]
    assert not inspect(host).package("caddy").is_installed


@pytest.fixture(scope="module")
def site(add_prepared: Callable[..., Host], make_site: Callable[..., Site]) -> Site:
    """The example app, served."""
    site = make_site(add_prepared())
    site.up()
    assert site.up().settled == (0, 1)
    return site


def test_a_host_that_serves(site: Site) -> None:
    before = site.listing()
    result = doctor(site.inventory, {DOMAIN: site.host.address})
    checks = found(result)

    assert result.code == 0, str(result)
    bad = {name: check for name, check in checks.items() if check["status"] != "ok"}
    assert set(bad) <= {"units"}, str(result)
    assert checks["A"]["found"] == f"{DOMAIN} resolves to this host, {site.host.address}"
    assert re.search(r"certificate of .*Caddy Local Authority.* \d+ hours left", checks["certificate"]["found"])
    assert checks["scheme"]["found"] == "the app sees that requests come by HTTPS"
    assert checks["client"]["found"].startswith("the app sees the address of its client, ")
    assert changed(before, site.listing()) == set()


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The files that were written meanwhile; logins and time-outs of systemd write to these anyway."""
    written = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {path for path in written if not path.startswith(("/var/log/", "/var/lib/systemd/", "/root/.ssh"))}


def test_a_name_that_leads_elsewhere_is_a_warning_where_caddy_signs(site: Site) -> None:
    result = doctor(site.inventory, {DOMAIN: "10.9.9.9"})
    check = found(result)["A"]
    assert (result.code, check["status"]) == (0, "warn"), str(result)
    assert check["found"] == f"{DOMAIN} resolves to 10.9.9.9, and this host is {site.host.address}"


def test_an_app_and_a_caddy_that_are_down(site: Site) -> None:
    slot = site.slot
    site.view.check_output("systemctl stop %s", slot)
    try:
        checks = found(doctor(site.inventory))
        assert (checks["app"]["status"], checks["answer"]["status"]) == ("fail", "fail")
        assert re.search("no app does|no answer in time", checks["answer"]["found"]), checks["answer"]
        site.view.check_output("systemctl stop caddy")
        result = doctor(site.inventory)
        assert found(result)["server"]["found"] == "Caddy does not run: it is inactive"
        assert result.code == 1
    finally:
        site.view.check_output("systemctl start caddy %s", slot)
        site.health()


def test_a_firewall_is_named(site: Site) -> None:
    """The port is dropped on this machine's side, as a provider's security group would."""
    rule = f"OUTPUT -d {site.host.address} -p tcp --dport 443 -j DROP"
    subprocess.run(["iptables", "-I", *rule.split()], check=True)
    try:
        result = doctor(site.inventory)
    finally:
        subprocess.run(["iptables", "-D", *rule.split()], check=True)
    checks = found(result)
    assert (result.code, checks["port 443"]["status"]) == (1, "fail")
    assert "a firewall drops it" in checks["port 443"]["found"]
    assert checks["certificate"]["status"] == "skipped"
    assert checks["port 80"]["status"] == "ok"


def test_a_login_with_sudo_and_one_that_is_not_there(make_host: Callable[[Image], Host], tmp_path: Path) -> None:
    """One unreachable host does not keep the other from its checks."""
    cloud = make_host(Image("trixie", "cloud"))
    path = tmp_path / "inventory.yml"
    write_inventory(path, [cloud], {"roles": ["python"]})
    gone = "    gone:\n      ansible_host: 127.0.0.1\n      ansible_port: 9\n"
    path.write_text(path.read_text().replace("  vars:", f"{gone}  vars:"))
    result = doctor(path)
    assert result.code == 3, str(result)
    assert [event["host"] for event in result.events if event["event"] == "host_failed"] == ["gone"]
    assert found(result)["system"]["status"] == "ok"
