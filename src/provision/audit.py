"""Who runs what, as other runs and the hosts are told: for the lock, and for the record that a host keeps."""

from __future__ import annotations

import getpass
import os
import socket
import time

from provision import __version__


def holder(command: str) -> str:
    """Who holds a host's lock, for whoever finds it taken."""
    return f"{_who()} (pid {os.getpid()}) since {_now()}: {command}"


def audit(command: str) -> dict[str, object]:
    """What is recorded of a run beforehand; runner.sh adds how it ended. Equal in all trips of one run to a host."""
    return {"who": _who(), "when": _now(), "version": __version__, "command": command}


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # In a container it may be a number without a name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
