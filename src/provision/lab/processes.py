"""Finds and ends the processes of a container without a record of them, so no record can be stale.

A pid file may name a process that is gone, or another one that got its number; the control group of a container
holds all of its processes and no other.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from provision.errors import ProvisionError

Test = Callable[[Path], bool]
"""Judges a process by its folder below /proc; may raise OSError where the process is gone."""


def container(group: str) -> Test:
    """Processes of the container that systemd-nspawn runs in control group ``group``: those in its ``payload``.

    Its init is in that itself until it has moved to ``init.scope`` below.
    """
    return lambda process: any(f"{path}/".startswith(f"/{group}/payload/") for path in _groups(process))


def supervisor(group: str) -> Test:
    """The systemd-nspawn that was started in control group ``group``; it moves itself to ``supervisor`` below it."""
    return lambda process: any(path in (f"/{group}", f"/{group}/supervisor") for path in _groups(process))


def groups() -> set[str]:
    """The names of the control groups below the root that hold a process, in themselves or below."""
    found = set()
    for pid in _pids():
        with suppress(OSError):  # It ended while we looked.
            found |= {path.split("/")[1] for path in _groups(Path("/proc", str(pid)))}
    return found


def _groups(process: Path) -> list[str]:
    # cgroups(7): HIERARCHY:CONTROLLERS:PATH
    return [line.split(":", 2)[2] for line in (process / "cgroup").read_text().splitlines()]


def _state(process: Path) -> str:
    # proc(5): PID (NAME) STATE ..., and a name may hold anything.
    return (process / "stat").read_text().rpartition(")")[2].split()[0]


def exists(test: Test) -> bool:
    """Whether any process passes ``test``."""
    return any(_passes(test, pid) for pid in _pids())


def kill(test: Test, *, timeout: float = 60.0) -> None:
    """SIGKILL every process that passes ``test`` and wait for their ends. Raises ProvisionError after ``timeout`` s."""
    with _matching(test) as descriptors:
        for descriptor in descriptors:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        if not _ended(descriptors, timeout):
            raise ProvisionError(f"a process of the lab did not end within {timeout:g} s of SIGKILL")


def wait_gone(test: Test, *, timeout: float) -> bool:
    """Wait until no process passes ``test``; False if one still does after ``timeout`` seconds."""
    with _matching(test) as descriptors:
        return _ended(descriptors, timeout)


@contextmanager
def _matching(test: Test) -> Iterator[list[int]]:
    with ExitStack() as stack:
        descriptors = []
        for pid in _pids():
            # Opened before it is judged: should the number pass to another process, this descriptor does not.
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                if _passes(test, pid):
                    stack.callback(os.close, descriptor)
                    descriptors.append(descriptor)
                else:
                    os.close(descriptor)
        yield descriptors


def _ended(descriptors: list[int], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    # A pidfd becomes readable when its process ends.
    return all(select.select([one], [], [], max(0.0, deadline - time.monotonic()))[0] for one in descriptors)


def _passes(test: Test, pid: int) -> bool:
    process = Path("/proc", str(pid))
    try:
        # A zombie has ended, and stays in its control group until a busy machine's init has looked.
        return test(process) and _state(process) not in "ZX"
    except OSError:  # It ended while we looked.
        return False


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()]
