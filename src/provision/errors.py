"""Every error a user can meet, in one tree. Each says where, what, and what to do next.

ProvisionError
├── ConfigError           exit 2: inventory, role, variable or command line; has a Position
├── HostError             exit 1: something failed on, or because of, one host
│   ├── StepFailed        a step of the plan ended with a non-zero status
│   ├── NotConverged      three rounds, and some keys still differ
│   └── Refused           the host cannot be managed (not Debian, not ours, no root)
├── Unreachable           exit 3: no session, or a session that ended early
│   ├── HostKeyError      unknown or changed host key
│   ├── AuthenticationError
│   └── ConnectionLost    the last frame is missing: the state is unknown
├── Locked                exit 4: another run holds the host
└── Interrupted           exit 130: Ctrl-C
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Position:
    """A place in a file: 1-based line and column, as editors and compilers count."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class ProvisionError(Exception):
    """Base of all. ``exit_code`` is what the command line ends with; ``hint`` is the next thing to do."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(ProvisionError):
    """What the user wrote cannot be used. ``position`` is shown with the line and a caret."""

    exit_code = 2

    def __init__(self, message: str, *, position: Position | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.position = position


class HostError(ProvisionError):
    """One host failed; the others go on. ``log`` holds the last lines the host printed."""

    def __init__(self, message: str, *, task: str = "", log: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.task = task
        self.log = tuple(log)


class StepFailed(HostError):
    """A step ended with status ``rc``; the steps after it were not started."""

    def __init__(self, message: str, *, rc: int, task: str = "", log: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, task=task, log=log, hint=hint)
        self.rc = rc


class NotConverged(HostError):
    """The proof still finds differences after the last round; the message names their keys."""


class Refused(HostError):
    """The host cannot be managed as it is, and nothing was changed on it."""


class Unreachable(ProvisionError):
    """No session with the host, or one that ended before its last frame."""

    exit_code = 3


class HostKeyError(Unreachable):
    """The host's key is unknown and nobody could be asked, or it is not the one in known_hosts."""


class AuthenticationError(Unreachable):
    """The host refused every key, or wants another login."""


class ConnectionLost(Unreachable):
    """The line ended before the last frame; what the host did last is unknown until the next run reads it."""


class Locked(ProvisionError):
    """Another run holds the host's lock; the message names its holder, command and start."""

    exit_code = 4


class Interrupted(ProvisionError):
    """The user pressed Ctrl-C; a running step was left to complete, no further one was started."""

    exit_code = 130
