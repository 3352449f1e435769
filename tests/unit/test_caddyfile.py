"""What Caddy is told, from the variables of the roles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from provision import coerce
from provision.errors import Position
from provision.role import SHIPPED
from provision.templating import Templates
from provision.yamlfile import Node, from_plain, load

STAGING = "acme_ca https://acme-staging-v02.api.letsencrypt.org/directory"


def render(role: str, template: str, **variables: Any) -> str:
    """A template of a role, with the defaults of both roles but for ``variables``."""
    nodes: dict[str, Node] = {}
    for each in ("caddy", "app"):
        nodes |= coerce.mapping(load(SHIPPED / each / "defaults/main.yml"), each)
    given = {"app_name": "notes", **variables}
    nodes |= {name: from_plain(value, Position(Path("inventory.yml"), 1, 1)) for name, value in given.items()}
    return Templates().render_file(SHIPPED / role / "templates" / template, nodes)


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({}, []),
        ({"caddy_email": "ops@example.com"}, ["email ops@example.com"]),
        ({"caddy_acme_staging": True}, [STAGING]),
        ({"caddy_acme_ca": "https://ca/dir", "caddy_acme_staging": True}, []),
        ({"caddy_tls": "internal", "caddy_acme_ca": "https://ca/dir"}, ["local_certs", "skip_install_trust"]),
        ({"caddy_tls": "off", "caddy_acme_staging": True}, []),
        ({"caddy_http_port": 8080}, ["http_port 8080"]),
        ({"caddy_domain": "192.0.2.7"}, ["# Who asks for an address names no host.", "default_sni 192.0.2.7"]),
        ({"caddy_domain": "192.0.2.7", "caddy_tls": "off"}, []),
        ({"caddy_global_options": ["grace_period 10s", "log {", "}"]}, ["grace_period 10s", "log {", "}"]),
        ({"caddy_http3": False}, ["servers {", "protocols h1 h2", "}"]),
    ],
)
def test_the_global_options(variables: dict[str, Any], options: list[str]) -> None:
    text = render("caddy", "Caddyfile.j2", **variables)
    block = text.partition("{\n")[2].partition("\n}")[0].splitlines()
    assert [line.strip() for line in block] == ["admin unix//run/caddy/admin.sock", *options]


def site_lines(**variables: Any) -> list[str]:
    """The lines of an app's site, without their indentation; its braces are balanced."""
    lines = [line.strip() for line in render("app", "site.caddy.j2", **variables).splitlines()]
    code = [line for line in lines if not line.startswith("#")]
    assert sum(line.endswith("{") for line in code) == code.count("}")
    return lines


HSTS = '?Strict-Transport-Security "max-age=300"'
LOG = "output file /var/log/caddy/notes.access.log {"


@pytest.mark.parametrize(
    ("variables", "there", "missing"),
    [
        (
            {},
            ['?X-Content-Type-Options "nosniff"', '?Referrer-Policy "strict-origin-when-cross-origin"'],
            ["encode @whole {", "request_body {", f"header {HSTS}", LOG, "file_server", "route @static {"],
        ),
        (
            {"app_security_headers": {}},
            [],
            ['?X-Content-Type-Options "nosniff"', "# Where the app has not set them itself."],
        ),
        ({"app_security_headers": {"X-A": 'a "b"', "X-B": 1}}, ['?X-A "a \\"b\\""', '?X-B "1"'], []),
        ({"app_compress": "all"}, ["encode @whole {"], ["route @static {"]),
        ({"app_compress": "off", "app_static": {"/s": "s"}}, ["file_server"], ["encode @whole {"]),
        (
            {"app_static": {"/static": "static", "/a/b": "c"}},
            [
                "path /static/* /a/b/*",
                "root /srv/notes/active/static",
                "root /srv/notes/slots/blue/static",
                "root /srv/notes/slots/green/static",
                "root @file3 /srv/notes/active/static",
                "encode @whole {",
            ],
            ["@lasting not path */ *.html"],
        ),
        (
            {"app_static": {"/": "dist"}, "app_static_cache": "max-age=60"},
            ["method GET HEAD", 'header @lasting Cache-Control "max-age=60"'],
            ["path //*", "path /*"],
        ),
        ({"app_max_body": "10MB"}, ["max_size 10000000", "handle @large {"], []),
        ({"app_max_body": "3MiB"}, ["max_size 3145728"], ["max_size 3000000"]),
        ({"app_hsts": "300", "caddy_domain": "a.x"}, [f"header {HSTS}"], [f"header @secure {HSTS}"]),
        (
            {"app_hsts": "300", "caddy_domain": "a.x", "caddy_tls": "off", "caddy_trusted_proxies": ["10.0.0.7"]},
            ["@secure header X-Forwarded-Proto https", f"header @secure {HSTS}"],
            [f"header {HSTS}"],
        ),
        ({"app_maintenance_page": "down.html"}, ["rewrite * /notes.html", "root /etc/caddy/sites"], []),
        (
            {"caddy_access_log": True, "caddy_access_log_days": 2},
            [LOG, "roll_size 100MiB", "roll_keep 10", "roll_keep_for 48h", "format json"],
            [],
        ),
    ],
)
def test_a_site_does_what_it_is_told(variables: dict[str, Any], there: list[str], missing: list[str]) -> None:
    lines = site_lines(**variables)
    assert [line for line in there if line not in lines] == []
    assert [line for line in missing if line in lines] == []


@pytest.mark.parametrize("variables", [{}, {"caddy_tls": "off"}, {"caddy_domain": "a.x", "caddy_health_path": "/up"}])
def test_visitors_get_all_of_it_and_checks_the_app_alone(variables: dict[str, Any]) -> None:
    lines = site_lines(app_static={"/": "dist"}, **variables)
    checks = lines[lines.index("http://:8002 {") :]
    assert lines.count("import site-notes") == 1
    assert "import app-notes" in checks
    assert "import site-notes" not in checks


def test_the_page_is_one_line_of_the_site() -> None:
    (page,) = [line for line in site_lines() if "<!doctype html>" in line]
    assert page.startswith("respond `<!doctype html>")
    assert page.endswith("</html>` 503")


def test_a_balancer_keeps_a_log_of_its_own() -> None:
    log = "output file /var/log/caddy/balancer.access.log {"
    assert log in render("caddy", "balancer.caddy.j2", caddy_upstreams=["a"], caddy_access_log=True)
    assert log not in render("caddy", "balancer.caddy.j2", caddy_upstreams=["a"])


@pytest.mark.parametrize(("source", "blocks"), [("distro", ["@bodied a b", "a b"]), ("official", ["a b"])])
def test_a_balancer_tries_again_what_has_no_body(source: str, blocks: list[str]) -> None:
    text = render(
        "caddy", "balancer.caddy.j2", caddy_upstreams=["a", "b"], caddy_source=source, caddy_health_path="/up"
    )
    assert re.findall(r"reverse_proxy (.*) {", text) == blocks
    assert text.count("lb_try_duration") == 1
    assert text.count("fail_duration") == text.count("health_interval") == len(blocks)
