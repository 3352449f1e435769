"""Is the way to the host free: do its names lead there, are its ports open, and is nothing else on them? Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from provision.checks import Check, Status
from provision.ops.doctor.outside import Outside
from provision.ops.doctor.probes import Resolved
from provision.ops.doctor.told import Told
from provision.ops.doctor.wanted import Wanted

NOT_YET = "not yet: Caddy is not installed"


def has_caddy(told: Told) -> bool:
    """Is Caddy installed?"""
    return told.one("caddy") not in ("", "absent")


def servers(told: Told, wanted: Wanted) -> Iterator[Check]:
    """Who listens where Caddy is to, and does Caddy run?"""
    others = [found for found in told.listeners if not found.is_caddy]
    for found in others:
        yield Check("server", "fail", f"{found} holds port {found.port}, which Caddy needs", found.advice)
    if not has_caddy(told):
        if not others:
            yield Check("server", "ok", f"nothing holds {_ports(wanted.ports)}, which Caddy needs")
        return
    state = told.one("caddy")
    if state != "active":
        advice = "see `journalctl -u caddy -n 30`; `provision up` starts it"
        yield Check("server", "fail", f"Caddy does not run: it is {state}", advice)
    elif missing := sorted(set(wanted.ports) - {found.port for found in told.listeners}):
        advice = "`provision up` writes its configuration; `caddy validate --config /etc/caddy/Caddyfile` checks it"
        yield Check("server", "fail", f"Caddy runs, but does not listen on {_ports(missing)}", advice)
    elif not others:
        yield Check("server", "ok", f"Caddy listens on {_ports(wanted.ports)}")


def ports(told: Told, wanted: Wanted, outside: Outside) -> Iterator[Check]:
    """Does a connection from here get through to each port?"""
    if not outside.door:
        how = outside.detour or "by a name that does not resolve"
        found = f"the host is reached {how}, and none of its names resolves: there is no address to try"
        yield Check("ports", "skipped", found, "run this again once a name resolves")
        return
    listening = {found.port for found in told.listeners}
    for port in wanted.ports:
        knocked = outside.ports.get(port)
        yield _port(port, port in listening, knocked.state if knocked else "silent", outside.door)


def _port(port: int, listening: bool, state: str, door: str) -> Check:
    kind = f"port {port}"
    opening = f"open TCP {port} to everybody: in the provider's firewall or security group, and in ufw or nftables"
    if state == "open":
        return Check(kind, "ok", f"port {port} of {door} is open")
    if state == "silent":
        found = f"port {port} of {door} does not answer: a firewall drops it"
        return Check(kind, "fail", found, opening)
    if state == "refused" and not listening:
        return Check(kind, "skipped", f"port {port} of {door} is not filtered, and nothing listens there yet")
    if state == "refused":
        found = f"port {port} of {door} refuses, though something listens on the host: a firewall rejects it"
        return Check(kind, "fail", found, opening)
    found = f"there is no way from here to port {port} of {door}"
    return Check(kind, "warn" if not listening else "fail", found, opening)


def names(told: Told, wanted: Wanted, outside: Outside) -> Iterator[Check]:
    """Does each name lead to this host, by IPv4 and by IPv6?"""
    own = list(told.addresses)
    if outside.door and not outside.detour and outside.door not in own:
        own.append(outside.door)
    if wanted.caddy and not wanted.names:
        yield Check("names", "skipped", "the site has no name: caddy_domain is not set")
    for name, (four, six) in outside.addresses.items():
        judge = _Names(name, own, wanted)
        if not four.addresses and not six.addresses:
            yield judge.nowhere(four)
            continue
        yield judge.family("A", four)
        yield judge.family("AAAA", six)


class _Names:
    """Judges the addresses of one name."""

    def __init__(self, name: str, own: Sequence[str], wanted: Wanted) -> None:
        self._name, self._own, self._wanted = name, own, wanted
        self._public = wanted.certified and wanted.tls == "auto"

    def nowhere(self, found: Resolved) -> Check:
        """It has no address at all."""
        what = f"{self._name} does not resolve" + (f": {found.error}" if found.error else "")
        target = next((address for address in self._own if ":" not in address), "the host's address")
        if self._public:
            advice = f"create an A record that points to {target}; there is no certificate without one"
            return self._check("A", "fail", what, advice)
        return self._check("A", "warn", f"{what} here", f"let clients find it: an A record that points to {target}")

    def family(self, record: str, found: Resolved) -> Check:
        """It has addresses, perhaps of the other family only."""
        if found.error:
            return self._check(
                record, "warn", f"the {record} record of {self._name} cannot be found out: {found.error}"
            )
        if not found.addresses:
            return self._check(record, "ok", f"{self._name} has no {record} record")
        there = ", ".join(found.addresses)
        strangers = [address for address in found.addresses if address not in self._own]
        if not strangers:
            return self._check(record, "ok", f"{self._name} resolves to this host, {there}")
        if self._wanted.proxies:
            what = f"{self._name} resolves to {there}: what stands in front, by caddy_trusted_proxies"
            return self._check(record, "ok", what)
        here = ", ".join(address for address in self._own if (":" in address) == (record == "AAAA"))
        what = f"{self._name} resolves to {there}, and this host is {here or 'not reached that way'}"
        if not any(ipaddress.ip_address(address).is_global for address in self._own):
            advice = "right where a router, balancer or provider's address passes on to it; else correct the record"
            return self._check(record, "warn", what, advice)
        return self._check(record, "fail" if self._public else "warn", what, self._mend(record, here))

    def _mend(self, record: str, here: str) -> str:
        if record == "AAAA":
            to = f", or let it point to {here}" if here else ""
            return f"remove the AAAA record{to}: certificate authorities and most clients take it first"
        target = here or "an address of this host"
        return f"let the {record} record point to {target}; behind a balancer or CDN, see caddy_trusted_proxies"

    def _check(self, kind: str, status: Status, found: str, advice: str = "") -> Check:
        return Check(kind, status, found, advice, self._name)


def _ports(numbers: Sequence[int]) -> str:
    return f"port {numbers[0]}" if len(numbers) == 1 else f"ports {' and '.join(map(str, numbers))}"
