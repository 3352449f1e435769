"""What this machine sees of a host: its names, its ports, its certificates, its answers."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from provision.ops.doctor import probes
from provision.ops.doctor.probes import ANSWER, KNOCK, Handshake, Knock, Reply, Resolved, ask, at_once, shake_hands
from provision.ops.doctor.wanted import Wanted
from provision.transport import ssh_settings
from provision.transport.protocol import Login
from provision.transport.ssh_settings import Settings

DEADLINE = 2 * (KNOCK + ANSWER)
"""Seconds for all looks of one kind: a handshake may be made twice."""

SLASHED = "/openapi.json/"
"""FastAPI answers it with a redirect to the path without the slash, and puts into it the scheme that the app saw."""


@dataclass(frozen=True)
class Outside:
    """One host. What was not looked at is missing."""

    door: str = ""
    """The address that was knocked at; empty where there is none to be found."""
    detour: str = ""
    """Why that is not the address of the login: how it is reached."""
    addresses: Mapping[str, tuple[Resolved, Resolved]] = field(default_factory=dict)
    """Name -> A, AAAA."""
    ports: Mapping[int, Knock] = field(default_factory=dict)
    handshakes: Mapping[str, Handshake] = field(default_factory=dict)
    redirects: Mapping[str, Reply] = field(default_factory=dict)
    """Name -> the answer to plain HTTP."""
    replies: Mapping[str, Reply] = field(default_factory=dict)
    """Name -> the answer of the site."""
    slashed: Reply | None = None
    """The answer to SLASHED, for the first name."""
    mark: str = ""
    """What that request had in its query, by which the app's log knows it."""


def asked_for(name: str) -> str:
    """The name that stands for a site's: of a wildcard some name below it."""
    return f"doctor{name[1:]}" if name.startswith("*.") else name


def look(login: Login, wanted: Wanted, mark: str) -> Outside:
    """Look at one host. Raises ConfigError for a login that cannot be meant."""
    if not wanted.caddy:
        return Outside()
    settings = ssh_settings.resolve(login)
    addresses = _addresses(wanted)
    detour = _detour(settings)
    door = _first_address(settings.address) if not detour else _first_of(addresses)
    if not door:
        return Outside(detour=detour, addresses=addresses)
    ports = at_once({port: partial(probes.knock, door, port) for port in wanted.ports}, DEADLINE)
    found = Outside(door, detour, addresses, ports)
    return _asked(found, wanted, mark)


def _asked(found: Outside, wanted: Wanted, mark: str) -> Outside:
    def is_open(port: int) -> bool:
        knocked = found.ports.get(port)
        return knocked is not None and knocked.state == "open"

    names, secure = wanted.names or ("",), wanted.certified
    port = 443 if secure else wanted.http_port
    greet = partial(ask, found.door, port, secure=secure)
    replies: dict[tuple[str, str], Callable[[], Reply]] = {}
    if is_open(port):
        replies |= {("reply", name): partial(greet, asked_for(name), "/") for name in names}
    if secure and is_open(wanted.http_port):
        plain = partial(ask, found.door, wanted.http_port, secure=False)
        replies |= {("redirect", name): partial(plain, asked_for(name), "/") for name in names}
    if wanted.app and is_open(port):
        replies["slashed", ""] = partial(greet, asked_for(names[0]), f"{SLASHED}?doctor={mark}")
    hands = {
        name: partial(shake_hands, found.door, port, asked_for(name)) for name in names if secure and is_open(port)
    }
    handshakes, answers = at_once(hands, DEADLINE), at_once(replies, DEADLINE)
    late = Reply(error="no answer in time")

    def of(kind: str) -> dict[str, Reply]:
        return {name: answers.get((which, name), late) for which, name in replies if which == kind}

    return replace(
        found,
        handshakes={name: handshakes.get(name, Handshake(late.error)) for name in hands},
        redirects=of("redirect"),
        replies=of("reply"),
        slashed=of("slashed").get(""),
        mark=mark,
    )


def _addresses(wanted: Wanted) -> dict[str, tuple[Resolved, Resolved]]:
    families = (socket.AF_INET, socket.AF_INET6)
    calls = {
        (name, family): partial(probes.resolve, asked_for(name), family) for name in wanted.names for family in families
    }
    found = at_once(calls, DEADLINE)
    late = Resolved(error="the resolver gives no answer")
    return {name: (found.get((name, families[0]), late), found.get((name, families[1]), late)) for name in wanted.names}


def _detour(settings: Settings) -> str:
    """How a host is reached whose address in the inventory is not one that clients could use."""
    if settings.jumps:
        return f"through {settings.jumps[-1].address}"
    if settings.proxy_command:
        return "through a ProxyCommand"
    if _is_loopback(settings.address):
        return f"through port {settings.port} of this machine"
    return ""


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _first_address(address: str) -> str:
    found = at_once({"": partial(probes.resolve, address, socket.AF_UNSPEC)}, DEADLINE).get("", Resolved())
    return next(iter(found.addresses), "")


def _first_of(addresses: Mapping[str, tuple[Resolved, Resolved]]) -> str:
    every = [address for pair in addresses.values() for found in pair for address in found.addresses]
    return next(iter(every), "")
