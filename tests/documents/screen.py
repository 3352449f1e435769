"""What a user sees at the end of commands, on a terminal: they run in tmux, whose screen is read."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 600
"""Seconds for the commands of one screen."""


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
        shell = 'sh -e "$1"; echo $? >"$2.part"; mv "$2.part" "$2"; exec sleep 9999'
        tmux = ["tmux", "-S", socket, "-f", "/dev/null"]
        size = ["-x", str(width), "-y", "200"]
        start = [*tmux, "new-session", "-d", *size, "-c", str(folder), "sh", "-c", shell, "sh", program, code]
        subprocess.run(start, env=dict(environment), check=True)
        try:
            _wait_for(Path(code))
            capture = [*tmux, "capture-pane", "-p", "-J", "-S", "-", *(["-e"] if colors else [])]
            shown = subprocess.run(capture, check=True, capture_output=True, text=True).stdout
            return "\n".join(line.rstrip() for line in shown.rstrip().splitlines()), int(Path(code).read_text())
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the commands did not end within {PATIENCE} s")
        time.sleep(0.1)
