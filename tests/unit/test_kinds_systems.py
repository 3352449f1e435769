"""The steps of services and accounts, with the tools of the system replaced by ones that only take notes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from provision.resources.base import Diff, Facts, Shell, Step
from provision.resources.group import Group
from provision.resources.service import Action, Service, act
from provision.resources.user import User

# systemctl: `show` prints the first line of $STATE/states, and forgets it where another follows.
FAKES = {
    "systemctl": """
case $1 in
show)
    head -n 1 "$STATE/states" | tr ' ' '\\n'
    if [ "$(wc -l <"$STATE/states")" -gt 1 ]; then sed -i 1d "$STATE/states"; fi
    ;;
is-enabled) cat "$STATE/enabled" ;;
*) echo "systemctl $*" >>"$STATE/log"; case $1 in *start) [ ! -e "$STATE/fails" ] ;; esac ;;
esac""",
    "journalctl": """
case $* in
--sync) ;;
*) cat "$STATE/journal" 2>/dev/null || echo the last lines of the journal ;;
esac""",
    "sleep": ":",
    "getent": 'grep -s -e "^$2:" "$STATE/$1"',
    "id": 'cat "$STATE/id$1"',
    **{name: 'echo "${0##*/} $*" >>"$STATE/log"' for name in ("useradd", "usermod", "userdel")},
    **{name: 'echo "${0##*/} $*" >>"$STATE/log"' for name in ("groupadd", "groupmod", "groupdel")},
}


class Machine:
    """A pretended system with one shell."""

    def __init__(self, shell: str, root: Path) -> None:
        self._shell, self._root = str(shutil.which(shell)), root
        self.state = root / "state"
        self.state.mkdir()
        (root / "bin").mkdir()
        for name, text in FAKES.items():
            (root / "bin" / name).write_text("#!/bin/sh -eu\n" + text)
            (root / "bin" / name).chmod(0o755)

    def run(self, script: str) -> tuple[int, str]:
        path = f"{self._root / 'bin'}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "STATE": str(self.state)}
        command = [self._shell, "-eu", "-c", script]
        ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ran.returncode, ran.stdout

    def act(self, action: Action, *states: str) -> tuple[int, str]:
        """Start a unit that goes through ``states``."""
        (self.state / "states").write_text("".join(line + "\n" for line in states))
        return self.run(act("a.service", action).script)

    @property
    def log(self) -> list[str]:
        """What was done, in order."""
        return (self.state / "log").read_text().splitlines()


@pytest.fixture(params=["dash", "bash"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(request.param, tmp_path)


def state(active: str, sub: str, kind: str = "simple", invocation: str = "1", result: str = "success") -> str:
    return f"Type={kind} ActiveState={active} SubState={sub} Result={result} ExecMainStatus=3 InvocationID={invocation}"


@pytest.mark.parametrize("action", ["started", "restarted", "reloaded"])
def test_a_unit_that_says_it_is_ready_is_believed(machine: Machine, action: Action) -> None:
    assert machine.act(action, state("active", "running", "notify")) == (0, "")
    verb = {"started": "start", "restarted": "restart", "reloaded": "reload-or-restart"}[action]
    assert machine.log == [
        "systemctl daemon-reload",
        "systemctl reset-failed -- a.service",
        f"systemctl {verb} -- a.service",
    ]


def test_a_simple_unit_is_watched_for_a_second(machine: Machine) -> None:
    steady = state("active", "running")
    assert machine.act("started", state("activating", "start"), *[steady] * 6) == (0, "")


@pytest.mark.parametrize(
    "states",
    [
        [state("failed", "failed", result="exit-code")],
        [state("active", "running"), state("inactive", "dead")],
        [state("active", "running"), state("activating", "auto-restart", result="exit-code")],
        [state("active", "running"), state("active", "running", invocation="2")],
        [state("activating", "start")],
        [state("inactive", "dead", "oneshot")],
    ],
    ids=["fails", "ends", "waits for its restart", "has been restarted", "hangs", "is a oneshot"],
)
def test_a_unit_that_does_not_stay_up_is_explained(machine: Machine, states: list[str]) -> None:
    status, output = machine.act("started", *states)
    assert status == 1
    assert output.startswith("a.service does not stay up; it is ")
    assert "exit status 3\n" in output
    assert output.endswith("the last lines of the journal\n")
    assert ("Type=oneshot" in output) == ("oneshot" in states[-1])


def test_a_start_that_fails_is_explained(machine: Machine) -> None:
    (machine.state / "fails").touch()
    status, output = machine.act("started", state("failed", "failed", "notify", result="timeout"))
    assert status == 1
    assert "it is failed (failed): result timeout" in output


def test_a_unit_that_writes_where_it_may_not_is_told_what_to_set(machine: Machine) -> None:
    (machine.state / "journal").write_text("Error: open /data/a.log: read-only file system\n")
    status, output = machine.act("reloaded", state("failed", "failed", "notify", result="exit-code"))
    assert status == 1
    assert "/data/a.log: read-only file system\ncause: its unit lets a.service write only to " in output
    assert output.endswith("for Caddy in caddy_service_options (docs/how-to/hardening.md)\n")


def test_a_reload_waits_for_the_one_before(machine: Machine) -> None:
    reloading, ready = state("reloading", "reload", "notify"), state("active", "running", "notify")
    assert machine.act("reloaded", *[reloading] * 90, ready) == (0, "")
    assert machine.log[-1] == "systemctl reload-or-restart -- a.service"


def test_a_reload_that_never_ends_is_ended_by_a_restart(machine: Machine) -> None:
    """systemd takes no other then, and `systemctl reload` would wait as long."""
    reloading, ready = state("reloading", "reload", "notify"), state("active", "running", "notify")
    said = "a.service does not end a reload of before, and is restarted\n"
    assert machine.act("reloaded", *[reloading] * 101, ready) == (0, said)
    assert machine.log[-1] == "systemctl restart -- a.service"


def test_a_oneshot_unit_may_end_after_a_restart(machine: Machine) -> None:
    assert machine.act("restarted", state("inactive", "dead", "oneshot")) == (0, "")
    assert machine.act("restarted", state("inactive", "dead", "oneshot", result="exit-code"))[0] == 1


@pytest.mark.parametrize(
    ("word", "reading"),
    [
        ("enabled", "enabled=yes disabled=no masked=no"),
        ("enabled-runtime", "enabled=yes disabled=yes masked=no"),
        ("disabled", "enabled=no disabled=yes masked=no"),
        ("static", "enabled=no disabled=no masked=no"),
        ("masked", "enabled=no disabled=yes masked=yes"),
        ("", "enabled=no disabled=yes masked=no"),
    ],
)
def test_what_is_enabled_says(machine: Machine, word: str, reading: str) -> None:
    (machine.state / "enabled").write_text(word)
    (read,) = (read for read in Service(name="a", enabled=True).reads() if isinstance(read, Shell))
    assert machine.run(read.script) == (0, reading.replace(" ", "\n") + "\n")


def only(steps: list[Step]) -> str:
    (step,) = steps
    return step.script


def test_an_account_is_made_with_the_group_of_its_name(machine: Machine) -> None:
    script = only(User(name="app", system=True, comment="it's $x", groups=("a", "b")).change(Diff((), {}, Facts())))
    assert machine.run(script) == (0, "")
    (machine.state / "group").write_text("app:x:7:\n")
    assert machine.run(script) == (0, "")
    assert machine.log == [
        "useradd --system --create-home -G a,b -c it's $x -- app",
        "useradd --system --create-home -g app -G a,b -c it's $x -- app",
    ]


def test_an_account_that_is_there_is_changed(machine: Machine) -> None:
    (machine.state / "passwd").write_text("app:x:7:7:::\n")
    for user in (User(name="app", groups=("a",), append=True), User(name="app"), User(name="app", state="absent")):
        assert machine.run(only(user.change(Diff((), {}, Facts())))) == (0, "")
    assert machine.log == ["usermod --append -G a -- app", "userdel -- app"]


def test_a_group_is_made_changed_and_removed(machine: Machine) -> None:
    groups = (Group(name="web", gid=7, system=True), Group(name="web", state="absent"))
    scripts = [only(group.change(Diff((), {}, Facts()))) for group in groups]
    assert [machine.run(script) for script in scripts] == [(0, ""), (0, "")]
    (machine.state / "group").write_text("web:x:8:\n")
    assert [machine.run(script) for script in scripts] == [(0, ""), (0, "")]
    assert machine.log == ["groupadd --system --gid 7 -- web", "groupmod --gid 7 -- web", "groupdel -- web"]
