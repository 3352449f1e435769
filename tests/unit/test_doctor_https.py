"""What the doctor makes of what a browser would see."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.test_doctor import NAME, PUBLIC, SERVING

from provision.ops.certificates import Certificate
from provision.ops.doctor import https
from provision.ops.doctor.outside import Outside
from provision.ops.doctor.probes import Handshake, Reply
from provision.ops.doctor.told import Told
from provision.ops.doctor.wanted import Wanted
from provision.resources.certificates import STAGING

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
INTERNAL = Wanted(caddy=True, names=(NAME,), tls="internal")
STAGED = Wanted(caddy=True, names=(NAME,), directory=STAGING)
OWN = Wanted(caddy=True, names=(NAME,), directory="https://ca.internal/acme/directory")
PUBLIC_CA, CADDY_CA = "Let's Encrypt R11", "Caddy Local Authority - ECC Intermediate"


def shown(
    left: timedelta,
    *,
    issuer: str = PUBLIC_CA,
    life: timedelta = timedelta(days=90),
    name: str = NAME,
    distrust: str = "",
) -> Handshake:
    ends = NOW + left
    return Handshake("", "h2", Certificate(issuer, ends - life, ends, (name,)), distrust)


DAYS, HALF_A_DAY = timedelta(days=60), timedelta(hours=12)


@pytest.mark.parametrize(
    ("seen", "wanted", "status", "says"),
    [
        (shown(DAYS), PUBLIC, "ok", f"{NAME} has a certificate of Let's Encrypt R11, 60 days left"),
        (shown(timedelta(days=15)), PUBLIC, "ok", "15 days left"),
        (shown(timedelta(days=13)), PUBLIC, "warn", "ends in 13 days and was not renewed"),
        (shown(-timedelta(days=3)), PUBLIC, "fail", "has ended 3 days ago"),
        (shown(timedelta(days=400)), PUBLIC, "fail", "is not valid before 2027-10-05: a clock was or is wrong"),
        (shown(DAYS, name="other.example.com"), PUBLIC, "fail", "with a certificate for other.example.com"),
        (shown(DAYS, name="*.example.com"), PUBLIC, "ok", "60 days left"),
        (shown(DAYS, distrust="unable to get issuer"), PUBLIC, "fail", "is not trusted here: unable to get issuer"),
        (shown(DAYS, distrust="unable to get issuer"), OWN, "ok", "this machine does not trust it"),
        (shown(DAYS, issuer="(STAGING) Let's Encrypt", distrust="x"), STAGED, "warn", "no browser trusts"),
        (shown(DAYS, issuer="(STAGING) Let's Encrypt", distrust="x"), PUBLIC, "warn", "no browser trusts"),
        (shown(timedelta(hours=9), issuer=CADDY_CA, life=HALF_A_DAY, distrust="x"), INTERNAL, "ok", "9 hours left"),
        (shown(timedelta(hours=1), issuer=CADDY_CA, life=HALF_A_DAY, distrust="x"), INTERNAL, "warn", "in 60 min"),
        (shown(DAYS, issuer=CADDY_CA, distrust="x"), PUBLIC, "warn", "Caddy's own authority"),
        (Handshake("tlsv1 alert internal error"), PUBLIC, "fail", "has no certificate: tlsv1 alert internal error"),
        (None, PUBLIC, "skipped", "cannot be reached"),
    ],
)
def test_a_certificate(seen: Handshake | None, wanted: Wanted, status: str, says: str) -> None:
    check = https.certificate(NAME, seen, Told(""), wanted, NOW)
    assert (check.status, says in check.found) == (status, True), check
    assert bool(check.advice) == check.bad


def test_caddy_says_why_there_is_none() -> None:
    entry = {"msg": "could not get certificate from issuer", "identifier": NAME, "issuer": "ca", "error": "no such"}
    told = Told(f"{NAME}:says1={json.dumps(entry)}\nother.example.com:says1=other\n")
    check = https.certificate(NAME, Handshake("tlsv1 alert internal error"), told, PUBLIC, NOW)
    assert check.found == f"{NAME} has no certificate; Caddy says: ca: no such"
    late = https.certificate(NAME, shown(timedelta(days=13)), told, PUBLIC, NOW)
    assert late.found.endswith("was not renewed; Caddy says: ca: no such")


@pytest.mark.parametrize(
    ("seen", "status", "says"),
    [
        (Reply(308, f"https://{NAME}/"), "ok", "leads to HTTPS (308)"),
        (Reply(301, f"https://{NAME}/"), "ok", "leads to HTTPS (301)"),
        (Reply(302, "http://elsewhere/"), "fail", "answered with 302 instead"),
        (Reply(200), "fail", "answered with 200 instead"),
        (Reply(error="connection reset"), "fail", "connection reset"),
        (None, "skipped", "cannot be reached"),
    ],
)
def test_the_redirect(seen: Reply | None, status: str, says: str) -> None:
    check = https.redirect(NAME, seen)
    assert (check.status, says in check.found) == (status, True), check


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (Handshake(protocol="h2"), "ok"),
        (Handshake(protocol="http/1.1"), "warn"),
        (Handshake(), "warn"),
        (Handshake("no"), "skipped"),
        (None, "skipped"),
    ],
)
def test_http2(seen: Handshake | None, status: str) -> None:
    assert https.http2(NAME, seen).status == status


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (Reply(200), "ok"),
        (Reply(404), "ok"),
        (Reply(500), "warn"),
        (Reply(502), "fail"),
        (Reply(error="no answer in time"), "fail"),
        (None, "skipped"),
    ],
)
def test_the_answer(seen: Reply | None, status: str) -> None:
    check = https.answer(NAME, seen)
    assert (check.status, bool(check.advice)) == (status, check.bad)


def test_without_a_certificate_nothing_can_be_asked() -> None:
    check = https.answer(NAME, Reply(error="tlsv1 alert internal error"), Handshake("tlsv1 alert internal error"))
    assert (check.status, check.found) == ("skipped", "there is no certificate to talk with")


def test_each_name_has_its_checks() -> None:
    wanted = Wanted(caddy=True, names=("a.example.com", "b.example.com"))
    found = list(https.site(Told(SERVING), wanted, Outside(), NOW))
    assert [(check.id, check.subject) for check in found] == [
        (kind, name) for name in wanted.names for kind in ("certificate", "redirect", "http2", "answer")
    ]


def test_behind_a_balancer_there_is_no_certificate() -> None:
    wanted = Wanted(caddy=True, names=(NAME,), tls="off", proxies=("10.0.0.0/24",))
    outside = Outside("10.0.0.5", replies={NAME: Reply(200)})
    found = list(https.site(Told(SERVING), wanted, outside, NOW))
    assert [(check.id, check.status) for check in found] == [("certificate", "skipped"), ("answer", "ok")]
