"""The real command on a pseudo-terminal, with somebody who types."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cli import PROVISION


class Terminal:
    """What a user sees of one run, and the keyboard."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process, self._master = process, master
        self.seen = ""
        """All that was written so far, without escape sequences."""

    def read_until(self, text: str, timeout: float = 30.0) -> None:
        """Read until ``text`` was written."""
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            assert self._read(deadline), f"waited in vain for {text!r}, after:\n{self.seen}"

    def type(self, text: str) -> None:
        """Type ``text`` and Enter."""
        self.press(f"{text}\n")

    def press(self, keys: str) -> None:
        """Press keys; Ctrl-C is \\x03."""
        os.write(self._master, keys.encode())

    def end(self, timeout: float = 30.0) -> int:
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
        self.seen += re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\r", "", data.decode("utf-8", "replace"))
        return bool(data)


@contextmanager
def terminal(*words: str | Path) -> Iterator[Terminal]:
    """``provision WORDS`` on a terminal of its own; killed at the end of the block, if it still goes on."""
    master, slave = os.openpty()
    # With a controlling terminal: Ctrl-C is a signal only there.
    argv: list[str | Path] = ["setsid", "--ctty", "--wait", PROVISION, *words]
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)
