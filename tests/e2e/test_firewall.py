"""The role firewall: what it lets in, as the controller sees it, and that no rules can lock it out."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.cli import Result, provision, wait_for
from tests.e2e.held import running

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image

LISTENER = """
sudo systemctl reset-failed listener.socket listener.service 2>/dev/null
sudo systemctl is-active --quiet listener.socket || sudo systemd-run --quiet --unit=listener \
    --socket-property=ListenStream=80 --socket-property=ListenStream=8000 --socket-property=ListenStream=9000 \
    sleep infinity
"""
"""Takes connections to these ports, over IPv4 and IPv6."""

RULES = "firewall : Let in what is allowed, and a new login first"
ELSEWHERE = "192.0.2.0/24"
"""A network where no controller is."""

SHUT_OUT = "the new rules would have shut ssh out, so what was there before is in force again: "


class Walled:
    """The host, and an inventory that gives it the role."""

    def __init__(self, lab: Lab, host: Host, inventory: Path) -> None:
        self.lab, self.host, self.inventory = lab, host, inventory
        self.set()

    def set(self, **variables: object) -> None:
        """Write the inventory, with these variables besides the usual ones."""
        usual = {"roles": ["firewall"], "firewall_allow": ["8000/tcp", "9000/tcp from 192.0.2.0/24"]}
        write_inventory(self.inventory, [self.host], {**usual, "ansible_timeout": 60, **variables})

    def up(self, code: int = 0) -> Result:
        result = provision("up", self.inventory)
        assert result.code == code, str(result)
        return result

    def settle(self) -> None:
        """Converge on the usual rules."""
        self.set()
        self.up()
        self.run(LISTENER)

    def run(self, command: str) -> str:
        done = self.lab.run(self.host, command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lets_in(self, port: int, address: str = "") -> bool:
        """Does a new connection from this machine get through?"""
        try:
            socket.create_connection((address or self.host.address, port), timeout=1.5).close()
        except TimeoutError:
            return False
        return True

    def lets_in_udp(self, port: int) -> bool:
        """Nothing listens there: what gets through is answered with "port unreachable"."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1.5)
            sock.connect((self.host.address, port))
            sock.send(b"?")
            try:
                sock.recv(1)
            except ConnectionRefusedError:
                return True
            except TimeoutError:
                return False
            raise AssertionError("something listens there")

    def table(self) -> str:
        """The table of the role, as nft lists it; empty where there is none."""
        return self.run("sudo nft list table inet provision 2>/dev/null || :")

    def left(self) -> str:
        """What is left of changes that waited for their proof."""
        return self.run("sudo ls /var/lib/provision/undo; sudo ls /etc/systemd/system | grep undo || :")


@pytest.fixture(scope="module")
def walled(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walled]:
    """A host as a provider rents it out: a user with sudo logs in."""
    host = lab.add(Image("bookworm", "cloud"))
    walled = Walled(lab, host, tmp_path_factory.mktemp("walled") / "inventory.yml")
    first = walled.up()
    assert RULES in first.changed
    assert first.recaps[host.name]["trips"] == 3
    assert walled.up().settled == (0, 1)
    yield walled
    lab.remove(host)


@pytest.fixture(autouse=True)
def settled(walled: Walled) -> None:
    """Whatever the test before left."""
    walled.settle()


def test_what_is_allowed_gets_in_and_nothing_else(walled: Walled) -> None:
    assert [port for port in (22, 80, 8000, 9000) if walled.lets_in(port)] == [22, 80, 8000]
    assert [port for port in (443, 444) if walled.lets_in_udp(port)] == [443]
    walled.set(firewall_http=False, firewall_allow=["9000/tcp", f"8000/tcp from {walled.host.address}/32"])
    assert walled.up().changed == [RULES]
    assert walled.up().settled == (0, 1)
    assert [port for port in (22, 80, 8000, 9000) if walled.lets_in(port)] == [22, 9000]
    assert not walled.lets_in_udp(443)


def test_ipv6_with_its_neighbour_discovery(walled: Walled) -> None:
    link = walled.run("ip -6 -o addr show dev host0 scope link").split()[3].partition("/")[0]
    argv = ["ip", "-oneline", "route", "get", walled.host.address]
    words = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    bridge = words[words.index("dev") + 1]
    walled.run("sudo ip -6 neigh flush dev host0")
    assert [port for port in (22, 80, 8000, 9000) if walled.lets_in(port, f"{link}%{bridge}")] == [22, 80, 8000]


def test_it_is_there_after_a_boot(walled: Walled) -> None:
    walled.lab.restart(walled.host)
    walled.run(LISTENER)
    assert (walled.lets_in(8000), walled.lets_in(9000)) == (True, False)
    assert walled.up().settled == (0, 1)


def test_what_was_done_by_hand_is_undone(walled: Walled) -> None:
    for command in ("flush ruleset", "add rule inet provision input tcp dport 9000 accept"):
        walled.run(f"sudo nft {command}")
        assert walled.lets_in(9000)
        assert walled.up().changed == [RULES]
        assert not walled.lets_in(9000)
        assert walled.up().settled == (0, 1)


def test_other_tables_stay(walled: Walled) -> None:
    walled.run("sudo nft 'add table inet other; add chain inet other mine'")
    walled.set(firewall_allow=["9000/tcp"])
    assert walled.up().changed == [RULES]
    assert "chain mine" in walled.run("sudo nft list table inet other")
    walled.set(firewall_state="absent")
    walled.up()
    assert walled.up().settled == (0, 1)
    assert "chain mine" in walled.run("sudo nft list table inet other; sudo nft delete table inet other")
    assert walled.table() == ""
    assert "provision" not in walled.run("ls /etc/systemd/system /etc")


def test_every_port_of_sshd_is_let_in(walled: Walled) -> None:
    drop_in = walled.lab.root(walled.host) / "etc/ssh/sshd_config.d/ports.conf"
    drop_in.write_text("Port 22\nPort 2222\n")
    try:
        walled.run("sudo systemctl restart ssh")
        assert not walled.lets_in(2222)
        assert walled.up().changed == [RULES]
        assert walled.lets_in(2222)
        assert walled.up().settled == (0, 1)
    finally:
        drop_in.unlink()
        walled.run("sudo systemctl restart ssh")
    # One port too many costs no new login.
    assert walled.up().settled == (0, 1)


def test_another_firewall_is_not_fought(walled: Walled) -> None:
    before = walled.table()
    walled.run("echo ENABLED=yes | sudo tee /etc/ufw/ufw.conf")
    try:
        refused = walled.up(code=1)
    finally:
        walled.run("sudo rm /etc/ufw/ufw.conf")
    assert "ufw is active on this host" in refused.log
    assert "ufw disable" in refused.log
    assert walled.table() == before


@pytest.mark.parametrize("before", ["rules", "nothing"])
def test_rules_that_lock_out_are_undone(walled: Walled, before: str) -> None:
    if before == "nothing":
        walled.set(firewall_state="absent")
        walled.up()
    table = walled.table()
    assert bool(table) == (before == "rules")

    walled.set(firewall_ssh_from=[ELSEWHERE], firewall_revert_after=600, ansible_timeout=10)
    began = time.monotonic()
    failed = walled.up(code=1)
    assert failed.error["message"].startswith(SHUT_OUT), str(failed)
    assert "no answer within 10 s" in failed.error["message"]
    assert "firewall_ssh_from must hold the address" in failed.error["hint"]
    assert "this run comes from 10." in failed.log
    # The host was told over the line that was open, and did not wait for its timer.
    assert time.monotonic() - began < 500
    assert walled.lets_in(22)
    assert (walled.table(), walled.left()) == (table, "")


@pytest.mark.parametrize("ends", ["timer", "boot"])
def test_a_killed_run_locks_nobody_out(walled: Walled, ends: str) -> None:
    """Nobody is left who could tell the host: the timer alone undoes it, or a boot."""
    table = walled.table()
    walled.set(firewall_ssh_from=[ELSEWHERE], firewall_revert_after=40 if ends == "timer" else 600)
    with running(walled.inventory) as run:
        wait_for("ssh to be shut", lambda: not walled.lets_in(22))
        run.kill()
    if ends == "boot":
        walled.lab.restart(walled.host)
    wait_for("ssh to be open", lambda: walled.lets_in(22))
    wait_for("nothing to be left of it", lambda: not walled.left())
    assert walled.table() == table
    walled.run("sudo sh -c '[ ! -e /run/provision/lock ] || flock -w 120 /run/provision/lock true'")
    walled.set()
    assert walled.up().settled == (0, 1)
