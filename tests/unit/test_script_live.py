"""Surveys over a real root shell of this machine, under dash and bash, in a folder of the test's own."""

from __future__ import annotations

import grp
import hashlib
import os
import platform
import pwd
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.resources.base import (
    Account,
    Content,
    Digest,
    Listing,
    Package,
    Reading,
    Shell,
    Stat,
)
from provision.script import CONTENT_LIMIT
from provision.shell import Sh, sh
from provision.vitals import ahead

from .live_session import Machine

NAMES = (
    "plain",
    "a b",
    "a\nb",
    "a'b",
    'a"b',
    "-rf",
    "--",
    "ä€ \u2028",
    "$(id)",
    "*",
    "a\\nb",
    "%s",
    " end ",
    ".hidden",
)
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


@pytest.fixture(params=["dash", "bash"], scope="module")
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One session for all tests, as for all trips of a run."""
    machine = Machine(request.param, tmp_path_factory.mktemp("session"))
    yield machine
    machine.close()


def expected(path: Path) -> Reading:
    """What Python sees there."""
    found = path.lstat()
    return {
        "type": TYPES.get(stat.S_IFMT(found.st_mode), "other"),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "owner": pwd.getpwuid(found.st_uid).pw_name,
        "group": grp.getgrgid(found.st_gid).gr_name,
        "target": os.readlink(path) if path.is_symlink() else "",
    }


def sha256(path: Path) -> str:
    regular = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
    return hashlib.sha256(path.read_bytes()).hexdigest() if regular else ""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One of everything that a path can lead to, under all kinds of names."""
    root = tmp_path / "tree of 'things'"
    root.mkdir()
    for number, name in enumerate(NAMES):
        (root / name).write_text(f"{name}\n")
        (root / name).chmod(0o400 + number)
    (root / "empty").touch()
    (root / "folder").mkdir(mode=0o2750)
    (root / "link").symlink_to("a b")
    (root / "odd link").symlink_to("nowhere\nat 'all'")
    (root / "link to folder").symlink_to(root / "folder")
    (root / "unreadable").write_text("secret")
    (root / "unreadable").chmod(0)
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        previous = Path.cwd()
        os.chdir(root)  # the path of a socket has 107 bytes at most
        server.bind("socket")
        os.chdir(previous)
    return root


def test_every_path_is_seen_as_it_is(machine: Machine, tree: Path) -> None:
    """A FIFO would block whoever opens it; a link is not followed."""
    paths = [*tree.iterdir(), tree]
    observed = machine.observe(kind(str(path)) for path in paths for kind in (Stat, Digest, Content)).readings
    for path in paths:
        assert observed[Stat(str(path))] == expected(path), path
        assert observed[Digest(str(path))] == {"sha256": sha256(path)}, path
        text = {"text": path.read_text(), "readable": "yes"} if sha256(path) else {"text": "", "readable": "no"}
        assert observed[Content(str(path))] == text, path
    assert {reading["type"] for read, reading in observed.items() if isinstance(read, Stat)} == {
        *("file", "directory", "link", "other")
    }


def test_what_is_not_there_is_absent(machine: Machine, tmp_path: Path) -> None:
    path = str(tmp_path / "no" / "such" / "thing")
    assert machine.read(Stat(path), Digest(path), Content(path), Listing(path)) == [
        {"type": "absent"},
        {"sha256": ""},
        {"text": "", "readable": "no"},
        {"names": ""},
    ]


CONTENTS = {
    b"": True,
    b"no newline": True,
    b"\n\n@0123456789abcdef over\n\n": True,
    b"x" * CONTENT_LIMIT: True,
    b"x" * (CONTENT_LIMIT + 1): False,
    b"a\0b": True,
    b"\xff": False,
    "ä\r\n\f€".encode(): True,
}
"""What may be in a file, and whether that is a text of up to 64 KiB."""


def test_contents_come_back_to_the_byte_or_not_at_all(machine: Machine, tmp_path: Path) -> None:
    paths = {str(tmp_path / str(number)): data for number, data in enumerate(CONTENTS)}
    for path, data in paths.items():
        Path(path).write_bytes(data)
    observed = machine.observe(kind(path) for path in paths for kind in (Content, Digest)).readings
    for path, data in paths.items():
        text = {"text": data.decode(), "readable": "yes"} if CONTENTS[data] else {"text": "", "readable": "no"}
        assert observed[Content(path)] == text
        assert observed[Digest(path)] == {"sha256": hashlib.sha256(data).hexdigest()}


def test_a_listing_names_all_that_is_in_a_folder(machine: Machine, tree: Path) -> None:
    whole, of_a_file, of_a_link = machine.read(
        Listing(str(tree)), Listing(str(tree / "plain")), Listing(str(tree / "link to folder"))
    )
    assert whole == {"names": "\n".join(sorted(path.name for path in tree.iterdir()))}
    assert (of_a_file, of_a_link) == ({"names": ""}, {"names": ""})


def test_hundreds_of_files_in_one_survey(machine: Machine, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number} of\nmany" for number in range(500)]
    for number, path in enumerate(paths):
        path.write_text(str(number))
    observed = machine.observe(kind(str(path)) for path in paths for kind in (Stat, Digest)).readings
    assert [observed[Digest(str(path))]["sha256"] for path in paths] == [sha256(path) for path in paths]
    assert [observed[Stat(str(path))] for path in paths] == [expected(path) for path in paths]


def test_a_shell_read_that_hangs_is_ended(tmp_path: Path) -> None:
    """Even one deaf to TERM; what it said before counts, and those after it are heard."""
    os.mkfifo(tmp_path / "fifo")
    machine = Machine("dash", tmp_path)
    answers = machine.read(
        Shell(sh("echo before=yes; cat {}; echo after=yes", str(tmp_path / "fifo")), timeout=4),
        Shell(Sh("trap '' TERM; sleep 60; echo after=yes"), timeout=4),
        Shell(Sh("echo well=yes")),
    )
    machine.close()
    assert answers == [{"before": "yes", "rc": "124"}, {"rc": "137"}, {"well": "yes", "rc": "0"}]


def test_shell_reads_answer_each_for_itself(machine: Machine) -> None:
    """None can reach the line of the session, nor the other reads."""
    answers = machine.read(
        Shell(Sh("echo a=1; echo b = 2; echo no pair; echo c=; exit 7")),
        Shell(Sh("cat; echo stdin=empty")),
        Shell(Sh("echo oh >&2; kill -KILL $$")),
        Shell(Sh('set -eu; echo "$missing"')),
        Shell(Sh("syntax (")),
        Shell(Sh("printf last=line")),
        Shell(Sh("head -c 1000000 /dev/zero | tr '\\0' x | sed 's/^/long=/'")),
        Shell(Sh("printf 'odd=\\377\\n'; pwd | sed s/^/pwd=/; umask | sed s/^/umask=/")),
    )
    assert answers[:3] == [
        {"a": "1", "b ": " 2", "c": "", "rc": "7"},
        {"stdin": "empty", "rc": "0"},
        {"rc": "137"},
    ]
    assert [answer["rc"] == "0" for answer in answers[3:5]] == [False, False]
    assert answers[5] == {"last": "line", "rc": "0"}
    assert len(answers[6]["long"]) == 1_000_000
    assert answers[7] == {"odd": "\ufffd", "pwd": "/", "umask": "0022", "rc": "0"}


def test_accounts_are_those_of_the_machine(machine: Machine) -> None:
    users, groups = pwd.getpwall(), grp.getgrall()
    names = {user.pw_name for user in users}
    observed = machine.observe(
        [*(Account("passwd", name) for name in names), *(Account("group", group.gr_name) for group in groups)]
    ).readings
    for user in users:
        own = next((group.gr_name for group in groups if group.gr_gid == user.pw_gid), "")
        others = sorted(group.gr_name for group in groups if user.pw_name in group.gr_mem)
        assert observed[Account("passwd", user.pw_name)] == {
            "exists": "yes",
            "id": str(user.pw_uid),
            "gid": str(user.pw_gid),
            "group": own,
            "comment": user.pw_gecos,
            "home": user.pw_dir,
            "shell": user.pw_shell,
            "groups": ",".join(others),
            **{f"in {group}": "yes" for group in (own, *others)},
        }
    assert observed[Account("group", groups[-1].gr_name)] == {"exists": "yes", "id": str(groups[-1].gr_gid)}
    assert machine.read(Account("passwd", "no-such"), Account("group", "no-such")) == [{"exists": "no"}] * 2


def test_packages_are_those_of_the_machine(machine: Machine) -> None:
    version = subprocess.run(["dpkg-query", "-W", "-f${Version}", "dash"], stdout=subprocess.PIPE, text=True).stdout
    assert machine.read(Package("dash"), Package("no-such-package")) == [
        {"status": "installed", "version": version},
        {"status": "absent", "version": ""},
    ]


def test_facts_are_those_of_the_machine(machine: Machine) -> None:
    facts = machine.observe([]).facts
    release = platform.freedesktop_os_release()
    assert facts.distribution == release["ID"].capitalize()
    assert facts.distribution_version == release.get("VERSION_ID", "")
    assert facts.architecture == platform.machine()
    assert facts.hostname == platform.node().partition(".")[0]
    assert facts.processor_vcpus == len(os.sched_getaffinity(0))
    assert 0 < facts.memtotal_mb <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    assert facts.uid == os.getuid()


def test_vitals_are_those_of_the_machine(machine: Machine) -> None:
    began = time.time()
    vitals = machine.observe([]).vitals
    assert ahead(vitals, began, time.time()) == 0
    assert vitals.memory_available_mb
    assert vitals.disks[0].path == "/"
    assert vitals.disks[0].total_mb == pytest.approx(shutil.disk_usage("/").total / 2**20, abs=1)


@pytest.mark.parametrize("release", ["", "syntax (", "exit 3", "ID='alpine"])
def test_a_host_with_a_broken_os_release_still_answers(machine: Machine, tmp_path: Path, release: str) -> None:
    """In dash a file that `.` cannot find ends the shell, and the session would wait for its last frame for ever."""
    path = tmp_path / "os-release"
    if release:
        path.write_text(release)
    observed = machine.observe([Stat("/")], {"/etc/os-release": str(path)})
    assert (observed.facts.distribution, observed.facts.uid) == ("", os.getuid())
    assert observed.readings[Stat("/")]["type"] == "directory"
