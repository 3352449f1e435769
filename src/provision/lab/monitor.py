"""Speaks with a running QEMU and what runs in it, over sockets in the folder of the host."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair
from pathlib import Path

from provision.errors import ProvisionError

SOCKET = "qmp"
"""Its name in the host's folder."""

_PATIENCE = 120.0
"""Seconds for one command; to write down a gigabyte of memory takes the longest."""


class Monitor:
    """The QEMU of the host whose folder is ``folder``, by its machine protocol (QMP).

    Every method raises ProvisionError where it does not answer.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def command(self, name: str, /, **arguments: object) -> object:
        """What QEMU returns for one command of its QMP reference manual."""
        with connected(self._folder, SOCKET) as lines:
            json.loads(lines.readline())  # Its greeting.
            for execute, with_ in (("qmp_capabilities", {}), (name, arguments)):
                lines.write(json.dumps({"execute": execute, "arguments": with_}).encode() + b"\n")
                lines.flush()
                answer = self._answer(lines)
        return answer

    def human(self, line: str) -> str:
        """What QEMU prints for a line of its human monitor, which can do a few things that QMP cannot."""
        return str(self.command("human-monitor-command", **{"command-line": line}))

    def _answer(self, lines: BufferedRWPair) -> object:
        for line in lines:
            said = json.loads(line)
            if "error" in said:
                raise ProvisionError(f"QEMU in {self._folder}: {said['error']['desc']}")
            if "return" in said:  # Else an event.
                return said["return"]
        raise ProvisionError(f"QEMU in {self._folder} ended before it answered")


@contextmanager
def connected(folder: Path, name: str) -> Iterator[BufferedRWPair]:
    """A connection to QEMU's socket ``name`` in ``folder``. Raises ProvisionError where nobody answers."""
    opened = os.open(folder, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE)
            # By this name, since that of the folder may be longer than the 108 bytes of an address.
            connection.connect(f"/proc/self/fd/{opened}/{name}")
            with connection.makefile("rwb") as lines:
                yield lines
    except (OSError, ValueError) as error:
        raise ProvisionError(f"QEMU in {folder} does not answer: {error}") from error
    finally:
        os.close(opened)
