"""Certificates from a real ACME server: issued by either challenge, renewed, kept while it is down, and refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.acme import CLOSED, Authority
from tests.e2e.cli import Result, Site, wait_for

from provision.lab.lab import Lab
from provision.lab.provider import Host

NAMES = ["notes.acme.internal", "www.acme.internal"]
BY_HTTP, BY_TLS, MIXED, SHORT, REFUSED = (
    f"{name}.acme.internal" for name in ("http", "tls", "mixed", "short", "refused")
)


@pytest.fixture(scope="module")
def authority(lab: Lab, prepared_host: Host) -> Iterator[Authority]:
    host = lab.add()
    yield Authority(lab, host, prepared_host, [*NAMES, BY_HTTP, BY_TLS, MIXED, SHORT, REFUSED])
    lab.remove(host)


@pytest.fixture(scope="module")
def site(
    prepared_host: Host, authority: Authority, make_site: Callable[..., Site], tmp_path_factory: pytest.TempPathFactory
) -> Site:
    root = tmp_path_factory.mktemp("authority") / "root.pem"
    root.write_text(authority.root.read_text())
    return make_site(
        prepared_host,
        app_drain=1,
        caddy_domain=NAMES,
        caddy_tls="auto",
        caddy_email="ops@acme.internal",
        caddy_acme_ca=authority.directory,
        caddy_acme_ca_root=str(root),
    )


@dataclass(frozen=True)
class First:
    """The first run, what the site answered to each name right after it, and how many accounts Pebble then had."""

    result: Result
    answers: dict[str, str | None]
    accounts: int


@pytest.fixture(scope="module", autouse=True)
def first(site: Site, authority: Authority) -> First:
    result = site.up()
    trusted = str(authority.trust(site.inventory.parent))
    return First(result, {name: ask(site, name, "--cacert", trusted) for name in NAMES}, authority.accounts())


def ask(site: Site, name: str, *words: str) -> str | None:
    """HTTP version and result of the check of the certificate; None where the site does not answer."""
    where = ["--resolve", f"{name}:443:{site.host.address}", "--http2"]
    shown = ["--silent", "--fail", "--output", "/dev/null", "--write-out", "%{http_version} %{ssl_verify_result}"]
    done = site.plain_curl([*where, *shown, *words, f"https://{name}/health"])
    return done.stdout if done.returncode == 0 else None


def digest(site: Site, name: str) -> str:
    """Of the certificate that is kept for a name."""
    path = f"/var/lib/caddy/.local/share/caddy/certificates/*/{name}/{name}.crt"
    return str(site.view.check_output(f"sha256sum {path}")).split()[0]


def serve(site: Site, *names: str, options: Sequence[str] = ()) -> Result:
    """Let the site have these names, which a second run has nothing to add to."""
    site.set(caddy_domain=list(names), caddy_global_options=list(options))
    result = site.up()
    assert site.up().settled == (0, 1)
    return result


@pytest.fixture
def anew(site: Site, authority: Authority) -> Iterator[Callable[..., None]]:
    """Starts Pebble anew with other settings, and at last with its own; it has then forgotten Caddy's account."""

    def start(**settings: int) -> None:
        authority.start(**settings)
        site.view.check_output("rm -rf /var/lib/caddy/.local/share/caddy/acme")

    yield start
    start()


def test_a_run_ends_with_the_certificates(site: Site, first: First) -> None:
    """Whoever trusts Pebble's root alone is served at once, over HTTP/2."""
    recap = first.result.recaps[site.host.name]
    assert (recap["trips"], recap["urls"]) == (3, [f"https://{name}" for name in NAMES])
    assert "app : Wait for the certificates" in first.result.changed
    assert first.result.notices == []
    assert first.answers == dict.fromkeys(NAMES, "2 0")
    serve(site, *NAMES)
    again = site.up()
    assert (again.settled, again.notices) == ((0, 1), [])


def test_all_names_have_one_account(first: First) -> None:
    """With one each Caddy 2.6 may keep the key of one and the registration of the other, and renew nothing."""
    assert first.accounts == 1


@pytest.mark.parametrize("name", NAMES)
def test_plain_http_leads_to_https(site: Site, name: str) -> None:
    serve(site, *NAMES)
    where = ["--silent", "--resolve", f"{name}:80:{site.host.address}", "--write-out", "%{http_code} %{redirect_url}"]
    assert site.plain_curl([*where, f"http://{name}/x"]).stdout == f"308 https://{name}/x"


@pytest.mark.parametrize(("name", "ports"), [(BY_HTTP, {"tls_port": CLOSED}), (BY_TLS, {"http_port": CLOSED})])
def test_either_challenge_is_enough(
    site: Site, authority: Authority, anew: Callable[..., None], tmp_path: Path, name: str, ports: dict[str, int]
) -> None:
    """Where a firewall lets one port through only."""
    anew(**ports)
    assert serve(site, name).notices == []
    assert ask(site, name, "--cacert", str(authority.trust(tmp_path))) == "2 0"


def test_a_key_that_is_not_the_one_registered_is_named(site: Site, anew: Callable[..., None]) -> None:
    """What two names can leave that have registered at a time: certificates, and no way to renew them."""
    anew()
    serve(site, MIXED)
    account = "/var/lib/caddy/.local/share/caddy/acme/*/users/*/ops.key"
    site.view.check_output(
        f"openssl ecparam -name prime256v1 -genkey -noout >/root/other && cat /root/other >$(ls {account})"
    )
    site.view.check_output("rm -rf /var/lib/caddy/.local/share/caddy/certificates/*/mixed.acme.internal")
    site.view.check_output("systemctl restart caddy")
    (notice,) = wait_for("Caddy to be refused", lambda: [said for said in site.up().notices if "it was told" in said])
    assert "JWS verification error" in notice, notice
    assert "the key of Caddy's account is not the one that is registered" in notice, notice
    site.view.check_output("rm -r /var/lib/caddy/.local/share/caddy/acme")
    assert site.up().changed == ["caddy : Make the account with the certificate authority one for all names"]
    site.view.check_output("systemctl restart caddy")
    wait_for("the certificate", lambda: site.up().notices == [])
    assert site.up().settled == (0, 1)


def test_a_certificate_is_renewed_while_the_site_answers(
    site: Site, authority: Authority, anew: Callable[..., None], tmp_path: Path
) -> None:
    anew(lifetime=90)
    assert serve(site, SHORT, options=["renew_interval 1s"]).notices == []
    trusted = str(authority.trust(tmp_path))
    before, answers = digest(site, SHORT), []

    def renewed() -> bool:
        answers.append(ask(site, SHORT, "--cacert", trusted))
        return digest(site, SHORT) != before

    wait_for("a renewal", renewed, timeout=300)
    assert set(answers) == {"2 0"}


def test_the_certificate_is_kept_while_the_authority_is_down(
    site: Site, authority: Authority, anew: Callable[..., None]
) -> None:
    serve(site, *NAMES)
    before = digest(site, NAMES[0])
    authority.stop()
    site.view.check_output("systemctl restart caddy")
    wait_for("the site", lambda: ask(site, NAMES[0], "--insecure"))
    assert site.up().settled == (0, 1)
    assert digest(site, NAMES[0]) == before


def test_what_caddy_was_told_is_said(site: Site, anew: Callable[..., None]) -> None:
    """The run goes on as soon as it is told, and the app is up."""
    anew(http_port=CLOSED, tls_port=CLOSED)
    (notice,) = serve(site, REFUSED).notices
    assert "the app is up; no certificate yet: refused.acme.internal does not resolve" in notice
    assert f"this host is {site.host.address}; Caddy retries by itself; it was told: " in notice
    assert "http-01: connection: " in notice
    assert "tls-alpn-01: unauthorized: Failed to connect to " in notice
    assert site.view.check_output("curl -fsS http://127.0.0.1:8002/health || curl -fsS http://127.0.0.1:8000/health")


def test_a_host_with_an_address_and_no_name(
    site: Site, authority: Authority, anew: Callable[..., None], tmp_path: Path
) -> None:
    """A client that asks for an address names no host in its hello."""
    anew()
    assert serve(site, site.host.address).notices == []
    words = ["--silent", "--fail", "--cacert", str(authority.trust(tmp_path))]
    answer = site.plain_curl([*words, f"https://{site.host.address}/health"])
    assert '"status":"ok"' in answer.stdout, answer.stderr
