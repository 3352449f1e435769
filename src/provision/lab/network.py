"""The bridge of a lab and its way out."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from provision.errors import ProvisionError
from provision.lab.commands import run, succeeds
from provision.lab.personality import Link


@dataclass(frozen=True)
class Network:
    """Network ``index`` of this machine's labs: bridge ``labX`` with 10.77.X.0/24."""

    index: int

    @property
    def bridge(self) -> str:
        """The name of the bridge."""
        return f"lab{self.index}"

    @property
    def subnet(self) -> IPv4Network:
        """The addresses of the bridge and its hosts."""
        return IPv4Network(f"10.77.{self.index}.0/24")

    @property
    def gateway(self) -> str:
        """The bridge's own address."""
        return str(self.subnet[1])

    def address(self, number: int) -> str:
        """The address of host ``number``, which counts from 1."""
        return str(self.subnet[10 + number])

    def link(self, number: int) -> Link:
        """How host ``number`` is connected: systemd-nspawn calls its end of the cable host0."""
        return Link("host0", f"{self.address(number)}/{self.subnet.prefixlen}", self.gateway)

    def ensure(self) -> None:
        """Make the bridge and its rules, or what is missing of them."""
        if not exists(self.bridge):
            run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "addr", "replace", f"{self.gateway}/{self.subnet.prefixlen}", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        # A booting host misses our first ARP request; the next would come a second later.
        Path("/proc/sys/net/ipv4/neigh", self.bridge, "retrans_time_ms").write_text("50")
        # Stays on after the lab, as with Docker and libvirt: whoever came after us may rely on it.
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        for table, chain, rule in self._rules():
            if not succeeds("iptables", "--wait", "--table", table, "--check", chain, *rule):
                run("iptables", "--wait", "--table", table, "--insert", chain, *rule)

    def attach(self, port: str) -> None:
        """Connect the interface ``port`` of a running host again, as after the loss of the bridge."""
        run("ip", "link", "set", port, "master", self.bridge, "up")

    def remove(self) -> None:
        """Remove the rules, then the bridge."""
        for table, chain, rule in self._rules():
            while succeeds("iptables", "--wait", "--table", table, "--delete", chain, *rule):
                pass
        remove_link(self.bridge)

    def _rules(self) -> list[tuple[str, str, list[str]]]:
        comment = ["-m", "comment", "--comment", f"provision lab {self.bridge}"]
        return [
            ("nat", "POSTROUTING", shlex.split(f"-s {self.subnet} ! -o {self.bridge} -j MASQUERADE") + comment),
            # Docker sets the policy of FORWARD to DROP.
            ("filter", "FORWARD", shlex.split(f"-i {self.bridge} -j ACCEPT") + comment),
            ("filter", "FORWARD", shlex.split(f"-o {self.bridge} -j ACCEPT") + comment),
        ]


def free_network(taken: Collection[int]) -> Network:
    """The first network that neither a lab (``taken``: their indexes) nor anything else on this machine uses."""
    routes = [route["dst"] for route in json.loads(run("ip", "-json", "-4", "route", "show", "table", "all"))]
    routed = [IPv4Network(destination) for destination in routes if destination != "default"]
    for index in range(256):
        network = Network(index)
        if index in taken or exists(network.bridge):
            continue
        if not any(network.subnet.overlaps(other) for other in routed if other.prefixlen >= 16):
            return network
    raise ProvisionError("all of 10.77.0.0/16 is in use", hint="end a lab: provision lab down --name NAME")


def remove_link(name: str) -> None:
    """Delete the network interface ``name`` if it exists."""
    # The kernel may be faster: a cable goes away with the host at its end.
    if not succeeds("ip", "link", "delete", name) and exists(name):
        raise ProvisionError(f"the network interface {name} cannot be deleted", hint=f"ip link delete {name}")


def exists(link: str) -> bool:
    """Whether this machine has a network interface called ``link``."""
    return Path("/sys/class/net", link).exists()
