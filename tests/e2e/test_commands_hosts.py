"""The commands about hosts, whatever is on them: exec and ssh."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.cli import PROVISION
from tests.e2e.terminal import terminal

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host, Image

GONE = "    gone:\n      ansible_host: 127.0.0.1\n      ansible_port: 9\n"


@pytest.fixture
def inventory(host: Host, tmp_path: Path) -> Path:
    """Names one host."""
    write_inventory(tmp_path / "inventory.yml", [host], {"roles": []})
    return tmp_path / "inventory.yml"


@pytest.fixture
def unreachable(inventory: Path) -> Path:
    """Names a second host too, that is not there."""
    path = inventory.with_name("two.yml")
    path.write_text(inventory.read_text().replace("  vars:", f"{GONE}  vars:"))
    return path


def call(command: str, inventory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``provision COMMAND INVENTORY WORDS`` to its end."""
    argv: list[str | Path] = [PROVISION, command, inventory, *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)


def test_exec_runs_a_line_or_a_program_as_root(inventory: Path) -> None:
    line = call("exec", inventory, "--", "id -un; pwd; umask; echo oops >&2")
    assert (line.stdout, line.stderr, line.returncode) == ("root\n/root\n0022\n", "oops\n", 0)
    assert call("exec", inventory, "--", "printf", "%s|", "a  b", "$HOME").stdout == "a  b|$HOME|"


def test_exec_is_root_through_sudo(make_host: Callable[[Image], Host], tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    write_inventory(path, [make_host(Image("bookworm", "cloud"))], {})
    assert call("exec", path, "--", "id", "-un").stdout == "root\n"


def test_exec_on_several_hosts_names_them(host: Host, unreachable: Path) -> None:
    done = call("exec", unreachable, "--", "echo here")
    assert done.stdout == f"{host.name} | here\n"
    assert "unreachable: [gone]" in done.stderr
    assert done.returncode == 3


def test_exec_puts_failure_before_unreachable(host: Host, unreachable: Path) -> None:
    done = call("exec", unreachable, "--", "exit 9")
    assert f"{host.name} | exit status 9\n" in done.stderr
    assert done.returncode == 1


def test_exec_as_json(host: Host, unreachable: Path) -> None:
    """A line for each host, and nothing else anywhere."""
    done = call("exec", unreachable, "--json", "--", "echo here; echo oops >&2; exit 9")
    ended = {line["host"]: line for line in map(json.loads, done.stdout.splitlines())}
    own = ended[host.name]
    assert (own["status"], own["stdout"], own["stderr"], own["error"]) == (9, "here\n", "oops\n", None)
    assert (ended["gone"]["status"], ended["gone"]["error"]["kind"]) == (None, "Unreachable")
    assert (done.stderr, done.returncode) == ("", 1)


def test_ssh_logs_in(host: Host, inventory: Path) -> None:
    assert call("ssh", inventory, host.name, "--", "echo", "$SHELL").stdout == "/bin/bash\n"
    assert call("ssh", inventory, "--", "exit", "6").returncode == 6
    with terminal("ssh", inventory, host.name) as shell:
        shell.expect(r"root@.*# ")
        shell.type("exit 4")
        assert shell.end() == 4
