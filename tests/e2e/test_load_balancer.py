"""Behind a proxy: a second Caddy stands for the cloud's balancer, and the app sees who asks and where it is reached."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import testinfra.host
import yaml
from tests.e2e.cli import Event, Result, Site, wait_for
from tests.e2e.newest import newest_caddy

from provision.lab.lab import Lab
from provision.lab.provider import Host

ECHO = Path(__file__).parents[1] / "apps" / "echo"
DOMAIN = "echo.test.internal"
CDN = "198.51.100.0/24"
"""Network of a CDN before the balancer; no packet ever goes there, its addresses only stand in headers."""

BALANCER = """
# As most balancers: HTTPS ends here.
DOMAIN {
    reverse_proxy ADDRESS:8080
}
# HTTPS to the host as well.
DOMAIN:8443 {
    reverse_proxy https://ADDRESS {
        header_up Host DOMAIN
        transport http {
            tls_insecure_skip_verify
            tls_server_name DOMAIN
        }
    }
}
# A balancer that the CDN has asked for 192.0.2.44, who claims to ask for 192.0.2.66.
http://DOMAIN:8081 {
    reverse_proxy ADDRESS:8080 {
        header_up X-Forwarded-For "192.0.2.66, 192.0.2.44, 198.51.100.7"
    }
}
"""


def lies(scheme: str) -> list[str]:
    """Options of curl: what a client could say to be taken for another, who came by ``scheme``."""
    headers = {"For": "192.0.2.66", "Host": "evil.example", "Proto": scheme}
    return [word for name, value in headers.items() for word in ("--header", f"X-Forwarded-{name}: {value}")]


class Front(Site):
    """What answers on any port of a host."""

    def fetch(self, url: str, *options: str) -> str:
        """Status and body of an answer."""
        ports = ("8080", "8081", "8443")
        where = [word for port in ports for word in ("--resolve", f"{DOMAIN}:{port}:{self.host.address}")]
        body, _, status = self.curl(url, *where, "--write-out", "\n%{http_code}", *options).stdout.rpartition("\n")
        return f"{status} {body}".rstrip()

    def seen(self, url: str, *options: str) -> Event:
        """What the app says it has seen."""

        def answer() -> Event | None:
            status, _, body = self.fetch(url, *options).partition(" ")
            return dict(json.loads(body)) if status == "200" else None

        return wait_for(f"the app behind {url}", answer)


@dataclass(frozen=True)
class Run:
    """The app's host and its balancer, the runs on the host, and what held while it still spoke HTTPS."""

    site: Front
    balancer: Front
    results: dict[str, Result]
    seen: dict[str, Event]
    answers: dict[str, str]

    @property
    def client(self) -> str:
        """This machine as the lab's hosts see it: their way out."""
        route = self.site.view.check_output("ip -4 route show default")
        return str(route.split()[2])


@pytest.fixture(scope="module")
def balancer(
    lab: Lab,
    prepared_host: Host,
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Front]:
    """Another host, with Caddy alone."""
    other = lab.add()
    folder = tmp_path_factory.mktemp("balancer")
    front = Front(folder, other, lab.root(other), inspect(other), roles=["caddy"], caddy_domain=DOMAIN)
    front.up()
    text = BALANCER.replace("ADDRESS", prepared_host.address).replace("DOMAIN", DOMAIN)
    (front.root / "etc/caddy/sites/balancer.caddy").write_text(text)
    front.view.check_output("systemctl reload caddy")
    yield front
    lab.remove(other)


@pytest.fixture(scope="module")
def run(
    lab: Lab,
    prepared_host: Host,
    balancer: Front,
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """First HTTPS, with a uvicorn that knows no networks; then plain HTTP on port 8080, with that of today."""
    folder = tmp_path_factory.mktemp("site")
    echo = Path(shutil.copytree(ECHO, folder / "echo", ignore=shutil.ignore_patterns("__pycache__")))
    dependencies = (echo / "pyproject.toml").read_text()
    assert dependencies.count('cli]"]') == 1
    (echo / "pyproject.toml").write_text(dependencies.replace('cli]"]', 'cli]", "uvicorn==0.30.6"]'))
    settings = {"app_source": str(echo), "app_env": {"SITE": DOMAIN}, "caddy_domain": DOMAIN}
    host = prepared_host
    site = Front(folder, host, lab.root(host), inspect(host), **settings)
    site.set(caddy_health_path="/healthz", caddy_trusted_proxies=[balancer.host.address])

    results = {"https": site.up(), "https again": site.up()}
    seen = {
        "through the balancer": balancer.seen(f"https://{DOMAIN}:8443/seen", *lies("http")),
        "directly": site.seen(f"https://{DOMAIN}/seen", *lies("http")),
    }
    urls = [f"http://{host.address}/healthz", f"http://{host.address}/seen", f"http://{DOMAIN}/healthz"]
    answers = {url: site.fetch(url) for url in [*urls, f"http://{DOMAIN}/seen"]}

    (echo / "pyproject.toml").write_text(dependencies)
    site.set(app_health_path="/health", caddy_trusted_proxies=[balancer.host.address, CDN])
    # As people write it; YAML takes it for a boolean.
    site.set(caddy_tls=yaml.compose("off"), caddy_http_port=8080)
    results |= {"http": site.up(), "http again": site.up()}
    return Run(site, balancer, results, seen, answers)


@pytest.fixture(scope="module", params=["distribution's", "newest"])
def caddy(request: pytest.FixtureRequest, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caddy 2.6.2, as Debian has it; and the newest, as Caddy's own repository has it, in its place."""
    if request.param == "distribution's":
        assert run.site.view.check_output("caddy version").startswith("2.6.2")
        yield
        return
    with newest_caddy(run.site.root, run.site.view, tmp_path_factory.mktemp("caddy")):
        yield


def about(seen: Event) -> tuple[str, str, str, dict[str, str]]:
    """Client, scheme, URL, and the headers that a proxy sets."""
    forwarded = {name: value for name, value in seen["headers"].items() if name.startswith("x-forwarded-")}
    return seen["client"], seen["scheme"], seen["url"], forwarded


@pytest.mark.usefixtures("caddy")
def test_the_app_sees_the_client_of_the_balancer(run: Run) -> None:
    client, scheme, url, forwarded = about(run.balancer.seen(f"https://{DOMAIN}/seen", *lies("http")))

    assert (client, scheme, url) == (run.client, "https", f"https://{DOMAIN}/seen")
    assert forwarded == {
        "x-forwarded-for": run.client,
        "x-forwarded-host": DOMAIN,
        "x-forwarded-proto": "https",
    }


@pytest.mark.usefixtures("caddy")
def test_nobody_else_is_believed(run: Run) -> None:
    """Past the balancer, to the host itself."""
    client, scheme, url, forwarded = about(run.site.seen(f"http://{DOMAIN}:8080/seen", *lies("https")))

    assert (client, scheme, url) == (run.client, "http", f"http://{DOMAIN}:8080/seen")
    assert forwarded == {
        "x-forwarded-for": run.client,
        "x-forwarded-host": f"{DOMAIN}:8080",
        "x-forwarded-proto": "http",
    }


@pytest.mark.usefixtures("caddy")
def test_the_app_sees_the_client_of_a_cdn_before_the_balancer(run: Run) -> None:
    """And not whom that client claims to be."""
    seen = run.balancer.seen(f"http://{DOMAIN}:8081/seen")

    assert seen["client"] == "192.0.2.44"


@pytest.mark.usefixtures("caddy")
def test_the_probe_answers_under_any_name(run: Run) -> None:
    """Although the app's own health path answers only to its site's name and HTTPS."""
    address = run.site.host.address
    well = '200 {"status":"ok"}'

    assert run.site.fetch(f"http://{address}:8080/healthz") == well
    assert run.site.fetch(f"http://{address}:8080/healthz", "--header", "Host: any.example") == well
    assert run.site.fetch(f"http://{DOMAIN}:8080/healthz") == well
    assert run.site.fetch(f"http://{DOMAIN}:8080/health").startswith("503")
    assert run.site.fetch(f"http://{address}:8080/seen") == "404"


def test_the_probe_says_when_the_app_is_down(run: Run) -> None:
    unit = f"app-echo@{(run.site.root / 'srv/echo/active').readlink().name}.service"
    probe = f"http://{run.site.host.address}:8080/healthz"
    run.site.view.check_output("systemctl stop %s", unit)
    try:
        assert run.site.fetch(probe, "--max-time", "30").startswith("502")
    finally:
        run.site.view.check_output("systemctl start %s", unit)
    wait_for("a good probe", lambda: run.site.fetch(probe).startswith("200"))


def test_again_nothing_changes(run: Run) -> None:
    assert run.results["https again"].settled == (0, 1)
    assert run.results["http again"].settled == (0, 1)


def test_a_host_goes_over_from_https(run: Run) -> None:
    """In one round; and its URL is that of the balancer, where the clients are."""
    (recap,) = run.results["http"].recaps.values()

    assert (recap["trips"], recap["urls"]) == (3, [f"https://{DOMAIN}"])
    assert "caddy : restart caddy" in run.results["http"].changed
    assert run.site.view.socket("tcp://:::8080").is_listening
    for port in (80, 443):
        assert not run.site.view.socket(f"tcp://:::{port}").is_listening


def test_over_https_too_the_app_sees_the_client(run: Run) -> None:
    """Also with a uvicorn that knows no networks, and whoever is not trusted is not believed."""
    for seen in run.seen.values():
        client, scheme, _, forwarded = about(seen)
        assert (client, scheme) == (run.client, "https")
        assert forwarded == {
            "x-forwarded-for": run.client,
            "x-forwarded-host": DOMAIN,
            "x-forwarded-proto": "https",
        }


def test_over_https_too_the_probe_answers_by_address(run: Run) -> None:
    """In plain HTTP; the app has no such path, but it answers. All else is sent to HTTPS, or is not there."""
    address = run.site.host.address

    assert run.answers == {
        f"http://{address}/healthz": "200",
        f"http://{DOMAIN}/healthz": "200",
        f"http://{address}/seen": "404",
        f"http://{DOMAIN}/seen": "308",
    }
