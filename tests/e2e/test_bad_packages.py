"""Package managers that are not as they should be: waited for, mended, or named with the cause and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.cli import Result, provision
from tests.e2e.held import running, write_role

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host

REPOSITORY = """
set -eu
mkdir -p /root/repository && cd /root/repository
build() { # NAME
    printf '%s\\n' "Package: $1" 'Version: 1' 'Architecture: all' 'Maintainer: nobody' "Description: $1" \
        >"$1/DEBIAN/control"
    dpkg-deb --build "$1" >/dev/null
    printf '%s\\n' "Filename: ./$1.deb" "Size: $(stat -c %s "$1.deb")" \
        "SHA256: $(sha256sum "$1.deb" | cut -d ' ' -f 1)" | cat "$1/DEBIAN/control" - >>Packages
    echo >>Packages
}
mkdir -p wanted/DEBIAN wanted/srv/wanted slow/DEBIAN
head -c 1000000 /dev/urandom >wanted/srv/wanted/file
printf '%s\\n' '#!/bin/sh' 'while [ -e /root/hold ]; do sleep 0.05; done' '[ ! -e /root/fail ]' >slow/DEBIAN/postinst
chmod 755 slow/DEBIAN/postinst
build wanted
build slow
"""
"""Two packages: one is large, the other can be held or made to fail while it is being configured."""

SOURCE = "deb [trusted=yes] file:/root/repository ./\n"


@pytest.fixture(scope="module")
def prepared(lab: Lab, host: Host) -> Host:
    """The minimal host, with a repository of its own as apt's only source."""
    (lab.root(host) / "root/build").write_text(REPOSITORY)
    built = lab.run(host, "sh /root/build")
    assert built.returncode == 0, built.stderr
    return host


@pytest.fixture
def run(lab: Lab, prepared: Host) -> Callable[[str], str]:
    """Runs a command on that host, which must succeed; its output."""

    def run(command: str) -> str:
        done = lab.run(prepared, command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def inventory(lab: Lab, prepared: Host, tmp_path: Path, run: Callable[[str], str]) -> Path:
    """Wants one package of that repository on that host, which has none of them."""
    run("dpkg --purge wanted slow 2>&1")
    (lab.root(prepared) / "etc/apt/sources.list").write_text(SOURCE)
    write_role(tmp_path, "wanted", "- name: Install it\n  package:\n    name: wanted\n")
    path = tmp_path / "inventory.yml"
    write_inventory(path, [prepared], {"roles": ["wanted"]})
    return path


def failed(inventory: Path) -> Result:
    """A run that the one task fails."""
    result = provision("up", inventory)
    assert (result.code, result.error["task"], result.changed) == (1, "wanted : Install it", [])
    return result


@pytest.mark.parametrize(
    ("source", "said", "hint"),
    [
        (
            "deb http://127.0.0.1:9/debian bookworm main\n",
            "E: Failed to fetch http://127.0.0.1:9/debian/dists/bookworm/InRelease  Could not connect to 127.0.0.1:9",
            "mend the sources below /etc/apt, or this host's way to them, and run again",
        ),
        (
            "deb http://mirror.invalid/debian bookworm main\n",
            "'mirror.invalid'",
            "this host cannot resolve that name: see its /etc/resolv.conf, then run again",
        ),
        (
            "deb file:/root/elsewhere ./\n",
            "E: The repository 'file:/root/elsewhere ./ Release' does not have a Release file.",
            "mend the sources below /etc/apt, or this host's way to them, and run again",
        ),
    ],
    ids=["refused", "no name", "no index"],
)
def test_an_index_that_fails(lab: Lab, prepared: Host, inventory: Path, source: str, said: str, hint: str) -> None:
    (lab.root(prepared) / "etc/apt/sources.list").write_text(source)

    result = failed(inventory)

    assert said in result.log
    assert result.error["log"][-1] == "apt-get update failed: the E: lines above name the repository and the cause"
    assert result.error["hint"] == hint


def test_no_space(inventory: Path, run: Callable[[str], str]) -> None:
    run("mkdir -p /srv/wanted && mount -t tmpfs -o size=64k none /srv/wanted")
    try:
        result = failed(inventory)
    finally:
        run("umount /srv/wanted")

    assert "No space left on device" in result.log
    assert result.error["hint"] == (
        "a file system of this host is full: see `df -h; df -i` there, make room and run again"
    )
    # With room again the half unpacked package is no obstacle.
    assert provision("up", inventory).code == 0


def test_another_package_manager_is_waited_for_and_named(inventory: Path, run: Callable[[str], str]) -> None:
    run("touch /root/hold; setsid dpkg -i /root/repository/slow.deb >/dev/null 2>&1 </dev/null &")
    try:
        run("until pgrep -f [s]low.postinst >/dev/null; do sleep 0.05; done")
        pid = run("pgrep -xo dpkg").strip()
        with running(inventory) as up:
            up.wait_for("task_output", f"waiting for the package manager, held by process {pid} dpkg -i")
            run("rm /root/hold")
            result = up.end()
    finally:
        run("rm -f /root/hold")

    assert (result.code, result.changed) == (0, ["wanted : Install it"])


def test_half_configured_packages_are_finished_first(inventory: Path, run: Callable[[str], str]) -> None:
    run("touch /root/fail; ! dpkg -i /root/repository/slow.deb 2>/dev/null; rm /root/fail")
    assert run("dpkg --audit")

    result = provision("up", inventory)

    output = "".join(event["text"] for event in result.events if event["event"] == "task_output")
    assert "finishing packages that an earlier run left half configured\n" in output
    assert (result.code, result.changed) == (0, ["wanted : Install it"])
    assert re.fullmatch(r"(install ok installed ){2}", run("dpkg-query -W -f '${Status} ' wanted slow"))
