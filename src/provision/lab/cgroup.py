"""A control group for each container.

Containers started with ``--keep-unit`` from one group would share its ``payload`` group: their systemds then find each
other's processes in the group of a unit, and cannot stop it ("Failed to kill control group: Input/output error").
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from provision.errors import ProvisionError
from provision.shell import Sh, lines, sh


def groups(name: str, mounts: Path = Path("/proc/self/mountinfo")) -> list[Path]:
    """The folders of group ``name`` in the hierarchies that systemd uses: cgroup v2, and v1's ``name=systemd``."""
    found = []
    for line in mounts.read_text().splitlines():
        # proc_pid_mountinfo(5): ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAGS] - TYPE SOURCE SUPER-OPTIONS
        mount, _, kind = line.partition(" - ")
        file_system, _, options = kind.split(" ", 2)
        if file_system == "cgroup2" or (file_system == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(mount.split()[4], name))
    return found


def enter(name: str) -> Sh:
    """Shell that makes group ``name`` and moves the shell into it, with all that it starts.

    For ``sh -e``: what ran outside of the group would be found by nobody. Raises ProvisionError where there are none.
    """
    found = groups(name)
    if not found:
        raise ProvisionError("this machine has no control groups of systemd's kind", hint="mount cgroup2")
    # Two commands: `sh -e` does not end at the first of an `&&`.
    return lines(*(sh("mkdir -p {}\necho $$ >{}", str(group), str(group / "cgroup.procs")) for group in found))


def remove(name: str) -> None:
    """Remove group ``name`` and those below it, which must hold no process."""
    for group in groups(name):
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(FileNotFoundError):
                os.rmdir(folder)
