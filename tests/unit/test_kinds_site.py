"""What is said of a site: where clients find it, and which of its certificates are missing."""

from __future__ import annotations

from typing import Any

import pytest

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
    (read,) = site.reads()
    found = {"a.example.com": "yes", "b.example.com": "no 192.0.2.7", "own": "10.0.0.5"}
    assert site.notices({read: found}) == [
        f"{what} is up; no certificate yet: b.example.com resolves to 192.0.2.7, this host is 10.0.0.5; "
        "Caddy retries by itself"
    ]


def test_plain_http_has_no_certificate_to_look_for() -> None:
    assert list(Site(name=NAMES, tls="off").reads()) == []
    assert Site(name=NAMES, tls="off").notices({}) == []
    assert list(Site(name=()).reads()) == []


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
        ({"upstreams": ("10.0.0.5",), "app_port": 8000}, r"give it roles: \[caddy\]"),
    ],
)
def test_what_a_balancer_cannot_ask_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Site(name=NAMES, **options)
