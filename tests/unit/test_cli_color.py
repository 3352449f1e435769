"""When output has colours and when it moves: NO_COLOR, FORCE_COLOR, TERM=dumb, a real terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

import pytest

from provision.report import wants_color


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "environ", "color"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_color(out: io.StringIO, environ: dict[str, str], color: bool) -> None:
    """The conventions of no-color.org and force-color.org."""
    assert wants_color(out, environ) is color


SCRIPT = """
import sys
from provision.events import HostFinished, Phase
from provision.report import Detail, open_report
with open_report(Detail()) as report:
    report(Phase("web1", "connect"))
    sys.stdin.readline()
    report(HostFinished("web1", 3, 1, 0, 0, 1, 0.5))
"""


def on_a_terminal(*, until: str, **environ: str) -> str:
    """What SCRIPT writes to a pseudo-terminal; its host ends once ``until`` is seen there."""
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path), **environ}
    written = b""
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=theirs, env=env) as process:
        os.close(theirs)
        assert process.stdin
        while until.encode() not in written:
            written += os.read(ours, 65536)
        process.stdin.close()
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
        except OSError:
            pass  # Linux says EIO at the end of a pseudo-terminal.
    os.close(ours)
    assert process.returncode == 0
    return written.decode()


def test_a_terminal_gets_the_tree() -> None:
    """It is drawn, taken away, and the cursor comes back."""
    written = on_a_terminal(until="connecting", TERM="xterm")
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l") >= 0
    assert "\x1b[38;5;136mweb1\x1b[0m : \x1b[38;5;28mok=3" in written


def test_a_dumb_terminal_gets_plain_lines() -> None:
    """No escape sequence at all."""
    assert on_a_terminal(until="", TERM="dumb") == "web1 : ok=3 changed=1 failed=0 unreachable=0 trips=1 0.5s\r\n"


def test_no_color_keeps_the_tree() -> None:
    """It moves, but in one colour."""
    written = on_a_terminal(until="connecting", TERM="xterm", NO_COLOR="1")
    assert "\x1b[33m" not in written
