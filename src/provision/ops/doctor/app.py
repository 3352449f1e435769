"""Does the app run, and does it see its clients as they are? Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from provision.checks import Check
from provision.ops.doctor.outside import Outside
from provision.ops.doctor.told import Told
from provision.ops.doctor.wanted import Wanted
from provision.resources.memory import number

RESTARTS = 3
"""A unit that systemd had to start anew so often since its deployment has something that needs a look."""


def running(told: Told, wanted: Wanted) -> Iterator[Check]:
    """Do the units of the slot that serves run, and start at boot?"""
    owner, app = told.one("app_owner"), wanted.app
    if owner != "ours":
        if owner == "free":
            yield Check("app", "skipped", f"not yet: {app} is not deployed")
        else:
            advice = "choose another app_name, or take that away"
            yield Check("app", "fail", f"{owner} has the name of {app}, and is not provision's", advice)
        return
    rows = [row.split(" ", 2) for row in told.all("app_unit") if row.count(" ") >= 2]
    if not rows:
        yield Check("app", "skipped", f"not yet: no deployment of {app} has served")
        return
    for state, restarts, unit in rows:
        yield _unit(app, unit, state, number(restarts))
    if told.one("app_enabled") == "no":
        yield Check("app", "fail", f"{app} does not start at boot", "`provision up` mends that")


def _unit(app: str, unit: str, state: str, restarts: int) -> Check:
    name = unit.removesuffix(".service")
    if state != "active":
        advice = f"see `provision logs` and `systemctl status {name}`; `provision up` starts it"
        return Check("app", "fail", f"{name} does not run: it is {state or 'unknown'}", advice)
    if restarts > RESTARTS:
        what = f"{name} runs, and was started anew {restarts} times"
        return Check("app", "warn", what, "see in `provision logs` what ended it")
    return Check("app", "ok", f"{app} runs as {name}")


def clients(told: Told, wanted: Wanted, outside: Outside) -> Iterator[Check]:
    """Does the app know by which scheme and from where a request came?"""
    if not told.all("app_unit"):
        return
    yield trusted(told, wanted)
    if outside.slashed is not None and not outside.slashed.error:
        yield scheme(wanted, outside)
        yield address(told, wanted, outside)


def trusted(told: Told, wanted: Wanted) -> Check:
    """Do Caddy and the app believe those whom the inventory names, and nobody else?"""
    listed = " ".join(wanted.forwarded)
    app = told.one("app_trusts").replace(",", " ")
    sites = told.all("site_trusts")
    if app == (listed if wanted.proxies else "") and all(site == listed for site in sites):
        who = f"only Caddy and {', '.join(wanted.proxies)} are" if wanted.proxies else "only Caddy is"
        return Check("proxies", "ok", f"{who} believed about where a request comes from")
    what = f"Caddy believes {' or '.join(sites) or 'nobody'}, the app {app or '127.0.0.1'}, the inventory says {listed}"
    return Check("proxies", "warn", what, "`provision up` makes them alike")


def scheme(wanted: Wanted, outside: Outside) -> Check:
    """The app's own redirect tells which scheme it saw."""
    seen = outside.slashed
    moved = seen is not None and seen.status in (301, 302, 307, 308)
    if seen is None or not moved or not re.match("https?://", seen.location):
        return Check("scheme", "skipped", "the app has no redirect to tell by which scheme it takes requests to come")
    if seen.location.startswith("https://"):
        return Check("scheme", "ok", "the app sees that requests come by HTTPS")
    if not wanted.certified:
        return Check(
            "scheme", "skipped", "who asks by plain HTTP is told so; only what stands in front would see HTTPS"
        )
    advice = "let the app's server believe X-Forwarded-Proto of 127.0.0.1, as uvicorn does: see app_run_command"
    return Check("scheme", "fail", f"the app takes HTTPS for plain HTTP: it redirects to {seen.location}", advice)


def address(told: Told, wanted: Wanted, outside: Outside) -> Check:
    """The app's line about our own request tells whose it took it for."""
    found = re.search(r'(\S+):\d+ - "', told.one("access"))
    if not found or not _is_address(found[1]):
        return Check("client", "skipped", "the app writes no line that would tell where it saw a request come from")
    seen = found[1]
    ours = {told.origin, *(knocked.own for knocked in outside.ports.values())}
    if seen in ours:
        return Check("client", "ok", f"the app sees the address of its client, {seen}")
    if ipaddress.ip_address(seen).is_loopback:
        advice = "let the app's server believe X-Forwarded-For of 127.0.0.1, as uvicorn does: see app_run_command"
        return Check("client", "fail", f"the app takes Caddy for its client: it saw {seen}", advice)
    if wanted.proxies or outside.detour:
        return Check("client", "ok", f"the app saw a request of ours come from {seen}")
    what = f"the app saw a request of ours come from {seen}, the login came from {told.origin or 'elsewhere'}"
    advice = "right where both go out by different ways; else what stands in front belongs into caddy_trusted_proxies"
    return Check("client", "warn", what, advice)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
