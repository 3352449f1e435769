"""What a user sees at the end of commands, on a terminal: they run in tmux, whose screen is read."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE = 600
"""Seconds for the commands of one screen."""
END = "-- these were the commands --"


def screen(
    script: str, folder: Path, environment: Mapping[str, str], *, width: int, colors: bool = False
) -> tuple[str, int]:
    """Run ``script`` with sh -e in ``folder``; what the screen then shows, all of it, and the exit code.

    ``colors`` keeps them, as escape sequences. Raises TimeoutError.
    """
    with tempfile.TemporaryDirectory() as own:
        socket, program, code = (str(Path(own, name)) for name in ("tmux", "script", "code"))
        Path(program).write_text(script)
        # The clock of the run: the session must outlive its commands, for the screen goes with it.
        shell = 'sh -e "$1"; echo $? >"$2"; printf "%s\\n" "$3"; exec sleep 9999'
        tmux = ["tmux", "-S", socket, "-f", "/dev/null"]
        size = ["-x", str(width), "-y", "200"]
        words = ["sh", "-c", shell, "sh", program, code, END]
        start = [*tmux, "new-session", "-d", *size, "-c", str(folder), *words]
        subprocess.run(start, env=dict(environment), check=True)
        try:
            shown = _at_end([*tmux, "capture-pane", "-p", "-J", "-S", "-", *(["-e"] if colors else [])])
            return "\n".join(line.rstrip() for line in shown.rstrip().splitlines()), int(Path(code).read_text())
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)


def _at_end(capture: Sequence[str]) -> str:
    """What stands before the end, once that is on the screen: tmux shows what it is given a moment later."""
    deadline = time.monotonic() + PATIENCE
    while True:
        shown, end, _ = subprocess.run(capture, check=True, capture_output=True, text=True).stdout.rpartition(END)
        if end:
            return shown
        if time.monotonic() > deadline:
            raise TimeoutError(f"the commands did not end within {PATIENCE} s")
        time.sleep(0.1)
