"""Is what a browser sees right: certificates, redirect, HTTP/2, the answer? Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from provision.checks import Check, Status
from provision.ops.certificates import Certificate
from provision.ops.doctor.outside import Outside
from provision.ops.doctor.probes import Handshake, Reply
from provision.ops.doctor.told import Told
from provision.ops.doctor.wanted import Wanted
from provision.ops.doctor.web import NOT_YET, has_caddy
from provision.resources.certificates import LETS_ENCRYPT, RENEW, STAGING, reasons

INTERNAL, STAGED = "Caddy Local Authority", "(STAGING)"
"""What stands in the names of issuers."""

_SHUT, _MUTE = "its port cannot be reached from here", "there is no certificate to talk with"


def site(told: Told, wanted: Wanted, outside: Outside, now: datetime) -> Iterator[Check]:
    """All checks of each name."""
    if not has_caddy(told):
        yield from (Check(kind, "skipped", NOT_YET) for kind in _kinds(wanted))
        return
    if wanted.names and not wanted.certified:
        yield Check("certificate", "skipped", "caddy_tls is off: what stands in front has the certificate")
    for name in wanted.names or ("",):
        if wanted.certified:
            yield certificate(name, outside.handshakes.get(name), told, wanted, now)
            yield redirect(name, outside.redirects.get(name))
            yield http2(name, outside.handshakes.get(name))
        yield answer(name, outside.replies.get(name), outside.handshakes.get(name))


def _kinds(wanted: Wanted) -> tuple[str, ...]:
    return ("certificate", "redirect", "http2", "answer") if wanted.certified else ("answer",)


def certificate(name: str, seen: Handshake | None, told: Told, wanted: Wanted, now: datetime) -> Check:
    """Is there one, for this name, from whom it should be, and not about to end?"""
    if seen is None:
        return Check("certificate", "skipped", _SHUT, subject=name)
    if seen.error or seen.certificate is None:
        advice = "Caddy tries again by itself; mend what it says"
        if reason := reasons(name, told.reading):
            return Check("certificate", "fail", f"{name} has no certificate; Caddy says: {reason}", advice, name)
        advice = "see `journalctl -u caddy -n 50` on the host"
        return Check("certificate", "fail", f"{name} has no certificate: {seen.error}", advice, name)
    found, left, state = seen.certificate, seen.certificate.not_after - now, seen.certificate.state(now)
    if not _covers(found, name):
        what = f"{name} is answered with a certificate for {', '.join(found.names) or 'no name'}"
        advice = "another site or server answers there: see which, and whether caddy_domain is written right"
        return Check("certificate", "fail", what, advice, name)
    if state == "early":
        what = f"the certificate of {name} is not valid before {found.not_before:%Y-%m-%d}: a clock was or is wrong"
        own = INTERNAL in found.issuer
        advice = RENEW if own else "compare the clocks of this machine, the host and the authority"
        return Check("certificate", "fail", what, advice, name)
    if state != "valid":
        ended = f"has ended {_span(-left)} ago" if state == "expired" else f"ends in {_span(left)}"
        reason = reasons(name, told.reading)
        what = f"the certificate of {name} {ended} and was not renewed" + (f"; Caddy says: {reason}" if reason else "")
        status: Status = "fail" if state == "expired" else "warn"
        return Check("certificate", status, what, "see `journalctl -u caddy` on the host; Caddy tries by itself", name)
    return _issued(name, seen, found, wanted, _span(left))


def _issued(name: str, seen: Handshake, found: Certificate, wanted: Wanted, left: str) -> Check:
    what = f"{name} has a certificate of {found.issuer}, {left} left"
    if INTERNAL in found.issuer:
        if wanted.tls == "internal":
            return Check("certificate", "ok", what, subject=name)
        what = f"{what}: Caddy's own authority, which no browser trusts"
        return Check("certificate", "warn", what, "`provision up` lets Caddy get one for caddy_tls: auto", name)
    if STAGED in found.issuer:
        advice = "remove caddy_acme_staging when the trial is over" if wanted.directory == STAGING else "`provision up`"
        return Check("certificate", "warn", f"{what}: a trial's, which no browser trusts", advice, name)
    if seen.distrust and wanted.directory == LETS_ENCRYPT:
        advice = "see whether something between here and the host, such as a company's proxy, shows one of its own"
        return Check("certificate", "fail", f"{what}, and is not trusted here: {seen.distrust}", advice, name)
    own = "; this machine does not trust it" if seen.distrust else ""
    return Check("certificate", "ok", what + own, subject=name)


def redirect(name: str, seen: Reply | None) -> Check:
    """Does plain HTTP lead to HTTPS?"""
    if seen is None:
        return Check("redirect", "skipped", _SHUT, subject=name)
    if seen.error:
        advice = "see `journalctl -u caddy -n 50` on the host"
        return Check("redirect", "fail", f"plain HTTP of {name} gives no answer: {seen.error}", advice, name)
    if seen.status in (301, 302, 303, 307, 308) and seen.location.startswith("https://"):
        return Check("redirect", "ok", f"plain HTTP of {name} leads to HTTPS ({seen.status})", subject=name)
    what = f"plain HTTP of {name} is answered with {seen.status} instead of a redirect to HTTPS"
    return Check("redirect", "fail", what, "see which server answers there, and the files in /etc/caddy/sites", name)


def http2(name: str, seen: Handshake | None) -> Check:
    """Does ALPN agree on HTTP/2?"""
    if seen is None or seen.error:
        return Check("http2", "skipped", _SHUT if seen is None else _MUTE, subject=name)
    if seen.protocol == "h2":
        return Check("http2", "ok", f"{name} speaks HTTP/2", subject=name)
    advice = "something that ends TLS stands between here and Caddy, or its configuration forbids h2"
    return Check("http2", "warn", f"{name} speaks {seen.protocol or 'HTTP/1.1'} only", advice, name)


def answer(name: str, seen: Reply | None, shaken: Handshake | None = None) -> Check:
    """Is a request answered by the app?"""
    place = name or "the site"
    if seen is None or (shaken is not None and shaken.error):
        return Check("answer", "skipped", _SHUT if seen is None else _MUTE, subject=name)
    if seen.error:
        advice = "see the other checks, and `journalctl -u caddy -n 50` on the host"
        return Check("answer", "fail", f"{place} gives no answer: {seen.error}", advice, name)
    if seen.status in (502, 503, 504):
        advice = "see `provision logs` and `provision releases`"
        return Check("answer", "fail", f"Caddy answers for {place} with {seen.status}: no app does", advice, name)
    if seen.status >= 500:
        return Check("answer", "warn", f"{place} answers / with {seen.status}", "see `provision logs`", name)
    return Check("answer", "ok", f"{place} answers / with {seen.status}", subject=name)


def _covers(found: Certificate, name: str) -> bool:
    return name in found.names or f"*.{name.partition('.')[2]}" in found.names


def _span(time: timedelta) -> str:
    hours = time / timedelta(hours=1)
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} min"
