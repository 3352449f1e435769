"""Is the machine fit: its system, clock, memory, disks, and its way out? Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from urllib.parse import urlsplit

from provision import vitals
from provision.checks import Check
from provision.ops.doctor.told import Told
from provision.ops.doctor.wanted import Wanted
from provision.resources.memory import SUPERVISOR_MB, number

SUPPORTED = {
    "debian 11": date(2026, 8, 31),
    "debian 12": date(2028, 6, 30),
    "debian 13": date(2030, 6, 30),
    "ubuntu 22.04": date(2027, 4, 30),
    "ubuntu 24.04": date(2029, 4, 30),
    "ubuntu 26.04": date(2031, 4, 30),
}
"""Until when a release gets security updates for nothing: https://wiki.debian.org/LTS, for Ubuntu the standard support
of https://ubuntu.com/about/release-cycle."""

SOON = 90
"""Days."""


def system(told: Told, today: date) -> Check:
    """Is the release one that gets security updates?"""
    release, name = told.one("release"), told.one("system") or "an unknown system"
    if release.partition(" ")[0] not in ("debian", "ubuntu"):
        return Check("system", "fail", f"this is {name}", "provision manages Debian and Ubuntu hosts only")
    end = SUPPORTED.get(release)
    if end is None:
        advice = f"provision knows {', '.join(name.capitalize() for name in SUPPORTED)}"
        return Check("system", "warn", f"{name} is a release whose support is not known here", advice)
    advice = "plan a new machine with a newer release, and let `provision up` set it up"
    if today > end:
        return Check("system", "warn", f"{name} has had no security updates since {end}", advice)
    if (end - today).days < SOON:
        return Check("system", "warn", f"{name} gets security updates until {end} only", advice)
    return Check("system", "ok", f"{name} gets security updates until {end}")


def units(told: Told) -> Check:
    """Has systemd come up, and is nothing failed?"""
    state, failed = told.one("systemd"), told.all("failed_unit")
    if failed:
        names = ", ".join(failed[:5]) + (f" and {len(failed) - 5} more" if len(failed) > 5 else "")
        advice = "see `systemctl status` and `journalctl -u` of each; `systemctl reset-failed` where it is over"
        return Check("units", "warn", f"units have failed: {names}", advice)
    if state in ("running", "degraded"):
        return Check("units", "ok", "systemd is up, and no unit has failed")
    if state in ("starting", "initializing"):
        advice = "wait until it is up: `systemctl list-jobs` shows for what"
        return Check("units", "warn", "systemd has not come up yet", advice)
    advice = "provision needs a host that was booted by systemd"
    return Check("units", "fail", f"systemd says {state or 'nothing'} of itself", advice)


def clock(told: Told, began: float, ended: float) -> Iterator[Check]:
    """Does the clock agree with ours, and does something keep it right?"""
    yield vitals.clock(vitals.ahead(told.vitals, began, ended))
    if services := told.all("ntp"):
        yield Check("ntp", "ok", f"{services[0]} keeps the clock right")
    elif (container := told.one("container")) not in ("", "none"):
        yield Check("ntp", "ok", f"the clock is that of the machine around this container ({container})")
    else:
        advice = "`apt-get install systemd-timesyncd`, or chrony"
        yield Check("ntp", "warn", "no NTP service runs: nothing keeps the clock right", advice)


def memory(told: Told) -> Iterator[Check]:
    """Is there enough, for a second copy of the app too, and was nothing killed for want of it?"""
    found = vitals.memory(told.vitals)
    yield found if found.bad else _for_a_copy(told, found)
    if kills := told.all("oom"):
        victims = ", ".join(dict.fromkeys(match[1] for line in kills if (match := re.search(r"\(([^)]*)\)", line))))
        what = f"the kernel has killed for want of memory in the last day, {len(kills)} times: {victims}"
        yield Check("oom", "warn", what, "fewer app_workers, a higher app_memory_max, or a larger machine")


def _for_a_copy(told: Told, found: Check) -> Check:
    workers, each = number(told.one("workers")), number(told.one("memory_per_worker"))
    copy = workers * each + (SUPERVISOR_MB if workers > 1 else 0)
    available = told.vitals.memory_available_mb or 0
    swap = (told.number("SwapFree") or 0) // 1024
    if not workers or not each or copy <= available + swap:
        return found
    what = f"{found.found}, and the next deployment runs a second copy of the app for a moment: {copy} MB"
    return Check("memory", "warn", what, "fewer app_workers, app_strategy: restart, swap, or a larger machine")


def disks(told: Told) -> list[Check]:
    """Is there room?"""
    return vitals.disks(told.vitals)


def outgoing(told: Told, wanted: Wanted) -> Iterator[Check]:
    """Can the host reach what it needs?"""
    targets = {"directory": (wanted.directory, "the ACME server"), "index": (wanted.index, "the package index")}
    for key, (url, what) in targets.items():
        if url:
            yield _reaching(key, urlsplit(url).hostname or url, what, told.one(key))


def _reaching(key: str, host: str, what: str, said: str) -> Check:
    word, _, reason = said.partition(" ")
    if word == "answers":
        return Check(key, "ok", f"the host reaches {what}, {host}")
    if word == "connects":
        return Check(key, "ok", f"the host can connect to {what}, {host}; HTTPS was not tried, there is no curl yet")
    why = f": {reason.strip()}" if reason else ""
    advice = {
        "directory": "no certificate comes without it: let the host's firewall and resolver allow HTTPS to the outside",
        "index": "nothing can be built without it: allow HTTPS to the outside, or see app_index_url, python_ca_bundle",
    }[key]
    return Check(key, "fail", f"the host does not reach {what}, {host}{why}", advice)
