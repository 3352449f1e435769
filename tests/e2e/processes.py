"""The command lines of processes while something runs: what a secret must never be part of."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def watched_command_lines(words: Collection[str]) -> Iterator[list[str]]:
    """Those of this machine, and so of its test hosts, that hold one of these words at any moment of the block."""
    found: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            found.extend(line for line in _command_lines() if any(word in line for word in words))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


def _command_lines() -> Iterator[str]:
    # Path.glob looks at each name once more, and raises where the process has ended by then.
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            line = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        yield line.decode(errors="replace")
