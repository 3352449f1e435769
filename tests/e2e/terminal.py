"""The real command on a pseudo-terminal, with somebody who types."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cli import PROVISION


class Terminal:
    """What a user sees of one run, and the keyboard."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process, self._master = process, master
        self._expected = 0
        self.written = ""
        """All that was written so far."""

    @property
    def seen(self) -> str:
        """The same without escape sequences."""
        return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\r", "", self.written)

    def read_until(self, text: str, timeout: float = 120.0) -> None:
        """Read until ``text`` was written."""
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            assert self._read(deadline), f"waited in vain for {text!r}, after:\n{self.seen}"

    def expect(self, pattern: str, timeout: float = 120.0) -> re.Match[str]:
        """Read until ``pattern`` was written behind what was expected before."""
        deadline = time.monotonic() + timeout
        while not (found := re.compile(pattern).search(self.seen, self._expected)):
            assert self._read(deadline), f"waited in vain for {pattern!r}, after:\n{self.seen[self._expected :]}"
        self._expected = found.end()
        return found

    def type(self, text: str) -> None:
        """Type ``text`` and Enter."""
        self.press(f"{text}\n")

    def press(self, keys: str) -> None:
        """Press keys; Ctrl-C is \\x03."""
        os.write(self._master, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self, timeout: float = 120.0) -> int:
        """Read on to the end; the exit code."""
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            pass
        return self._process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        """One more piece of output; False at its end."""
        if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other side open any more.
            return False
        self.written += data.decode("utf-8", "replace")
        return bool(data)


@contextmanager
def terminal(
    *words: str | Path, rows: int = 24, columns: int = 80, environ: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """``provision WORDS`` on a terminal of its own; killed at the end of the block, if it still goes on."""
    master, slave = os.openpty()
    # With a controlling terminal: Ctrl-C is a signal only there.
    argv: list[str | Path] = ["setsid", "--ctty", "--wait", PROVISION, *words]
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    # Python takes COLUMNS before it asks the terminal.
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    env = {**inherited, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(environ or {})}
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)
