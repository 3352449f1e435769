"""Who listens on the ports of the web, as ``programs/listeners.sh`` has it, and what to do where it is not Caddy."""

from __future__ import annotations

import re
from dataclasses import dataclass

CADDY = "caddy.service"

_ADVICE = {
    "docker-proxy": "a container publishes it (`docker ps --filter publish={port}`): let it publish another port, such "
    "as 127.0.0.1:8081",
    "k3s-server": "k3s brings a load balancer: start it with --disable=servicelb,traefik",
    "systemd": "a socket unit holds it (`systemctl list-sockets`): `systemctl disable --now` that",
}
"""Program -> what to do, where its unit alone is not what one stops."""


@dataclass(frozen=True)
class Listener:
    """A program that listens on a port."""

    port: int
    pid: int
    """0 where no process of the host holds the port, but one of a container or the kernel."""
    unit: str
    program: str

    @property
    def is_caddy(self) -> bool:
        """Is it the Caddy that we run?"""
        return self.unit == CADDY

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid}, {self.unit})" if self.pid else "something in another name space"

    @property
    def advice(self) -> str:
        """How to get rid of it."""
        if self.program in _ADVICE:
            return _ADVICE[self.program].format(port=self.port)
        if self.unit.endswith(".service"):
            name = self.unit.removesuffix(".service")
            return f"stop it for good with `systemctl disable --now {name}`, or move it to another port"
        return "stop it, or move it to another port"


def parse(row: str) -> Listener | None:
    """A line of ``listeners``; None for what is none."""
    found = re.fullmatch(r"(\d{1,5}) (\d{1,10}) (\S+) (.*)", row, re.ASCII)
    return Listener(int(found[1]), int(found[2]), found[3], found[4]) if found else None


def named(port: int, text: str) -> Listener | None:
    """The one whom ``PROGRAM (pid PID, UNIT)`` names; None where that is not said."""
    found = re.fullmatch(r"(.*) \(pid (\d{1,10}), (\S+)\)", text, re.ASCII)
    return Listener(port, int(found[2]), found[3], found[1]) if found else None
