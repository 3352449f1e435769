"""What a lab reads of, and does to, the machine it runs on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from provision.errors import ProvisionError
from provision.lab import cgroup, commands, processes
from provision.lab.network import Network, free_network
from provision.shell import lines, sh

_PURE = "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
_HYBRID = (
    "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "35 24 0:30 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,name=systemd\n"
    "36 24 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "37 24 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)


def test_addresses_of_a_network() -> None:
    network = Network(3)

    assert (network.bridge, str(network.subnet), network.gateway) == ("lab3", "10.77.3.0/24", "10.77.3.1")
    assert [network.address(number) for number in (1, 99)] == ["10.77.3.11", "10.77.3.109"]


@pytest.mark.parametrize(
    ("taken", "links", "routes", "index"),
    [
        ([], [], ["default", "10.0.0.0/8"], 0),
        ([0, 1], [], [], 2),
        ([], ["lab0"], [], 1),
        ([], [], ["10.77.0.5", "10.77.1.0/25", "192.168.0.0/16"], 2),
    ],
)
def test_a_new_network_keeps_clear_of_labs_links_and_routes(
    taken: Sequence[int], links: Sequence[str], routes: Sequence[str], index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provision.lab.network.run", lambda *argv: json.dumps([{"dst": route} for route in routes]))
    monkeypatch.setattr("provision.lab.network.exists", lambda link: link in links)

    assert free_network(taken).index == index


def test_no_network_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.lab.network.run", lambda *argv: json.dumps([{"dst": "10.77.0.0/16"}]))

    with pytest.raises(ProvisionError, match=r"all of 10\.77\.0\.0/16 is in use"):
        free_network([])


@pytest.mark.parametrize(
    ("mounts", "folders"),
    [
        (_PURE, ["/sys/fs/cgroup/g"]),
        (_HYBRID, ["/sys/fs/cgroup/systemd/g", "/sys/fs/cgroup/unified/g"]),
    ],
)
def test_the_hierarchies_that_systemd_uses(mounts: str, folders: list[str], tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(mounts)

    assert [str(group) for group in cgroup.groups("g", tmp_path / "mountinfo")] == folders


def test_what_cannot_enter_its_group_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with a /sys that is read-only: nobody would find it again."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(cgroup, "groups", lambda name: [tmp_path / "file" / name])
    script = lines(cgroup.enter("g"), sh("echo ran"))

    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=False)

    assert (done.returncode != 0, done.stdout) == (True, "")
    monkeypatch.setattr(cgroup, "groups", lambda name: [])
    with pytest.raises(ProvisionError, match="no control groups"):
        cgroup.enter("g")


@pytest.mark.parametrize(
    ("path", "container", "supervisor"),
    [
        ("/g/payload/system.slice/ssh.service", True, False),
        ("/g/payload/init.scope", True, False),
        ("/g/payload", True, False),
        ("/g/payload2", False, False),
        ("/g/supervisor", False, True),
        ("/g", False, True),
        ("/g2/payload/init.scope", False, False),
        ("/g2/supervisor", False, False),
        ("/", False, False),
    ],
)
def test_a_process_is_known_by_its_group(path: str, container: bool, supervisor: bool, tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text(f"9:name=systemd:{path}\n4:memory:/elsewhere\n0::{path}\n")

    assert processes.container("g")(tmp_path) is container
    assert processes.supervisor("g")(tmp_path) is supervisor


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends only when it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


def test_kill_ends_exactly_the_processes_that_pass(sleeper: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as other:
        processes.kill(lambda process: process.name == str(other.pid))

        assert other.wait(timeout=120) == -9
    assert sleeper.poll() is None


def test_wait_gone_is_bounded(sleeper: subprocess.Popen[bytes]) -> None:
    def test(process: Path) -> bool:
        return process.name == str(sleeper.pid)

    assert not processes.wait_gone(test, timeout=0.01)
    sleeper.kill()
    assert processes.wait_gone(test, timeout=120)


def test_a_process_that_has_ended_and_was_not_waited_for_does_not_pass(sleeper: subprocess.Popen[bytes]) -> None:
    def test(process: Path) -> bool:
        return process.name == str(sleeper.pid)

    assert processes.exists(test)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    assert Path("/proc", str(sleeper.pid), "stat").exists()
    assert not processes.exists(test)


def test_a_process_that_ends_while_it_is_looked_at_does_not_pass() -> None:
    def gone(process: Path) -> bool:
        raise ProcessLookupError(process)

    assert not processes.exists(gone)


def test_a_failing_tool_is_quoted() -> None:
    with pytest.raises(ProvisionError, match=r"`sh -c echo no such bridge >&2; exit 3` ended with status 3: no such"):
        commands.run("sh", "-c", "echo no such bridge >&2; exit 3")
