"""Old files are kept until their unit has taken the new ones, and put back where it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from provision.resources import replaced
from provision.resources.copy import Copy
from provision.resources.service import Action, act

from .live_host import ME, Host

# A unit that runs whatever stands in its files, but for the word `bad`.
SYSTEMCTL = """\
#!/bin/sh
case $1 in
show)
    case $* in *StateChange*) echo "@$(cat "$STATE/since" 2>/dev/null || echo 0)"; exit ;; esac
    echo Type=notify; if [ -e "$STATE/down" ]; then echo ActiveState=failed; else echo ActiveState=active; fi ;;
is-active) [ ! -e "$STATE/down" ] ;;
restart | start | reload-or-restart)
    echo "$1" >>"$STATE/log"
    if ! grep -rqs bad "$STATE/etc"; then rm -f "$STATE/down"; exit 0; fi
    [ "$1" = reload-or-restart ] || : >"$STATE/down"
    exit 1
    ;;
esac
"""


JOURNALCTL = """\
#!/bin/sh
case $* in --sync) ;; *) cat "$STATE/journal" 2>/dev/null ;; esac
"""
LISTENS = "Error: loading new config: http app module: start: listening on :8081: address already in use\n"
"""What Caddy says when it has to go back, and before August 2025 goes on listening."""


class Unit:
    """``web.service``, its files and what is kept of them."""

    def __init__(self, shell: str, folder: Path) -> None:
        self._shell, self._state = shell, folder
        self.etc, self.kept = folder / "etc", folder / "replaced" / "web.service"
        self.journal = folder / "journal"
        self.etc.mkdir()
        (folder / "bin").mkdir()
        for name, text in {"systemctl": SYSTEMCTL, "journalctl": JOURNALCTL}.items():
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        (folder / "scratch").mkdir()
        self._host = Host(shell, folder / "scratch")

    def write(self, name: str, text: str) -> None:
        """As a task does."""
        wanted = Copy(dest=str(self.etc / name), content=text, tried_by="web.service", **ME)
        outcome = self._host.apply(wanted, self._host.diff(wanted), **self._environment)
        assert outcome.status == 0, outcome.output

    def act(self, action: Action) -> tuple[int, str]:
        """As a handler does."""
        script = act("web.service", action).script.replace("/var/lib/provision", str(self._state))
        ran = subprocess.run(
            [str(shutil.which(self._shell)), "-eu", "-c", script],
            env={**os.environ, **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return ran.returncode, ran.stdout

    def taken_by_others(self) -> None:
        """As after a reboot, or a reload by hand: the unit has what stands in its files now."""
        (self._state / "since").write_text(str(int(time.time()) + 1))

    @property
    def _environment(self) -> dict[str, str]:
        return {"STATE": str(self._state), "PATH": f"{self._state / 'bin'}:{os.environ['PATH']}"}

    @property
    def log(self) -> list[str]:
        """What was done to it."""
        return (self._state / "log").read_text().split()

    @property
    def files(self) -> dict[str, str]:
        """All of them."""
        return {path.name: path.read_text() for path in self.etc.iterdir()}


@pytest.fixture(params=["dash", "bash"])
def unit(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unit:
    monkeypatch.setattr(replaced, "REPLACED", str(tmp_path / "replaced"))
    return Unit(request.param, tmp_path)


@pytest.mark.parametrize(("action", "verb"), [("restarted", "restart"), ("reloaded", "reload-or-restart")])
def test_what_a_unit_does_not_take_is_put_back(unit: Unit, action: Action, verb: str) -> None:
    unit.write("a b", "one")
    assert unit.act(action) == (0, "")
    assert not unit.kept.exists()
    (unit.etc / "a b").chmod(0o600)
    unit.write("a b", "two")
    unit.write("a b", "bad")
    unit.write("new", "also")

    status, said = unit.act(action)

    assert status == 1
    assert unit.files == {"a b": "one"}
    assert (unit.etc / "a b").stat().st_mode & 0o777 == 0o600
    assert said.splitlines()[-3:] == [
        f"put back as it was: {unit.etc}/a b",
        f"removed again: {unit.etc}/new",
        "web.service goes on with what it had before",
    ]
    assert unit.log == [verb] * 3
    assert not unit.kept.exists()


def test_a_caddy_that_was_refused_a_port_is_restarted_once_it_can_be(unit: Unit) -> None:
    unit.write("file", "one")
    unit.act("reloaded")
    unit.write("file", "bad")
    unit.journal.write_text(LISTENS)

    status, said = unit.act("reloaded")

    assert (status, said.splitlines()[-1]) == (1, "web.service goes on with what it had before")
    assert unit.log == [*["reload-or-restart"] * 3, "restart"]


@pytest.mark.parametrize("tried", [True, False], ids=["what is put back is not all", "nothing is put back"])
def test_a_caddy_that_could_not_start_is_not_restarted(unit: Unit, tried: bool) -> None:
    """What it lacks then is said, as the next reload would not show it."""
    if tried:
        unit.write("file", "new")
    (unit.etc / "other").write_text("bad")
    unit.journal.write_text(LISTENS)

    status, said = unit.act("reloaded")

    assert status == 1
    assert ("does not run with what it had before either" in said) == tried
    assert said.splitlines()[-1] == "it may listen by what it refused: restart web.service when its files are right"
    assert unit.log == ["reload-or-restart"] * (2 if tried else 1)


def test_what_is_kept_is_what_the_unit_had_last(unit: Unit) -> None:
    """A run is cut before its handler; the unit takes the file all the same, and then not the next one."""
    unit.write("file", "one")
    unit.act("restarted")
    unit.write("file", "two")
    unit.taken_by_others()
    unit.write("file", "bad")

    assert unit.act("restarted")[0] == 1
    assert unit.files == {"file": "two"}


def test_a_restart_that_was_killed_goes_back_at_the_next(unit: Unit) -> None:
    unit.write("file", "one")
    unit.act("restarted")
    unit.write("file", "bad")
    (unit.etc.parent / "down").touch()
    unit.taken_by_others()
    unit.write("file", "bad too")

    assert unit.act("restarted")[0] == 1
    assert unit.files == {"file": "one"}
    assert unit.act("restarted") == (0, "")


def test_what_did_not_run_before_has_nothing_to_go_back_to(unit: Unit) -> None:
    (unit.etc.parent / "down").touch()
    unit.write("file", "bad")

    status, said = unit.act("started")

    assert status == 1
    assert unit.files == {"file": "bad"}
    assert "put back" not in said
    unit.write("file", "good")
    assert unit.act("started") == (0, "")
    assert not unit.kept.exists()


def test_what_does_not_run_either_way_is_said(unit: Unit) -> None:
    (unit.etc / "other").write_text("bad")
    unit.write("file", "new")

    status, said = unit.act("restarted")

    assert (status, said.splitlines()[-1]) == (1, "web.service does not run with what it had before either")
    assert unit.files == {"other": "bad"}
