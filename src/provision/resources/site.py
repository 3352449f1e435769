"""``site``: where an app answers. Checked and reported, never changed: Caddy gets certificates by itself."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from provision.resources.base import Diff, Facts, Read, Reading, Shell, State, Step
from provision.shell import sh

PRIVATE_RANGES = "private_ranges"
"""Caddy's word for all private networks."""

_NAME = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*")
_UPSTREAM = re.compile(r"(?:[\w.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?", re.IGNORECASE)
_PATH = re.compile(r"(?:/[\w.~-]+)*")

STORAGE = "/var/lib/caddy/.local/share/caddy/certificates"
"""Where the packaged Caddy keeps them: AUTHORITY/NAME/NAME.crt."""

LOOK = """
[ -d /var/lib/caddy ] || exit 0
for name in {}; do
	set -- {}/*/"$name"/"$name".crt
	if [ -s "$1" ]; then
		echo "$name=yes"
	else
		found=$(timeout 3 getent ahosts "$name" | cut -d ' ' -f 1 | sort -u | tr '\\n' ' ')
		echo "$name=no $found"
		own=$(hostname -I)
	fi
done
echo "own=${{own-}}"
"""
"""Nothing is missing where Caddy is not there yet. The resolver is asked only for a name without a certificate, so a
run with nothing to do costs one stat a name."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where Caddy answers for an app: refuses what cannot be, says which certificates are missing, and the URLs."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("name", "tls")

    name: tuple[str, ...]
    """The site's names."""
    tls: Literal["auto", "internal", "off"] = "auto"
    """Where its certificates come from; ``off`` for plain HTTP."""
    email: str = ""
    """Contact for the certificate authority."""
    http_port: int = 80
    """Of plain HTTP."""
    app_port: int = 0
    """First of the three that the app takes; 0 where there is no app."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses, networks, or ``private_ranges``."""
    health_path: str = ""
    """Answers for any name."""
    upstreams: tuple[str, ...] = ()
    """The hosts of the app, where this one is their load balancer."""

    def __post_init__(self) -> None:
        for name in self.name:
            if not _NAME.fullmatch(name):
                raise ValueError(f"name {name!r} is no host name such as api.example.com; give several as a list")
            if name.isdecimal():
                raise ValueError(f"name {name!r} is a number, not a host name")
        if self.email and self.tls == "off":
            raise ValueError("email is for certificates, and with tls off there are none: leave it out")
        self._check_port()
        for proxy in self.trusted_proxies:
            _check_proxy(proxy)
        if not _PATH.fullmatch(self.health_path):
            raise ValueError(f"health_path {self.health_path!r} is no path such as /healthz")
        self._check_upstreams()

    def _check_port(self) -> None:
        port, secure = self.http_port, bool(self.name) and self.tls != "off"
        if not 1 <= port <= 65535:
            raise ValueError(f"http_port {port} is not between 1 and 65535")
        if port == 443 and secure:
            raise ValueError("http_port 443 is the port of HTTPS")
        if self.app_port <= port <= self.app_port + 2:
            taken = f"app_port {self.app_port} takes {self.app_port} to {self.app_port + 2}"
            raise ValueError(f"http_port {port} is one of the app's own: {taken}")

    def _check_upstreams(self) -> None:
        for upstream in self.upstreams:
            if not _UPSTREAM.fullmatch(upstream):
                raise ValueError(f"upstreams {upstream!r} is no address or name such as 10.0.0.5 or web1.internal:8080")
        if self.upstreams and self.app_port:
            raise ValueError("upstreams are the app on other hosts, and this one has it too: give it roles: [caddy]")

    def reads(self) -> Iterable[Read]:
        """One look into Caddy's storage."""
        return [self._read] if self._certified else []

    @property
    def _certified(self) -> tuple[str, ...]:
        return () if self.tls == "off" else self.name

    @property
    def _read(self) -> Shell:
        return Shell(sh(LOOK, self._certified, STORAGE))

    def desired(self, facts: Facts) -> State:
        """Nothing: a missing certificate is no failure of the run."""
        return {}

    def change(self, diff: Diff) -> list[Step]:
        """Never called: there is nothing to differ."""
        return []

    def notices(self, readings: Mapping[Read, Reading]) -> list[str]:
        """A sentence for each name that has no certificate yet."""
        found = readings.get(self._read, {}) if self._certified else {}
        up = "the app" if self.app_port else "Caddy"
        return [
            _missing(up, name, found[name].removeprefix("no").split(), found.get("own", "").split())
            for name in self._certified
            if found.get(name, "yes") != "yes"
        ]

    def urls(self, readings: Mapping[Read, Reading]) -> list[str]:
        """Where clients find the site; a trusted proxy before plain HTTP is what they talk to, and in HTTPS."""
        if self.tls != "off" or self.trusted_proxies:
            return [f"https://{name}" for name in self.name]
        port = "" if self.http_port == 80 else f":{self.http_port}"
        return [f"http://{name}{port}" for name in self.name]


def _check_proxy(proxy: str) -> None:
    """Caddy takes host bits and uvicorn does not, and to trust everyone is to believe every client."""
    if proxy == PRIVATE_RANGES:
        return
    try:
        network = ipaddress.ip_network(proxy, strict=False)
    except ValueError:
        raise ValueError(f"trusted_proxies {proxy!r} is no address, no network and not {PRIVATE_RANGES}") from None
    if network.prefixlen == 0:
        raise ValueError(f"trusted_proxies {proxy} is everyone: any client could then pass for another")
    if proxy not in (str(network), str(network.network_address)):
        raise ValueError(f"trusted_proxies {proxy!r} is written {str(network)!r}")


def _missing(up: str, name: str, resolved: list[str], own: list[str]) -> str:
    there = f"{name} resolves to {', '.join(resolved)}" if resolved else f"{name} does not resolve"
    here = f", this host is {', '.join(own)}" if own else ""
    return f"{up} is up; no certificate yet: {there}{here}; Caddy retries by itself"
