"""The seams between the engine and a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Login:
    """How to reach one host: the resolved connection variables of the inventory."""

    name: str
    """The inventory's name of the host."""
    address: str
    """``ansible_host``, or the name."""
    port: int | None = None
    user: str | None = None
    key_files: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    """``ansible_password``; keys and the agent are tried first."""
    become_password: str | None = field(default=None, repr=False)
    """For sudo where it asks; None = sudo must not ask."""
    known_hosts: str | None = None
    """A file used instead of ~/.ssh/known_hosts."""
    common_args: str = ""
    """``ansible_ssh_common_args``."""
    timeout: float = 10.0
    """Seconds for TCP connect, banner and authentication each."""


class Stream(Protocol):
    """A running root process on the host: bytes in, bytes out."""

    def send(self, data: bytes) -> None:
        """Write all of ``data``. May be called while another thread is in ``receive``. Raises Unreachable."""
        ...

    def receive(self) -> bytes:
        """The next bytes of standard output; ``b""`` at its end. Raises ConnectionLost when the line is dead."""
        ...

    def complaint(self) -> str:
        """What standard error said so far (bounded), for the message of a session that ended early."""
        ...

    def close(self) -> None:
        """Close the process's standard input and the channel; never raises."""
        ...


class Connection(Protocol):
    """An authenticated connection to one host."""

    @property
    def by_key(self) -> bool:
        """Was it a key (of a file or the agent, with a certificate or without) that let it in, and no password?"""
        ...

    def root_stream(self, command: str) -> Stream:
        """Run ``command``, one line of POSIX sh without single quotes, as root: through sudo where the login is not.

        May be called again for a second process beside the first. Raises Unreachable or one of its kinds, where
        MaxSessions forbids a second one too; Refused where sudo is missing or not allowed.
        """
        ...

    def close(self) -> None:
        """Close the connection; never raises."""
        ...
