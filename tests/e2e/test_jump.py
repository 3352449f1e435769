"""A host that only another one reaches, and that one only by a third: ProxyJump, chained, over real sshds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from tests.e2e.cli import PROVISION, wait_for

from provision.lab.lab import Lab
from provision.lab.provider import Host

TASK = """\
- name: Leave a sign
  copy:
    content: "from {{ inventory_hostname }}\\n"
    dest: /root/SIGN
"""


@pytest.fixture(scope="module")
def chain(lab: Lab) -> Iterator[tuple[Host, Host, Host]]:
    """The first answers this machine, the second only the first, the third only the second."""
    first, second, third = hosts = [lab.add() for _ in range(3)]
    gateway = lab.run(first, "ip route show default").stdout.split()[2]
    # The answers are lost: a host's own route to an address of the same network is longer than that of the network.
    for host, silent in ((second, [gateway]), (third, [gateway, first.address])):
        words = " && ".join(f"ip route add blackhole {address}/32" for address in silent)
        # The last command that gets through: it goes on after the line has died.
        # Where it dies too early, the client notices: without an answer of its own it would wait for hours.
        alive = ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=2"]
        argv = host.ssh(f"(sleep 1; {words}) >/dev/null 2>&1 &")
        subprocess.run([argv[0], *alive, *argv[1:]], check=False)
    for host in (second, third):
        wait_for(f"{host.name} to be out of reach", partial(_is_silent, host))
    yield first, second, third
    for host in hosts:
        lab.remove(host)


def _is_silent(host: Host) -> bool:
    """Does it answer this machine no more? A line that dies while it is asked says nothing at all."""
    try:
        return subprocess.run(host.ssh("true"), capture_output=True, check=False, timeout=10).returncode == 255
    except subprocess.TimeoutExpired:
        return True


@pytest.fixture
def home(chain: tuple[Host, Host, Host], tmp_path: Path) -> Path:
    """A HOME whose ssh_config knows the three by name."""
    ssh = tmp_path / "home/.ssh"
    ssh.mkdir(parents=True, mode=0o700)
    blocks = []
    for name, host, jump in zip(("first", "second", "third"), chain, ("", "first", "second"), strict=True):
        blocks += [
            f"Host {name}",
            f"  HostName {host.address}",
            "  User root",
            f"  IdentityFile {host.key}",
            f"  UserKnownHostsFile {host.known_hosts}",
            *([f"  ProxyJump {jump}"] if jump else []),
        ]
    (ssh / "config").write_text("\n".join([*blocks, ""]))
    return ssh.parent


def up(home: Path, tmp_path: Path, host: Mapping[str, object], sign: str) -> list[dict[str, object]]:
    role = tmp_path / "roles/sign/tasks"
    role.mkdir(parents=True, exist_ok=True)
    (role / "main.yml").write_text(TASK.replace("SIGN", sign))
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"third": host}, "vars": {"roles": ["sign"]}}}))
    done = subprocess.run(
        [PROVISION, "up", inventory, "--json"],
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout + done.stderr
    return [event for event in events if event["event"] == "host_finished"]


def test_the_way_is_that_of_ssh_config(lab: Lab, chain: tuple[Host, Host, Host], home: Path, tmp_path: Path) -> None:
    third = chain[2]
    (recap,) = up(home, tmp_path, {"ansible_host": "third"}, "config")
    assert (recap["changed"], recap["trips"]) == (1, 3)
    assert (lab.root(third) / "root/config").read_text() == "from third\n"
    (recap,) = up(home, tmp_path, {"ansible_host": "third"}, "config")
    assert (recap["changed"], recap["trips"]) == (0, 1)


def test_the_way_is_that_of_the_inventory(chain: tuple[Host, Host, Host], home: Path, tmp_path: Path) -> None:
    """As `ssh -J first,second` goes."""
    third = chain[2]
    options = f"-J first,second -o UserKnownHostsFile={third.known_hosts}"
    host = {
        "ansible_host": third.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(third.key),
        "ansible_ssh_common_args": options,
    }
    (home / ".ssh/config").write_text((home / ".ssh/config").read_text().replace("  ProxyJump first\n", ""))
    (recap,) = up(home, tmp_path, host, "inventory")
    assert (recap["changed"], recap["trips"]) == (1, 3)
    (recap,) = up(home, tmp_path, host, "inventory")
    assert (recap["changed"], recap["trips"]) == (0, 1)
