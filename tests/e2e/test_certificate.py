"""A name that no authority will certify: the app is up, and the run says what is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.e2e.cli import Result, Site, wait_for

from provision.lab.lab import Lab
from provision.lab.provider import Host

NAME = "notes.provision.invalid"


@pytest.fixture(scope="module")
def site(lab: Lab, prepared_host: Host, make_site: Callable[..., Site]) -> Site:
    """A site whose certificate authorities are out of reach."""
    with (lab.root(prepared_host) / "etc/hosts").open("a") as hosts:
        hosts.write("127.0.0.1 acme-v02.api.letsencrypt.org acme.zerossl.com\n")
    return make_site(prepared_host, caddy_domain=NAME, caddy_tls="auto")


@pytest.fixture(scope="module", autouse=True)
def first(site: Site) -> Result:
    """The first run, which must end with 0."""
    return site.up()


def test_the_certificate_that_is_missing_is_named(site: Site, first: Result) -> None:
    assert said(first) == (
        f"the app is up; no certificate yet: {NAME} does not resolve, this host is {site.host.address};"
        " Caddy retries by itself"
    )
    assert first.recaps[site.host.name]["urls"] == [f"https://{NAME}"]


def test_the_app_is_up_behind_caddy(site: Site) -> None:
    assert site.view.service(site.slot).is_running
    assert '"status":"ok"' in site.view.check_output("curl -fsS http://127.0.0.1:8002/health")
    redirect = site.curl(f"http://{NAME}/", "--write-out", "%{http_code} %{redirect_url}")
    assert redirect.stdout == f"308 https://{NAME}/"


def test_caddy_goes_on_trying_by_itself(site: Site) -> None:
    def attempts() -> bool:
        return "acme-v02.api.letsencrypt.org" in site.view.check_output("journalctl -q -u caddy --grep obtain")

    wait_for("an attempt of Caddy to get a certificate", attempts)


def test_again_nothing_changes_and_the_notice_stays(site: Site, first: Result) -> None:
    again = site.up()

    assert again.settled == (0, 1)
    assert said(again) == said(first)


def said(result: Result) -> str:
    """The one notice, without what Caddy has been told so far: it may have asked once more since."""
    (notice,) = result.notices
    return notice.partition("; it was told: ")[0]
