"""The clock of a VM that went on from a snapshot: by a serial line, where there is one, else by a login."""

from __future__ import annotations

import time
from pathlib import Path

from provision.errors import ProvisionError
from provision.lab.commands import run
from provision.lab.monitor import connected
from provision.lab.provider import Host
from provision.shell import sh

SOCKET = "clock"
"""QEMU's end of the serial line, in the host's folder."""

UNIT = "lab-clock.service"

SERVICE = """\
[Unit]
Description=Set the clock by what the second serial line says
# A container of this image has no such line.
ConditionVirtualization=vm

[Service]
ExecStart=/bin/sh -c 'exec <>/dev/ttyS1 >&0; stty raw -echo; \\
while read -r now; do date --utc --set="@$$now" >/dev/null && echo set; done'
Restart=always

[Install]
WantedBy=multi-user.target
"""
"""What answers to it in the VM. Without a processor of its own a login takes a second, and this a tenth of one."""

_PATIENCE = 120.0
"""Seconds until the sshd of a VM that went on is reached; a bridge that has just got its cable forwards nothing yet."""


def set_clock_by_line(host: Host, folder: Path) -> None:
    """Give ``host``, whose QEMU has its sockets in ``folder``, the time of today; it went on where it was."""
    with connected(folder, SOCKET) as line:
        line.write(f"{time.time():.3f}\n".encode())
        line.flush()
        if line.readline().strip() != b"set":
            raise ProvisionError(f"{host.name} does not take the time: {UNIT} does not run in it")


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
