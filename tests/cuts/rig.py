"""What the harness has on a host: wrappers that hold a run at a point, and the means to end it there."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cuts.points import Point
from tests.e2e.cli import wait_for
from tests.e2e.held import Running

from provision.lab.lab import Lab
from provision.lab.provider import Host

COMMANDS = ("sh", "mv", "rm", "cp", "sync", "sleep", "grep", "systemctl", "python3", "dpkg-held")
HOOK = Path(__file__).with_name("hook.sh")
PATIENCE = 300.0
"""Seconds for what takes a few, on a machine that does much else."""

SHELLS = r"^[^ ]*sh (/usr/local/sbin/sh )?-eu /run/provision/[^ ]*/[0-9]+\.sh$"
SESSION = r"^timeout --kill-after 10 [0-9]+ sh -eu /run/provision/"


class Rig:
    """Holds one run of ``host`` at one point."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self._lab, self._host = lab, host
        self._root = lab.root(host)
        self._marks = self._root / "cut"

    def arm(self, point: Point, steps: Sequence[str]) -> None:
        """Let the next call of the point wait, in a run of these steps."""
        bin_ = self._root / "usr/local/sbin"
        shutil.copy(HOOK, bin_ / "hook.sh")
        (bin_ / "hook.sh").chmod(0o755)
        for name in COMMANDS:
            (bin_ / name).symlink_to("hook.sh")
        held = self._root / "etc/dpkg/dpkg.cfg.d/held"
        held.write_text("post-invoke=/usr/local/sbin/dpkg-held\n")
        self._marks.mkdir()
        pattern = f"{steps.index(point.step) + 1}.files {point.call}"
        (self._marks / "armed").write_text(f"{point.when}\n{pattern}\n")

    def wait_until_held(self, run: Running) -> None:
        """Wait for the point; fails where the run is over without it."""
        reached = self._marks / "reached"
        wait_for("the point", lambda: reached.exists() or run.over, PATIENCE)
        if not reached.exists():
            last = "\n".join(map(str, run.events[-20:]))
            raise AssertionError(f"the run ended without this point: {last}")

    def go(self) -> None:
        """Let go what waits."""
        (self._marks / "go").touch()

    def kill_shells(self) -> None:
        """SIGKILL for the shell of the running step, and its subshells."""
        self._run(f"pkill -KILL -f '{SHELLS}'")

    def kill_session(self) -> None:
        """SIGKILL for all that the running step has started."""
        self._run(f"pkill -KILL -s \"$(ps -o sid= -p \"$(pgrep -o -f '{SESSION}')\" | tr -d ' ')\"")

    def wait_for_watchdog(self) -> None:
        """Wait until the host has noticed that the line is dead."""
        self._wait("ls /run/provision/run.*/dead")

    def wait_until_free(self) -> None:
        """Wait until another run may begin."""
        self._wait("flock -n /run/provision/lock true")

    def wait_until_idle(self) -> None:
        """Wait until nothing that a killed step has started goes on, and nobody is at what held requests."""
        held = "systemctl list-units --plain --no-legend --state=active 'app-notes-hold-*'"
        jobs = "systemctl list-jobs --no-legend"
        self._wait(f"! pgrep -x 'apt-get|dpkg|uv' && [ -z \"$({jobs}; {held})\" ]")

    def remove(self) -> None:
        """Take everything away that is ours."""
        for name in (*COMMANDS, "hook.sh"):
            (self._root / "usr/local/sbin" / name).unlink()
        (self._root / "etc/dpkg/dpkg.cfg.d/held").unlink()
        # A call that outlives its run may still take its mark.
        argv = ["rm", "-rf", str(self._marks)]
        wait_for("the marks to be gone", lambda: subprocess.run(argv, check=False).returncode == 0)

    def _run(self, command: str) -> None:
        done = self._lab.run(self._host, command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def _wait(self, condition: str) -> None:
        # In one session: many logins would cost more than what is waited for.
        wait = f"until {condition}; do sleep 0.1; done >/dev/null 2>&1"
        done = self._lab.run(self._host, f"timeout {PATIENCE:g} sh -c {shlex.quote(wait)}", timeout=PATIENCE + 30)
        assert done.returncode == 0, f"waited {PATIENCE:g} s in vain for: {condition}"
