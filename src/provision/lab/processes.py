"""Finds and ends the processes of a container without a record of them, so no record can be stale.

A pid file may name a process that is gone, or another one that got its number. The kernel knows better: every
process of a container has the container's overlay as its root mount, and its supervisor names it in its arguments.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from provision.errors import ProvisionError

Test = Callable[[Path], bool]
"""Judges a process by its folder below /proc."""


def inside(upper: Path) -> Test:
    """Processes whose root mount is an overlay that writes to ``upper``."""
    option = f"upperdir={upper}"

    def test(process: Path) -> bool:
        # proc_pid_mountinfo(5): ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAGS] - TYPE SOURCE SUPER-OPTIONS
        for line in (process / "mountinfo").read_text().splitlines():
            fields = line.split()
            if fields[4] == "/":
                return option in fields[-1].split(",")
        return False

    return test


def started_as(program: str, argument: str) -> Test:
    """Processes of ``program`` that got ``argument`` as one whole argument."""

    def test(process: Path) -> bool:
        arguments = (process / "cmdline").read_text().split("\0")
        return Path(arguments[0]).name == program and argument in arguments

    return test


def exists(test: Test) -> bool:
    """Whether any living process passes ``test``."""
    return any(_passes(test, pid) for pid in _pids())


def kill(test: Test, *, timeout: float = 10.0) -> None:
    """SIGKILL every process that passes ``test`` and wait for their ends, ``timeout`` seconds at most."""
    descriptors = list(_open_matching(test))
    try:
        for descriptor in descriptors:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        _wait(descriptors, timeout)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def wait_gone(test: Test, *, timeout: float) -> bool:
    """Wait until no process passes ``test``; False if some still do after ``timeout`` seconds."""
    descriptors = list(_open_matching(test))
    try:
        _wait(descriptors, timeout)
    except ProvisionError:
        return False
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return True


def _open_matching(test: Test) -> Iterator[int]:
    for pid in _pids():
        # Opened before it is judged: if the pid passes to another process in between, the descriptor is a dead one's.
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            if _passes(test, pid):
                yield descriptor
            else:
                os.close(descriptor)


def _wait(descriptors: list[int], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    for descriptor in descriptors:
        # A pidfd becomes readable when its process ends.
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise ProvisionError(f"a process of the lab did not end within {timeout:g} s")


def _passes(test: Test, pid: int) -> bool:
    try:
        return test(Path("/proc", str(pid)))
    except OSError:  # It ended while we looked.
        return False


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()]
