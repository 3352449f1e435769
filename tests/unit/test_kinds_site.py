"""What is said of a site: where clients find it, and which of its certificates are missing."""

from __future__ import annotations

from typing import Any

import pytest

from provision.plan import compare
from provision.resources.base import Facts, Package
from provision.resources.listeners import parse
from provision.resources.site import Site

NAMES = ("a.example.com", "b.example.com")


@pytest.mark.parametrize(
    ("options", "urls"),
    [
        ({}, ["https://a.example.com", "https://b.example.com"]),
        ({"tls": "internal", "http_port": 8080}, ["https://a.example.com", "https://b.example.com"]),
        ({"tls": "off"}, ["http://a.example.com", "http://b.example.com"]),
        ({"tls": "off", "http_port": 8080}, ["http://a.example.com:8080", "http://b.example.com:8080"]),
        (
            {"tls": "off", "http_port": 8080, "trusted_proxies": ("10.0.0.7",)},
            ["https://a.example.com", "https://b.example.com"],
        ),
    ],
)
def test_urls_are_those_of_clients(options: dict[str, Any], urls: list[str]) -> None:
    assert Site(name=NAMES, **options).urls({}) == urls


@pytest.mark.parametrize(("app_port", "what"), [(8000, "the app"), (0, "Caddy")])
def test_a_missing_certificate_is_named(app_port: int, what: str) -> None:
    site = Site(name=NAMES, app_port=app_port)
    _, read = site.reads()
    found = {"a.example.com": "yes", "b.example.com": "no 192.0.2.7", "own": "10.0.0.5"}
    assert site.notices({read: found}) == [
        f"{what} is up; no certificate yet: b.example.com resolves to 192.0.2.7, this host is 10.0.0.5; "
        "Caddy retries by itself"
    ]


@pytest.mark.parametrize(
    ("source", "version", "named"),
    [
        ("official", "2.6.2-5", True),
        ("official", "2.11.7", False),
        ("official", "", False),
        ("distro", "2.6.2-5", False),
    ],
)
def test_a_caddy_of_another_source_is_named(source: Any, version: str, named: bool) -> None:
    site = Site(name=NAMES, tls="internal", source=source)
    notices = site.notices({Package("caddy"): {"status": "installed", "version": version}})
    assert [text.startswith("Caddy 2.6.2-5 is the distribution's") for text in notices] == [True] * named
    assert (Package("caddy") in site.reads()) == (source == "official")


@pytest.mark.parametrize("site", [Site(name=NAMES, tls="off"), Site(name=())])
def test_plain_http_has_no_certificate_to_look_for(site: Site) -> None:
    (read,) = site.reads()
    assert site.ports == (80,)
    assert site.notices({read: {"own": "10.0.0.5"}}) == []


def test_another_server_ends_a_run_before_caddy_is_installed() -> None:
    site = Site(name=NAMES, http_port=8080)
    read, _ = site.reads()
    found = {"port 443": "nginx (pid 812, nginx.service)"}
    diff = compare(site.desired(Facts()), {read: found}, Facts())
    assert [(change.property.name, change.before) for change in diff.changes] == [("port 443", found["port 443"])]
    assert [step.title for step in site.change(diff)] == ["looking for another web server"]
    assert site.notices({read: found}) == [
        "Caddy needs port 443, and nginx (pid 812, nginx.service) holds it: stop it for good with "
        "`systemctl disable --now nginx`, or move it to another port"
    ]


def test_where_caddy_is_nobody_is_in_its_way() -> None:
    site = Site(name=NAMES)
    read, _ = site.reads()
    assert compare(site.desired(Facts()), {read: {"own": ""}}, Facts()).changes == ()


@pytest.mark.parametrize(
    ("row", "says", "advice"),
    [
        ("80 7 apache2.service apache2", "apache2 (pid 7, apache2.service)", "`systemctl disable --now apache2`"),
        ("80 7 docker.service docker-proxy", "docker-proxy (pid 7, docker.service)", "`docker ps --filter publish=80`"),
        ("443 7 k3s.service k3s-server", "k3s-server (pid 7, k3s.service)", "--disable=servicelb,traefik"),
        ("80 1 init.scope systemd", "systemd (pid 1, init.scope)", "`systemctl list-sockets`"),
        ("80 7 session-3.scope python3 -m", "python3 -m (pid 7, session-3.scope)", "stop it, or move it"),
        ("80 0 - another name space", "something in another name space", "stop it, or move it"),
    ],
)
def test_who_is_in_the_way_and_what_to_do(row: str, says: str, advice: str) -> None:
    found = parse(row)
    assert found is not None
    assert str(found) == says
    assert advice in found.advice


@pytest.mark.parametrize("row", ["", "80", "80 7", "http 7 a.service a", "80 seven a.service a"])
def test_what_is_no_listener(row: str) -> None:
    assert parse(row) is None


@pytest.mark.parametrize(
    "proxy", ["private_ranges", "10.0.0.7", "10.0.0.0/8", "2001:db8::/32", "2001:db8::1", "10.0.0.7/32"]
)
def test_networks_are_those_of_caddy_and_uvicorn(proxy: str) -> None:
    assert Site(name=NAMES, trusted_proxies=(proxy,)).trusted_proxies == (proxy,)


@pytest.mark.parametrize("proxy", ["::/0", "2001:DB8::/32", "10.0.0.0/255.0.0.0", "10.1", ""])
def test_what_either_reads_otherwise_is_refused(proxy: str) -> None:
    with pytest.raises(ValueError, match=r"^trusted_proxies "):
        Site(name=NAMES, trusted_proxies=(proxy,))


@pytest.mark.parametrize("upstream", ["10.0.0.5", "web1.internal:8080", "[fd00::5]:80"])
def test_a_balancer_takes_addresses_and_names(upstream: str) -> None:
    assert Site(name=NAMES, upstreams=(upstream,)).urls({}) == [f"https://{name}" for name in NAMES]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"upstreams": ("http://10.0.0.5",)}, r"upstreams 'http://10\.0\.0\.5' is no address or name"),
        ({"upstreams": ("10.0.0.5 {",)}, "is no address or name"),
        ({"upstreams": ("",)}, "is no address or name"),
        ({"upstreams": ("--help",)}, "is no address or name"),
        ({"name": ("--help",)}, "is no host name"),
        ({"name": ("api.bücher.example",)}, "is written api.xn--bcher-kva.example in the DNS, and here too"),
        ({"name": ("*.-a.example.com",)}, "is no host name"),
        ({"upstreams": ("10.0.0.5",), "app_port": 8000}, r"give it roles: \[caddy\]"),
    ],
)
def test_what_a_balancer_cannot_ask_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Site(**{"name": NAMES, **options})
