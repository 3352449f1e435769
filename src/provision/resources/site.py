"""``site``: where an app answers. Checked and reported, never changed: Caddy gets certificates by itself."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from provision.resources import listeners
from provision.resources.base import Diff, Facts, Package, Property, Read, Reading, Shell, State, Step
from provision.resources.certificates import look, missing
from provision.resources.listeners import Listener
from provision.resources.programs import program
from provision.shell import lines, sh

PRIVATE_RANGES = "private_ranges"
"""Caddy's word for all private networks."""

_NAME = re.compile(r"(?:\*\.)?(?!-)[\w-]+(?:\.(?!-)[\w-]+)*", re.ASCII)
_UPSTREAM = re.compile(r"(?:(?!-)[\w.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?", re.IGNORECASE)
_PATH = re.compile(r"(?:/[\w.~-]+)*")

_INSTALLED = Package("caddy")
_NOT_OFFICIAL = (
    "Caddy {} is the distribution's, and what is installed is not upgraded: `apt-get install caddy` on the host brings "
    "the official one; or say caddy_source: distro"
)

HELD = """
[ ! -d /var/lib/caddy ] || exit 0
listeners {} | while read -r port pid unit program; do
	echo "port $port=$program (pid $pid, $unit)"
done
"""
"""Where Caddy is there already, it has the ports."""

GUARD = """
held=$(listeners {})
[ -n "$held" ] || exit 0
while read -r port pid unit program; do
	echo "Caddy needs port $port, and $program (pid $pid, $unit) holds it"
done <<END
$held
END
exit 1
"""
"""Looks again: a task before may have stopped it."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where Caddy answers for an app: refuses what cannot be, says which certificates are missing, and the URLs."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("name", "tls", "http_port", "acme_ca")

    name: tuple[str, ...]
    """The site's names."""
    tls: Literal["auto", "internal", "off"] = "auto"
    """Where its certificates come from; ``off`` for plain HTTP."""
    email: str = ""
    """Contact for the certificate authority."""
    acme_ca: str = ""
    """Directory of another ACME server than the public ones: it certifies any name."""
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
    access_log_size: int = 100
    """MiB of an access log, which is then set aside."""
    access_log_keep: int = 10
    """Number of those that are kept."""
    access_log_days: int = 30
    """Days for which they are kept."""
    source: Literal["official", "distro", "url"] = "distro"
    """Where Caddy comes from."""

    def __post_init__(self) -> None:
        for name in self.name:
            check_name(name)
        if self.email and self.tls == "off":
            raise ValueError("email is for certificates, and with tls off there are none: leave it out")
        self._check_port()
        for proxy in self.trusted_proxies:
            _check_proxy(proxy)
        if not _PATH.fullmatch(self.health_path):
            raise ValueError(f"health_path {self.health_path!r} is no path such as /healthz")
        self._check_upstreams()
        for option in ("access_log_size", "access_log_keep", "access_log_days"):
            # Caddy takes 0 for its own default.
            if getattr(self, option) < 1:
                raise ValueError(f"{option} is a number above 0, not {getattr(self, option)}")

    def _check_port(self) -> None:
        port = self.http_port
        if not 1 <= port <= 65535:
            raise ValueError(f"http_port {port} is not between 1 and 65535")
        if port == 443 and self._certified:
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
        """One look into Caddy's storage, and where there is no Caddy one at its ports."""
        installed = [_INSTALLED] if self.source == "official" else []
        return [self._ports_read, *([self._read] if self._certified else []), *installed]

    @property
    def ports(self) -> tuple[int, ...]:
        """Where Caddy listens."""
        return ports(self.name, self.tls, self.http_port)

    @property
    def _certified(self) -> tuple[str, ...]:
        return certified(self.name, self.tls)

    @property
    def _read(self) -> Shell:
        return look(self._certified, self.tls, self.acme_ca)

    @property
    def _ports_read(self) -> Shell:
        return Shell(lines(program("listeners.sh"), sh(HELD, self._words)))

    @property
    def _words(self) -> list[str]:
        return [str(port) for port in self.ports]

    def _held(self, port: int) -> Property:
        return self._ports_read[f"port {port}"]

    def desired(self, facts: Facts) -> State:
        """Nobody else listens on Caddy's ports before it is there; a missing certificate is no failure of the run."""
        return {self._held(port): "" for port in self.ports}

    def change(self, diff: Diff) -> list[Step]:
        """One step, that fails where the ports are still held: which of two servers starts first is no state."""
        return [Step(lines(program("listeners.sh"), sh(GUARD, self._words)), title="looking for another web server")]

    def notices(self, readings: Mapping[Read, Reading]) -> list[str]:
        """A sentence for each name that has no certificate yet, and for each port that another server holds."""
        ports = readings.get(self._ports_read, {})
        held = [holder for port in self.ports if (holder := listeners.named(port, ports.get(f"port {port}", "")))]
        found = readings.get(self._read, {}) if self._certified else {}
        # Debian's versions have a revision of Debian's, those of the official repository have none.
        version = readings.get(_INSTALLED, {}).get("version", "")
        older = [_NOT_OFFICIAL.format(version)] if self.source == "official" and "-" in version else []
        up = "the app" if self.app_port else "Caddy"
        said = [missing(name, found) for name in self._certified if found.get(name) != "own" or self.tls == "auto"]
        return [*map(_in_the_way, held), *older, *(f"{up} is up; {text}" for text in said if text)]

    def urls(self, readings: Mapping[Read, Reading]) -> list[str]:
        """Where clients find the site; a trusted proxy before plain HTTP is what they talk to, and in HTTPS."""
        if self.tls != "off" or self.trusted_proxies:
            return [f"https://{name}" for name in self.name]
        port = "" if self.http_port == 80 else f":{self.http_port}"
        return [f"http://{name}{port}" for name in self.name]


def certified(names: tuple[str, ...], tls: str) -> tuple[str, ...]:
    """Those of a site's names that have certificates, whoever signs them."""
    return () if tls == "off" else names


def ports(names: tuple[str, ...], tls: str, http_port: int) -> tuple[int, ...]:
    """Where Caddy listens for a site."""
    return (http_port, 443) if certified(names, tls) else (http_port,)


def check_name(name: str) -> None:
    """Raise ValueError for what no site can be called."""
    if not name.isascii():
        # As browsers and certificate authorities write it.
        written = "".join(
            f".{part}" if part.isascii() else f".xn--{part.encode('punycode').decode()}" for part in name.split(".")
        )
        raise ValueError(f"name {name!r} is written {written[1:]} in the DNS, and here too")
    if not _NAME.fullmatch(name):
        raise ValueError(f"name {name!r} is no host name such as api.example.com; give several as a list")
    if name.isdecimal():
        raise ValueError(f"name {name!r} is a number, not a host name")


def _in_the_way(listener: Listener) -> str:
    return f"Caddy needs port {listener.port}, and {listener} holds it: {listener.advice}"


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
