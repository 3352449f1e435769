"""Settings of a host under dash and bash, below a root of the test's own: what the kinds write is sent there."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.plan import compare
from provision.resources.authorized_key import AuthorizedKey
from provision.resources.base import Diff, Facts, Read, Shell
from provision.resources.cron import Cron
from provision.resources.hostname import Hostname
from provision.resources.sysctl import Sysctl
from provision.resources.systemd_unit import SystemdUnit
from provision.resources.timezone import Timezone
from provision.resources.wait_for import WaitFor

from .live_host import Host as LiveHost

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0mLRxOoyLKXcM1BhpnsGSR2oqEbrsMEzUyEsEYyxLd"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC8tvcy=="

FAKES = {
    "getent": 'if [ "$3" = "$ME" ]; then echo "$ME:x:0:0::$ROOT/home:/bin/sh"; fi',
    "runuser": 'shift 3; exec "$@"',
    "uname": 'cat "$ROOT/kernel"',
    "hostname": 'echo "$2" >"$ROOT/kernel"',
    "systemctl": 'echo "systemctl $*" >>"$ROOT/log"',
    "crontab": ":",
}
PLACES = ("/etc/", "/proc/sys/", "/usr/share/zoneinfo")


class Host:
    """A pretended root with one shell."""

    def __init__(self, shell: str, root: Path) -> None:
        self.root, self._shell = root, str(shutil.which(shell))
        for folder in ("bin", "etc/cron.d", "etc/systemd/system", "proc/sys/net/ipv4", "usr/share/zoneinfo/Europe"):
            (root / folder).mkdir(parents=True)
        for name, text in FAKES.items():
            (root / "bin" / name).write_text("#!/bin/sh -eu\n" + text)
            (root / "bin" / name).chmod(0o755)
        path = f"{root / 'bin'}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "ROOT": str(root), "ME": getpass.getuser()}

    def run(self, script: str, files: Path | None = None) -> tuple[int, str]:
        for place in PLACES:
            script = script.replace(place, str(self.root) + place)
        environment = {**self.environment, "FILES": str(files)}
        command = [self._shell, "-eu", "-c", script]
        ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ran.returncode, ran.stdout

    def read(self, reads: Sequence[Read]) -> dict[str, str]:
        """What the one Shell read of a kind says."""
        (read,) = (read for read in reads if isinstance(read, Shell))
        said = self.run("set +eu\n" + read.script)[1]
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def change(self, resource: Any) -> tuple[int, str]:
        (step,) = resource.change(Diff((), {}, Facts()))
        files = self.root / "files"
        files.mkdir(exist_ok=True)
        for name, data in step.files.items():
            (files / name).write_bytes(data)
        return self.run(step.script, files)

    def settled(self, resource: Any) -> bool:
        """Does the Shell read find what is wanted of it?"""
        reads = list(resource.reads())
        (shell,) = (read for read in reads if isinstance(read, Shell))
        wanted = {prop: text for prop, text in resource.desired(Facts()).items() if prop.read == shell}
        return not compare(wanted, {shell: self.read(reads)}, Facts()).changes

    def settle(self, resource: Any) -> None:
        assert not self.settled(resource)
        assert self.change(resource) == (0, "")
        assert self.settled(resource)
        assert self.change(resource)[0] == 0
        assert self.settled(resource)


@pytest.fixture(params=["dash", "bash"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(request.param, tmp_path)


def test_a_parameter_of_the_kernel(host: Host) -> None:
    path = host.root / "proc/sys/net/ipv4/tcp_rmem"
    path.write_text("4096\t131072\t6291456\n")
    wanted = Sysctl(name="net.ipv4.tcp_rmem", value=" 4096 1 2 ")
    host.settle(wanted)
    assert path.read_text() == "4096 1 2\n"
    written = host.root / "etc/sysctl.d/99-zz-net.ipv4.tcp_rmem.conf"
    assert written.read_text() == "# Managed by provision.\nnet.ipv4.tcp_rmem = 4096 1 2\n"
    host.change(replace(wanted, value=None, state="absent"))
    assert not written.exists()


def test_a_parameter_that_the_kernel_has_not(host: Host) -> None:
    status, output = host.change(Sysctl(name="net.nope", value="1"))
    assert (status, output) == (1, "there is no kernel parameter net.nope: check the name, or load its module first\n")
    (host.root / "proc/sys/net/full").symlink_to("/dev/full")
    status, output = host.change(Sysctl(name="net.full", value="1"))
    assert (status, output.splitlines()[-1]) == (1, "the kernel refuses the value 1 of net.full")
    assert not (host.root / "etc/sysctl.d").exists()


def test_the_name_of_the_host(host: Host) -> None:
    (host.root / "kernel").write_text("localhost\n")
    host.settle(Hostname(name="web-1.example.com"))
    assert (host.root / "etc/hostname").read_text() == "web-1.example.com\n"


@pytest.mark.parametrize("has_timezone", [True, False], ids=["Debian 12", "Debian 13"])
def test_the_time_zone(host: Host, has_timezone: bool) -> None:
    (host.root / "usr/share/zoneinfo/Europe/Berlin").touch()
    (host.root / "etc/localtime").symlink_to("../usr/share/zoneinfo/Etc/UTC")
    if has_timezone:
        (host.root / "etc/timezone").write_text("Etc/UTC\n")
    host.settle(Timezone(name="Europe/Berlin"))
    assert os.readlink(host.root / "etc/localtime").endswith("/usr/share/zoneinfo/Europe/Berlin")
    assert (host.root / "etc/timezone").exists() == has_timezone
    assert "there is no time zone Mars/North" in host.change(Timezone(name="Mars/North"))[1]


def test_a_job_needs_cron(host: Host) -> None:
    job = Cron(name="back up", job="backup --all 100\\%", minute="5")
    assert host.change(job) == (0, "")
    assert (host.root / "etc/cron.d/back-up").read_text().endswith("\n5 * * * * root backup --all 100\\%\n")
    (host.root / "bin/crontab").unlink()
    host.environment["PATH"] = str(host.root / "bin")
    assert "cron is not installed" in host.change(job)[1]


def test_a_unit_and_its_drop_in(host: Host) -> None:
    unit = SystemdUnit(name="a.service", content="[Service]\n")
    dropin = replace(unit, dropin="more")
    folder = host.root / "etc/systemd/system"
    assert [host.change(unit), host.change(dropin)] == [(0, "")] * 2
    assert (folder / "a.service.d/more.conf").read_text() == "[Service]\n"
    gone = [replace(dropin, content=None, state="absent"), replace(unit, content=None, state="absent")]
    assert [host.change(each) for each in gone * 2] == [(0, "")] * 4
    assert os.listdir(folder) == []
    log = (host.root / "log").read_text().splitlines()
    assert log.count("systemctl disable --now -- a.service") == 1
    assert log.count("systemctl daemon-reload") == 6


def test_keys_of_a_user(host: Host) -> None:
    me = getpass.getuser()
    (host.root / "home/.ssh").mkdir(parents=True)
    path = host.root / "home/.ssh/authorized_keys"
    host.settle(AuthorizedKey(user=me, key=f"# ours\n{ED} ann\n\n{RSA}\n", key_options='from="10.0.0.0/8",no-pty'))
    assert path.read_text() == f'from="10.0.0.0/8",no-pty {ED} ann\nfrom="10.0.0.0/8",no-pty {RSA}\n'
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.write_text(f'# by hand\n\n{RSA} bob\ncommand="echo ssh AAAA x" {ED}\n{ED} twice')
    path.chmod(0o644)
    host.settle(AuthorizedKey(user=me, key=f"{ED} ann"))
    assert path.read_text() == f"# by hand\n\n{RSA} bob\n{ED} ann\n"
    host.settle(AuthorizedKey(user=me, key=f"{ED} ann", exclusive=True))
    assert path.read_text() == f"# by hand\n\n{ED} ann\n"
    host.settle(AuthorizedKey(user=me, key=ED, state="absent"))
    assert path.read_text() == "# by hand\n\n"
    assert os.listdir(path.parent) == ["authorized_keys"]


def test_keys_are_not_written_through_a_link(host: Host) -> None:
    (host.root / "home/.ssh").mkdir(parents=True)
    (host.root / "another").write_text("another's\n")
    (host.root / "home/.ssh/authorized_keys").symlink_to(host.root / "another")
    host.change(AuthorizedKey(user=getpass.getuser(), key=ED))
    assert (host.root / "another").read_text() == "another's\n"
    assert "has no home" in host.change(AuthorizedKey(user="nobody_here", key=ED))[1]


@pytest.fixture(params=["dash", "bash"])
def live(request: pytest.FixtureRequest, tmp_path: Path) -> LiveHost:
    return LiveHost(request.param, tmp_path)


def test_wait_for_a_port(live: LiveHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert live.converge(WaitFor(port=port)) == set()
        assert f"port {port} of 127.0.0.1 is not closed after 0 s" in live.fails(
            WaitFor(port=port, state="stopped", timeout=0)
        )
    assert live.converge(WaitFor(port=port, state="stopped")) == set()
    assert live.fails(WaitFor(port=port, timeout=0, msg="why $x?")) == "why $x?\n"


def test_wait_for_a_path(live: LiveHost, tmp_path: Path) -> None:
    path = tmp_path / "a=b c"
    assert "is not there after 0 s" in live.fails(WaitFor(path=str(path), timeout=0))
    stale = live.diff(WaitFor(path=str(path)))
    path.symlink_to("/")
    assert live.apply(WaitFor(path=str(path)), stale).status == 0
    assert live.converge(WaitFor(path=str(path), state="present")) == set()
