"""A configuration that is valid and with which Caddy cannot run: what was there before is put back, and serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest
from tests.e2e.cli import wait_for
from tests.e2e.newest import newest_caddy
from tests.e2e.placed import Place, Placed

FILES = ("etc/caddy/Caddyfile", "etc/caddy/sites/mirror.caddy", "etc/systemd/system/caddy.service.d/provision.conf")


@pytest.fixture(scope="module")
def placed(place: Place) -> Placed:
    return place("mirror", app_workers=1)


@pytest.fixture
def mirror(placed: Placed) -> Placed:
    """The app, converged, whatever the test before left."""
    placed.set(caddy_email="", caddy_http_port=80, caddy_tls="internal", caddy_service_options={})
    placed.settle()
    return placed


@contextmanager
def listener(mirror: Placed, port: int) -> Iterator[None]:
    """Somebody else who listens on a port of the host."""
    mirror.view.check_output("systemd-run --quiet --unit=listener python3 -m http.server %s", str(port))
    try:
        wait_for("a listener", lambda: mirror.view.socket(f"tcp://0.0.0.0:{port}").is_listening)
        yield
    finally:
        mirror.view.check_output("systemctl stop listener")


def refused(mirror: Placed, scheme: str = "https", **variables: object) -> str:
    """What a run with these variables prints; it changes nothing that lasts."""

    def files() -> list[str]:
        return [(mirror.root / name).read_text() for name in FILES]

    before = files()
    mirror.set(**variables)
    log = mirror.up(code=1).log
    assert files() == before
    assert f'"version":{mirror.version}' in mirror.curl(f"{scheme}://{mirror.domain}/version").stdout
    assert "caddy.service goes on with what it had before" in log
    return log


@pytest.fixture(params=["distribution", "newest"])
def caddy(request: pytest.FixtureRequest, mirror: Placed, tmp_path: Path) -> Iterator[None]:
    """Debian's Caddy, and the newest."""
    newest: AbstractContextManager[None] = newest_caddy(mirror.root, mirror.view, tmp_path)
    with newest if request.param == "newest" else nullcontext():
        yield


@pytest.mark.usefixtures("caddy")
def test_a_port_that_is_taken(mirror: Placed) -> None:
    """Most versions of Caddy do not tell systemd that they go on after it, and Debian's goes on with half of it."""
    with listener(mirror, 8088):
        log = refused(mirror, caddy_http_port=8088)

    assert "address already in use" in log
    assert "caddy.service cannot reload, and runs on as it was" in log
    assert "put back as it was: /etc/caddy/Caddyfile" in log
    listening = mirror.view.check_output("ss -Hltn | awk '{ print $4 }'").split()
    assert sorted(listening) == sorted(set(listening))
    answers = {mirror.curl(f"https://{mirror.domain}/version").stdout for _ in range(20)}
    assert [answer for answer in answers if f'"version":{mirror.version}' not in answer] == []
    before = mirror.show("caddy.service", "InvocationID")
    mirror.settle()
    assert mirror.view.socket("tcp://:::8088").is_listening
    assert mirror.show("caddy.service", "InvocationID") == before


def test_what_cannot_be_put_back_is_no_reason_for_a_restart(mirror: Placed) -> None:
    """A site that somebody else has written listens where it cannot: Caddy would not start with it."""
    before = mirror.show("caddy.service", "InvocationID")
    own = mirror.root / "etc/caddy/sites/own.caddy"
    try:
        with listener(mirror, 8089):
            own.write_text("http://:8089 {\n}\n")
            mirror.set(caddy_email="somebody@example.com")
            log = mirror.up(code=1).log
        assert "caddy.service does not run with what it had before either" in log
        assert "restart caddy.service when its files are right" in log
        assert mirror.show("caddy.service", "InvocationID") == before
    finally:
        own.unlink()
        mirror.view.check_output("systemctl restart caddy")
    mirror.settle()


def test_a_reload_by_hand_that_never_ends_is_in_the_way_of_no_run(mirror: Placed) -> None:
    """It does not go by the unit, so nobody tells systemd that Caddy goes on."""
    socket = "unix//run/caddy/admin.sock"
    server = {"listen": ["192.0.2.1:80"]}
    config = {"admin": {"listen": socket}, "apps": {"http": {"servers": {"a": server}}}}
    (mirror.root / "root/bad.json").write_text(json.dumps(config))
    done = mirror.view.run(f"caddy reload --config /root/bad.json --address {socket}")
    assert "cannot assign requested address" in done.stderr
    assert mirror.show("caddy.service", "ActiveState") == "reloading"
    assert mirror.up().settled == (0, 1)

    mirror.set(caddy_email="somebody.else@example.com")
    result = mirror.settle()

    assert result.changed == ["caddy : Configure Caddy", "caddy : reload caddy"]
    assert mirror.show("caddy.service", "ActiveState") == "active"


def test_a_unit_that_cannot_start(mirror: Placed) -> None:
    log = refused(mirror, caddy_service_options={"ReadWritePaths": "/data/missing"})

    assert "put back as it was: /etc/systemd/system/caddy.service.d/provision.conf" in log


def test_https_where_its_port_is_taken(mirror: Placed) -> None:
    mirror.set(caddy_tls="off")
    mirror.settle()
    with listener(mirror, 443):
        log = refused(mirror, "http", caddy_tls="internal")

    assert "address already in use" in log
    mirror.settle()
