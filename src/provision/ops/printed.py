"""What commands on several hosts printed, kept until all have ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from provision.errors import HostError, ProvisionError
from provision.ops.events import CommandEnded, CommandEvent, CommandOutput

LIMIT = 16 * 1024 * 1024
"""Bytes that a host prints at most."""


class Printed:
    """Gathers what each of ``hosts`` prints, and keeps their order; ``emit`` of a SideBySide."""

    WHAT = "answer"
    """What the hosts are asked for, in the message about one that fails."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = hosts
        self._printed: defaultdict[tuple[str, str], bytearray] = defaultdict(bytearray)
        self._ends: dict[str, CommandEnded] = {}

    def __call__(self, event: CommandEvent) -> None:
        """Take one event, each host's from a thread of its own."""
        if isinstance(event, CommandOutput):
            printed = self._printed[event.host, event.stream]
            if len(printed) + len(event.data) > LIMIT:
                raise HostError(f"the host goes on and on about its {self.WHAT}: more than {LIMIT} bytes")
            printed += event.data
        elif isinstance(event, CommandEnded):
            self._ends[event.host] = event

    @property
    def ends(self) -> list[CommandEnded]:
        """How each came to its end, in the order of the hosts: a rollback takes the first of them alone first."""
        return [self._ends[host] for host in self._hosts if host in self._ends]

    @property
    def errors(self) -> dict[str, ProvisionError]:
        """Why hosts could not be read."""
        failed = {
            end.host: HostError(f"its {self.WHAT} could not be read: {self._text(end.host, 'err')}")
            for end in self.ends
            if end.status
        }
        return {**failed, **{end.host: end.error for end in self.ends if end.error is not None}}

    def texts(self) -> dict[str, str]:
        """What the hosts printed that succeeded."""
        return {end.host: self._text(end.host, "out") for end in self.ends if end.status == 0}

    def _text(self, host: str, stream: str) -> str:
        return self._printed[host, stream].decode("utf-8", "replace").strip()
