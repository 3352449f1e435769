"""The lab itself: what it promises about its hosts, and that it leaves nothing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import testinfra.host
import yaml
from click.testing import CliRunner

from provision.cli.lab import lab as command
from provision.errors import ConfigError, ProvisionError
from provision.lab import processes
from provision.lab.lab import Lab
from provision.lab.network import Network
from provision.lab.provider import Host, Image
from provision.lab.records import Records

# One value per boot: the time at which systemd started.
_BOOT = "systemctl show --property UserspaceTimestampMonotonic --value"

# Where a lab could be seen on this machine.
_SOURCES = {
    "process": "ps -eww -o stat= -o cgroup= | grep -v ^Z",
    "link": "ip -brief link",
    "rule": "iptables-save",
    "mount": "cat /proc/self/mounts",
    "control group": "find /sys/fs/cgroup -type d -name 'provision-*' 2>/dev/null || :",
    "nspawn": "ls /run/systemd/nspawn/propagate",
}


@pytest.fixture
def own_name(lab_name: str, lab_base: Path) -> Iterator[str]:
    """The name of a lab that only one test uses; removed after it."""
    name = f"{lab_name}x"
    yield name
    Lab(name, lab_base).down()


def test_two_hosts_are_bare_and_see_each_other(lab: Lab, make_host: Callable[[Image], Host]) -> None:
    one, two = make_host(Image()), make_host(Image())

    assert lab.run(one, "whoami; hostname; command -v python3").stdout.split() == ["root", one.name]
    assert lab.run(one, "systemctl is-system-running").stdout.strip() == "running"
    greeting = f"exec 3<>/dev/tcp/{two.address}/22; head -c 4 <&3"
    assert lab.run(one, f"bash -c '{greeting}'").stdout == "SSH-"
    assert one.known_hosts.read_text().split()[2] != two.known_hosts.read_text().split()[2]


def test_apt_reaches_its_mirror(lab: Lab, host: Host) -> None:
    result = lab.run(host, "apt-get update --error-on=any && apt-cache policy python3-minimal")

    assert "Candidate: 3." in result.stdout, result.stderr


def test_testinfra_looks_in(host: Host, inspect: Callable[[Host], testinfra.host.Host]) -> None:
    view = inspect(host)

    assert view.service("ssh").is_running
    assert view.file("/etc/hosts").contains("127.0.0.1 localhost")


def test_the_cloud_image_wants_its_own_login(
    lab: Lab, make_host: Callable[[Image], Host], inspect: Callable[[Host], testinfra.host.Host]
) -> None:
    cloud = make_host(Image("trixie", "cloud"))

    assert cloud.user == "debian"
    assert lab.run(cloud, "sudo -n whoami; . /etc/os-release; echo $VERSION_CODENAME").stdout.split() == [
        "root",
        "trixie",
    ]
    root = inspect(cloud).file("/root/.ssh/authorized_keys").content_string
    assert 'Please login as the user \\"debian\\" rather than the user \\"root\\"' in root
    login = ["ssh", *cloud.ssh_options, f"root@{cloud.address}", "id"]
    with subprocess.Popen(login, stdout=subprocess.PIPE, text=True) as refused:
        assert refused.stdout is not None
        assert refused.stdout.readline() == 'Please login as the user "debian" rather than the user "root".\n'
        refused.kill()  # It would hold the line for ten seconds, as cloud images do.


def test_units_of_one_name_are_stopped_apart(lab: Lab, make_host: Callable[[Image], Host]) -> None:
    one, two = make_host(Image()), make_host(Image())
    unit = "[Service]\nExecStart=sh -c 'sleep 2001 & exec sleep 2002'\nKillMode=mixed\n"
    for each in (one, two):
        (lab.root(each) / "etc/systemd/system/pair.service").write_text(unit)
        lab.run(each, "systemctl daemon-reload && systemctl start pair")

    stop = lab.run(one, "systemctl stop pair; pgrep -c sleep; journalctl --quiet -u pair --grep 'Failed to kill'")

    assert (stop.stdout.split(), stop.stderr) == (["0"], "")
    assert lab.run(two, "pgrep -c sleep").stdout.strip() == "2"


def test_up_keeps_what_runs_and_adds_what_is_missing(own_name: str, lab_base: Path) -> None:
    lab = Lab.up(own_name, lab_base)
    before = lab.run(lab.hosts[0], _BOOT).stdout

    lab.ensure(2, Image())

    assert [host.name for host in lab.hosts] == [f"{own_name}1", f"{own_name}2"]
    assert lab.run(lab.hosts[0], _BOOT).stdout == before != ""
    with pytest.raises(ConfigError, match=r"exists as bookworm \(minimal\), not as trixie \(cloud\)"):
        lab.ensure(2, Image("trixie", "cloud"))


def test_reset_gives_a_fresh_disk_and_host_key(lab: Lab, fresh_host: Host) -> None:
    lab.run(fresh_host, "touch /etc/left-behind")
    key = fresh_host.known_hosts.read_text()

    again = lab.reset(fresh_host)

    assert (again.name, again.address) == (fresh_host.name, fresh_host.address)
    assert again.known_hosts.read_text() != key
    assert lab.run(again, "test -e /etc/left-behind").returncode == 1


def test_a_host_begins_where_another_was_saved(lab: Lab, fresh_host: Host, tmp_path: Path) -> None:
    layers = [tmp_path / "second", tmp_path / "first"]
    lab.run(fresh_host, "echo first | tee /etc/kept /etc/written; rm /etc/issue")
    lab.save(fresh_host, layers[1])
    other = lab.add(layers=layers[1:])
    lab.run(other, "echo second >/etc/written")
    lab.save(other, layers[0])
    lab.remove(other)

    again = lab.add(layers=layers)

    seen = lab.run(again, "cat /etc/kept /etc/written; ls /etc/issue; hostname").stdout
    assert seen == f"first\nsecond\n{again.name}\n"
    assert again.known_hosts.read_text().split()[2] != fresh_host.known_hosts.read_text().split()[2]
    lab.remove(again)


def test_a_restored_host_is_as_at_its_snapshot(own_name: str, lab_base: Path) -> None:
    lab = Lab.up(own_name, lab_base)
    (host,) = lab.hosts
    lab.run(host, "echo kept >/etc/kept")
    invoke = CliRunner().invoke

    invoke(command, ["snapshot", "--name", own_name], catch_exceptions=False)
    for _ in range(2):
        lab.run(host, "echo written >/etc/kept; touch /etc/later; rm /etc/issue")
        invoke(command, ["restore", "--name", own_name], catch_exceptions=False)
        assert lab.run(host, "cat /etc/kept; ls /etc/later /etc/issue").stdout == "kept\n/etc/issue\n"

    with pytest.raises(ConfigError, match=f"{host.name} has no snapshot 'other'") as caught:
        invoke(command, ["restore", "--name", own_name, "other"], catch_exceptions=False)
    assert caught.value.hint == "there are: snapshot"


def test_a_restart_keeps_the_disk_and_forgets_what_was_in_memory(lab: Lab, fresh_host: Host) -> None:
    boot = lab.run(fresh_host, _BOOT).stdout
    lab.run(fresh_host, "echo kept >/root/kept; echo lost >/run/lost")

    lab.restart(fresh_host)

    assert lab.run(fresh_host, "cat /root/kept; ls /run/lost").stdout == "kept\n"
    assert lab.run(fresh_host, _BOOT).stdout != boot


def test_up_repairs_a_host_whose_supervisor_was_killed(own_name: str, lab_base: Path) -> None:
    lab = Lab.up(own_name, lab_base)
    (host,) = lab.hosts
    lab.run(host, "echo kept >/etc/kept && sync")
    processes.kill(processes.supervisor(_group(lab_base, host)))

    lab.ensure(1, Image())

    assert lab.run(host, "cat /etc/kept").stdout == "kept\n"
    assert processes.exists(processes.supervisor(_group(lab_base, host)))


def test_up_repairs_a_lab_after_a_reboot_of_the_machine(own_name: str, lab_base: Path) -> None:
    lab = Lab.up(own_name, lab_base)
    (host,) = lab.hosts
    lab.run(host, "echo kept >/etc/kept && sync")
    processes.kill(processes.container(_group(lab_base, host)))
    assert processes.wait_gone(processes.supervisor(_group(lab_base, host)), timeout=60)
    subprocess.run(["umount", str(lab.root(host))], check=True)
    _network(host).remove()

    lab.ensure(1, Image())

    assert lab.run(host, "cat /etc/kept").stdout == "kept\n"


def test_a_running_host_is_reconnected_when_its_bridge_was_lost(own_name: str, lab_base: Path) -> None:
    lab = Lab.up(own_name, lab_base)
    (host,) = lab.hosts
    before = lab.run(host, _BOOT).stdout
    _network(host).remove()

    lab.ensure(1, Image())

    assert lab.run(host, _BOOT).stdout == before != ""


def test_the_commands_leave_nothing(own_name: str, lab_base: Path, tmp_path: Path) -> None:
    inventory = tmp_path / "inventories" / "lab.yml"
    arguments = ["--name", own_name, "--count", "2", "--inventory", str(inventory), "--var", "python_version=3.10"]

    up = CliRunner().invoke(command, ["up", *arguments], catch_exceptions=False)

    one, two = Lab(own_name, lab_base).hosts
    assert up.stdout.split() == [one.name, one.address, two.name, two.address]
    assert "python_version: 3.10" in inventory.read_text()
    assert yaml.safe_load(inventory.read_text())["all"]["hosts"][two.name]["ansible_host"] == two.address
    listing = CliRunner().invoke(command, ["list"], catch_exceptions=False).stdout
    assert f"{one.name}  {one.address}  running" in listing
    bridge = _network(one).bridge
    assert {kind for kind, _ in _traces(own_name, bridge)} == set(_SOURCES)

    CliRunner().invoke(command, ["down", "--name", own_name], catch_exceptions=False)

    assert _traces(own_name, bridge) == []
    assert not (lab_base / "labs" / own_name).exists()
    assert not inventory.exists()


def test_a_namesake_in_another_folder_is_left_alone(own_name: str, lab_base: Path, tmp_path: Path) -> None:
    lab, other = Lab.up(own_name, lab_base), Lab(own_name, tmp_path)
    (host,) = lab.hosts
    boot = lab.run(host, _BOOT).stdout

    with pytest.raises(ProvisionError, match=f"a host {host.name} of another folder"):
        other.add()
    other.down()

    assert lab.run(host, _BOOT).stdout == boot != ""
    assert lab.running(host)


def _group(lab_base: Path, host: Host) -> str:
    return f"{Records(lab_base, re.sub('[0-9]+$', '', host.name)).mark}-{host.name}"


def _network(host: Host) -> Network:
    return Network(int(host.address.split(".")[2]))


def _traces(name: str, bridge: str) -> list[tuple[str, str]]:
    """What this machine still shows of the lab ``name``: kind of trace and the line that names it."""
    ours = re.compile(rf"\b({name}\d+|{bridge})\b")
    shown = {
        kind: subprocess.run(["sh", "-c", source], capture_output=True, text=True, check=True).stdout
        for kind, source in _SOURCES.items()
    }
    return [(kind, line) for kind, lines in shown.items() for line in lines.splitlines() if ours.search(line)]
