"""The package step around a dpkg and an apt that only pretend: when it refreshes, repairs, waits, retries and fails."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from provision.resources.aptget import FUNCTIONS
from provision.resources.base import Diff, Facts
from provision.resources.package import Package
from provision.shell import sh

# installed, candidates: names, one per line. broken: exists while something is half configured.
# updated: what a refreshed index knows in addition. The state of the pretended system lies in $STATE.
FAKES = {
    "dpkg-query": """
for name; do
    if grep -qx -e "$name" "$STATE/installed"; then printf '|%s installed|%s=1 installed|' "$name" "$name"; fi
done""",
    "apt-cache": """
shift
for name; do
    if grep -qx -e "$name" "$STATE/candidates"; then printf '%s:\\n  Candidate: 1\\n' "$name"; fi
done""",
    "dpkg": """
case $* in
--audit) cat "$STATE/broken" 2>/dev/null || : ;;
*) echo "dpkg $*" >>"$STATE/log"; rm -f "$STATE/broken" ;;
esac""",
    "apt-get": """
while [ $# -gt 0 ]; do
    case $1 in
    -o) shift ;;
    update)
        echo update >>"$STATE/log"
        if [ -e "$STATE/offline" ]; then echo 'E: Failed to fetch http://mirror'; exit 100; fi
        cat "$STATE/updated" >>"$STATE/candidates"
        ;;
    install | remove)
        action=$1
        shift 2
        echo "$action $*" >>"$STATE/log"
        if [ -e "$STATE/moved" ]; then rm "$STATE/moved"; echo 'E: 404'; exit 100; fi
        if [ -e "$STATE/lazy" ]; then exit 0; fi
        for name; do
            if [ "$action" = install ]; then echo "$name" >>"$STATE/installed"
            else sed -i "/^$name\\$/d" "$STATE/installed"; fi
        done
        ;;
    esac
    shift
done""",
}


class Machine:
    """A pretended Debian with one shell."""

    def __init__(self, shell: str, root: Path) -> None:
        self._shell, self._root = str(shutil.which(shell)), root
        for folder in ("bin", "state", "etc/apt/sources.list.d", "var/lib/dpkg/updates", "var/lib/apt/periodic"):
            (root / folder).mkdir(parents=True)
        for name, text in FAKES.items():
            (root / "bin" / name).write_text("#!/bin/sh -eu\n" + text)
            (root / "bin" / name).chmod(0o755)
        self.state = root / "state"
        self.stamp = root / "var/lib/apt/periodic/update-success-stamp"
        self.source = root / "etc/apt/sources.list.d/x.sources"
        self.source.touch()
        for name in ("installed", "candidates", "updated"):
            (self.state / name).touch()

    def run(self, script: str) -> tuple[int, str]:
        for real in ("/var/lib/", "/etc/apt/", "/run/cloud-init"):
            script = script.replace(real, str(self._root) + real)
        path = f"{self._root / 'bin'}:{os.environ['PATH']}"
        ran = subprocess.run(
            [self._shell, "-eu", "-c", script],
            env={**os.environ, "PATH": path, "STATE": str(self.state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return ran.returncode, ran.stdout

    def step(self, package: Package, also: Iterable[str] = ()) -> tuple[int, str]:
        (step,) = package.change(Diff((), {}, Facts()), also)
        return self.run(step.script)

    @property
    def log(self) -> list[str]:
        """What was done, in order."""
        log = self.state / "log"
        return log.read_text().splitlines() if log.exists() else []

    def refreshed(self, seconds_ago: float = 0) -> None:
        """Pretend that the index was refreshed then, and the sources written before that."""
        self.stamp.touch()
        then = time.time() - seconds_ago
        os.utime(self.stamp, (then, then))
        for path in (self.source, self.source.parent):
            os.utime(path, (then - 10, then - 10))


@pytest.fixture(params=["dash", "bash"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(request.param, tmp_path)


def test_a_fresh_index_that_knows_the_package_is_enough(machine: Machine) -> None:
    machine.refreshed()
    (machine.state / "installed").write_text("bb\n")
    (machine.state / "candidates").write_text("aa\nbb\ncc\n")
    assert machine.step(Package(name=("aa", "bb", "cc"))) == (0, "")
    assert machine.log == ["install aa cc"]


def test_nothing_is_done_where_another_was_quicker(machine: Machine) -> None:
    (machine.state / "installed").write_text("aa\n")
    assert machine.step(Package(name=("aa",))) == (0, "")
    assert machine.log == []
    assert not machine.stamp.exists()


def test_what_others_want_comes_in_the_same_transaction(machine: Machine) -> None:
    """Also what only a fresh index knows; what nobody knows is left to the task that asks for it."""
    (machine.state / "installed").write_text("cc\n")
    (machine.state / "updated").write_text("aa\nbb\ncc\n")
    assert machine.step(Package(name=("aa",)), also=("bb", "nosuch", "cc"))[0] == 0
    assert machine.log == ["update", "install aa bb cc"]


@pytest.mark.parametrize("age", [3601, -60], ids=["old", "in the future"])
def test_an_index_of_another_time_is_refreshed(machine: Machine, age: float) -> None:
    machine.refreshed(age)
    (machine.state / "candidates").write_text("aa\n")
    assert machine.step(Package(name=("aa",)))[0] == 0
    assert machine.log == ["update", "install aa"]
    assert time.time() - machine.stamp.stat().st_mtime < 60


def test_a_source_newer_than_the_index_makes_it_stale(machine: Machine) -> None:
    machine.refreshed()
    machine.source.write_text("changed")
    os.utime(machine.source, (time.time() + 1, time.time() + 1))
    (machine.state / "candidates").write_text("aa\n")
    assert machine.step(Package(name=("aa",)))[0] == 0
    assert machine.log == ["update", "install aa"]


def test_an_unknown_package_makes_the_index_stale(machine: Machine) -> None:
    machine.refreshed()
    (machine.state / "updated").write_text("aa\n")
    assert machine.step(Package(name=("aa",)))[0] == 0
    assert machine.log == ["update", "install aa"]


def test_a_package_that_nobody_knows_is_named(machine: Machine) -> None:
    (machine.state / "candidates").write_text("aa\n")
    status, output = machine.step(Package(name=("aa", "nosuch", "python3.1")))
    assert status == 1
    assert "no package to install for: nosuch python3.1" in output
    assert machine.log == ["update"]


def test_the_index_is_left_alone_where_that_is_asked_for(machine: Machine) -> None:
    (machine.state / "updated").write_text("aa\n")
    assert machine.step(Package(name=("aa",), update_cache=False))[0] == 1
    assert machine.log == []


def test_a_failed_refresh_is_a_failure_and_is_tried_again_next_time(machine: Machine) -> None:
    (machine.state / "candidates").write_text("aa\n")
    (machine.state / "offline").touch()
    status, output = machine.step(Package(name=("aa",)))
    assert status == 1
    assert output.splitlines()[-2:] == [
        "E: Failed to fetch http://mirror",
        "apt-get update failed: the E: lines above name the repository and the cause",
    ]
    (machine.state / "offline").unlink()
    assert machine.step(Package(name=("aa",)))[0] == 0
    assert machine.log == ["update", "update", "install aa"]


def test_a_mirror_that_moved_on_gets_a_second_chance(machine: Machine) -> None:
    machine.refreshed()
    (machine.state / "candidates").write_text("aa\n")
    (machine.state / "moved").touch()
    assert machine.step(Package(name=("aa",)))[0] == 0
    assert machine.log == ["install aa", "update", "install aa"]


def test_a_second_chance_is_not_given_after_a_refresh(machine: Machine) -> None:
    (machine.state / "candidates").write_text("aa\n")
    (machine.state / "moved").touch()
    assert machine.step(Package(name=("aa",)))[0] == 1
    assert machine.log == ["update", "install aa"]


def test_success_without_the_package_is_a_failure(machine: Machine) -> None:
    machine.refreshed()
    (machine.state / "candidates").write_text("aa\n")
    (machine.state / "lazy").touch()
    assert machine.step(Package(name=("aa",))) == (1, "apt-get ended well, but not installed: aa \n")


@pytest.mark.parametrize("sign", ["state/broken", "var/lib/dpkg/updates/0001"])
def test_an_interrupted_dpkg_is_repaired_first(machine: Machine, tmp_path: Path, sign: str) -> None:
    machine.refreshed()
    (machine.state / "candidates").write_text("aa\n")
    (tmp_path / sign).write_text("half configured: b\n")
    assert machine.step(Package(name=("aa",)))[0] == 0
    assert machine.log == ["dpkg --force-confdef --force-confold --configure -a", "install aa"]


def test_only_what_is_there_is_removed(machine: Machine) -> None:
    (machine.state / "installed").write_text("aa\nbb\n")
    assert machine.step(Package(name=("aa", "cc"), state="absent")) == (0, "")
    assert machine.step(Package(name=("aa", "cc"), state="absent")) == (0, "")
    assert machine.log == ["remove aa"]


def test_the_holder_of_a_lock_is_named(machine: Machine, tmp_path: Path) -> None:
    lock = tmp_path / "lock-frontend"
    script = FUNCTIONS + sh("\nlock_holder {} {}", str(tmp_path / "nosuch"), str(lock))
    with lock.open("w") as file:
        assert machine.run(script) == (0, "")
        fcntl.lockf(file, fcntl.LOCK_EX)
        status, output = machine.run(script)
    assert status == 0
    assert output.split()[0] == str(os.getpid())
    assert machine.run(script) == (0, "")


def test_a_lock_is_waited_for_and_its_holder_named_once(machine: Machine) -> None:
    fakes = 'lock_holder() { if [ -s "$STATE/held" ]; then cat "$STATE/held"; fi; }\n'
    fakes += 'sleep() { echo tick; if [ "$waited" -eq 2 ]; then : >"$STATE/held"; fi; }\n'
    (machine.state / "held").write_text("7 unattended-upgrade\n")
    status, output = machine.run(FUNCTIONS + "\n" + fakes + "wait_for_locks")
    assert (status, output.splitlines()) == (
        0,
        ["waiting for the package manager, held by process 7 unattended-upgrade", "tick", "tick", "tick"],
    )


def test_a_lock_that_stays_is_a_failure(machine: Machine) -> None:
    fakes = "patience=30\nlock_holder() { echo 7 aptitude; }\nsleep() { :; }\n"
    status, output = machine.run(FUNCTIONS + "\n" + fakes + "wait_for_locks")
    assert status == 1
    assert output.splitlines()[-1].startswith("process 7 aptitude has held the package manager for 30 s")


def test_cloud_init_is_waited_for_while_it_runs(machine: Machine, tmp_path: Path) -> None:
    tool = tmp_path / "bin/cloud-init"
    tool.write_text('#!/bin/sh\necho "cloud-init $*" >>"$STATE/log"\nexit 2\n')
    tool.chmod(0o755)
    script = FUNCTIONS + "\nwait_for_cloud_init"
    assert machine.run(script) == (0, "")
    (tmp_path / "run/cloud-init").mkdir(parents=True)
    status, output = machine.run(script)
    assert status == 0
    assert "cloud-init did not end well" in output
    (tmp_path / "run/cloud-init/result.json").touch()
    assert machine.run(script) == (0, "")
    assert machine.log == ["cloud-init status --wait"]
