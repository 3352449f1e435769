"""The clock of a VM that went on from a snapshot."""

from __future__ import annotations

import time

from provision.errors import ProvisionError
from provision.lab.commands import run
from provision.lab.provider import Host
from provision.shell import sh

_PATIENCE = 120.0
"""Seconds until the sshd of a VM that went on is reached; a bridge that has just got its cable forwards nothing yet."""


def set_clock(host: Host) -> None:
    """Give ``host`` the time of today; it went on where it was."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            run(*host.ssh(sh("sudo -n date --utc --set={} >/dev/null", f"@{time.time():.3f}")))
            return
        except ProvisionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)
