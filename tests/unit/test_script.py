"""Scripts that every sh understands, with one command for all reads of a kind."""

from __future__ import annotations

import functools
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from provision import script
from provision.handlers import STAMP_READ
from provision.plan import build
from provision.resources.base import (
    Account,
    Content,
    Digest,
    Facts,
    Listing,
    Package,
    Read,
    Shell,
    Stat,
    Step,
    Unit,
)
from provision.resources.copy import Copy
from provision.resources.service import Service, act
from provision.resources.task import Playbook
from provision.shell import Sh, lines, sh
from provision.transport.session import program

from .fake_host import handler, task

ODD = ("/a b", "/a\nb", "/a'b", '/a"b', "/-rf", "/ä€", "/$(id)", "/`id`", "/*", "/a\\nb", "/%s", "/a;b&c|d>e<f#", "/!x")
EVERY: tuple[Callable[[str], Read], ...] = (Stat, Digest, Content, Listing)

CASES: dict[str, list[Read]] = {
    "nothing": [],
    "stamps": [STAMP_READ],
    "odd paths": [kind(path) for kind in EVERY for path in ODD],
    "units": [Unit("ssh.service"), Unit("app@blue.service"), Unit("a\\x2db.mount")],
    "packages": [Package("caddy"), Package("libstdc++6")],
    "accounts": [Account("passwd", "app"), Account("group", "app")],
    "a group": [Account("group", "app")],
    "shells": [Shell(Sh("echo a=1")), Shell(sh("printf 'b=%s\\n' {} | head -n 1", ODD), timeout=3)],
    "everything": [*(kind("/etc/x") for kind in EVERY), Unit("a.service"), Package("dash"), Account("passwd", "x")],
    "many": [kind(f"/srv/{number}") for kind in EVERY for number in range(500)],
}

STEPS: dict[str, list[Step]] = {
    "a word": [Step(Sh("true"))],
    "all of a step": [
        Step(Sh("cat <<END\nx\nEND"), files={"content": b"\0"}, secret=True, timeout=5),
        act("a", "started"),
    ],
    "a plan": [
        step
        for item in build(
            Playbook(
                (task(Copy(dest="/a b", content="x"), "Restart"), task(Service(name="web", state="started"))),
                (handler(),),
            ),
            {},
            Facts(),
            lambda _: True,
        ).items
        for step in item.steps
    ],
}


def main_of(reads: list[Read], *, contents: bool = True) -> str:
    return script.survey(reads, contents=contents)["main"].decode()


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every script of every case, and the programs they run in, as files."""
    folder = tmp_path_factory.mktemp("scripts")
    files = {
        "driver": (sh("nonce={} holder={} base={} patience={}\n", "n", "", "/b", 60) + program("driver.sh")).encode()
    }
    for name, reads in CASES.items():
        sent = script.survey(reads, contents=True)
        files |= {f"survey {name} {file}": data for file, data in sent.items()}
    for name, steps in STEPS.items():
        sent = script.apply(steps, audit={"who": "me"})
        files |= {f"apply {name} {file}": data for file, data in sent.items() if file == "main" or file.endswith(".sh")}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_every_script_is_one_for_every_shell(shell: str, scripts: list[Path]) -> None:
    check = f'for file; do {shell} -n "$file" || echo "$file"; done'
    command = ["sh", "-c", check, "sh", *map(str, scripts)]
    assert len(scripts) > 20
    assert subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout == ""


def test_shellcheck_has_nothing_to_say(scripts: list[Path]) -> None:
    """But of what a text alone cannot tell.

    SC2154: driver.sh exports what the others use. SC1091: the host's os-release is not here. SC2043: a loop over one
    path. SC2016: a path with a dollar sign in it.
    """
    excluded = "--exclude=SC2154,SC1091,SC2043,SC2016"
    command = ["shellcheck", "--shell=sh", excluded, "--format=gcc", *map(str, scripts)]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout == ""


def test_equal_reads_become_one_command() -> None:
    main = main_of([*CASES["many"], *CASES["units"], *CASES["packages"], *CASES["accounts"]])
    count = functools.partial(lambda command: len(re.findall(rf"^\s*{command}\b|\W{command} -", main, re.MULTILINE)))
    assert {command: count(command) for command in ("find", "sha256sum", "systemctl", "dpkg-query")} == {
        "find": 3,
        "sha256sum": 1,
        "systemctl": 1,
        "dpkg-query": 1,
    }
    assert re.findall(r"^getent .*$", main, re.MULTILINE) == ["getent passwd -- app", "getent group"]
    assert main.count("\n") < 60


def test_a_read_that_nobody_asked_for_is_no_command() -> None:
    assert not re.search("find|sha256sum|systemctl|dpkg|getent|timeout|cat", main_of([]).partition("frame facts")[2])
    assert "getent passwd" not in main_of(CASES["a group"])


def test_old_texts_travel_only_where_a_diff_is_wanted() -> None:
    reads: list[Read] = [Content("/etc/x")]
    assert "frame content" in main_of(reads)
    assert "/etc/x" not in main_of(reads, contents=False)


def test_names_reach_the_commands_as_they_are() -> None:
    main = main_of([Stat(path) for path in ODD])
    command = main[main.index("\nfind") : main.index("-maxdepth")]
    assert shlex.split(command)[1:] == sorted(ODD, key=lambda path: repr(Stat(path)))


def test_the_order_of_reads_does_not_matter() -> None:
    reads = CASES["everything"] + CASES["shells"]
    assert script.survey(reads, contents=True) == script.survey(reversed(reads + reads), contents=True)


def test_steps_travel_as_files_and_never_in_the_text() -> None:
    steps = [Step(Sh("echo one"), files={"content": b"\xff", "b": b""}), Step(Sh("echo two"), secret=True, timeout=7)]
    files = script.apply(steps, audit={"who": "me"})
    assert list(files) == ["main", "audit.json", "tasks", "1.sh", "1.files/content", "1.files/b", "2.sh"]
    assert files["1.files/content"] == b"\xff"
    assert files["1.sh"].decode() == lines(script.PRELUDE, "echo one")
    assert files["main"].decode().endswith("run_step 1 0 no yes\nrun_step 2 7 yes yes\nfinish\n}\napply\n")
    assert json.loads(files["audit.json"]) == {"who": "me"}
