"""What the site does beside asking the app: static files, compression, limits, headers, a page, a log, HTTP/3."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.cli import AUTHORITY, wait_for
from tests.e2e.newest import newest_caddy
from tests.e2e.placed import Place, Placed
from tests.e2e.websocket import WebSocket

CACHE = "public, max-age=31536000, immutable"
PAGE = "<!doctype html><title>Closed</title><h1>Closed</h1>\n"
LOG = "/var/log/caddy/front.access.log"
BROWSER = ("--header", "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
NEW_RELEASE = ["app : Ship the release", "app : Build the app", "app : Deploy"]


@dataclass(frozen=True)
class Answer:
    """What curl got."""

    version: str
    status: int
    headers: Mapping[str, str]
    body: str


def ask(placed: Placed, path: str, *options: str) -> Answer:
    """One request, and its answer whatever that is."""
    said = placed.curl(
        f"https://{placed.domain}{path}", "--include", "--path-as-is", "--globoff", "--header", "Expect:", *options
    ).stdout
    head, _, body = said.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    version, status = first.split()[:2]
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Answer(version, int(status), headers, body)


@pytest.fixture(scope="module")
def placed(place: Place) -> Placed:
    """All of it at once."""
    placed = place("front", app_workers=1, app_try_duration=1)
    placed.set(
        app_static={"/static": "static"},
        app_static_cache=CACHE,
        app_compress="all",
        app_max_body="10KB",
        app_security_headers={"X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Report-To": 'a="b"'},
        app_hsts="300; includeSubDomains",
        app_maintenance_page=page(placed.inventory.with_name("closed.html")),
        caddy_access_log=True,
        caddy_access_log_size=1,
    )
    placed.settle()
    return placed


def page(path: Path) -> str:
    """The page in a file."""
    path.write_text(PAGE)
    return str(path)


@pytest.fixture(scope="module", params=["distribution's", "newest"])
def front(request: pytest.FixtureRequest, placed: Placed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Placed]:
    """With Caddy 2.6.2, as Debian has it, and with the newest."""
    if request.param == "distribution's":
        assert placed.view.check_output("caddy version").startswith("2.6.2")
        yield placed
        return
    with newest_caddy(placed.root, placed.view, tmp_path_factory.mktemp("caddy")):
        yield placed


@contextmanager
def down(placed: Placed) -> Iterator[None]:
    """The app is stopped by hand in the block."""
    slot = placed.slot
    placed.view.check_output("systemctl stop %s", slot)
    try:
        yield
    finally:
        placed.view.check_output("systemctl start %s", slot)
        placed.answer("/version")


def release(placed: Placed) -> int:
    """The next release in the source: its file has its number in the name, as bundlers do it."""
    old, version = placed.version, placed.change()
    text = (placed.app / f"static/app-{old}.js").read_text()
    (placed.app / f"static/app-{version}.js").write_text(text.replace(f"= {old}", f"= {version}"))
    (placed.app / f"static/app-{old}.js").unlink()
    return version


def test_files_come_from_caddy_and_whole(front: Placed) -> None:
    path = f"/static/app-{front.version}.js"

    plain = ask(front, path, "--http2")
    assert (plain.version, plain.status) == ("HTTP/2", 200)
    assert plain.body == (front.app / path.removeprefix("/")).read_text()
    assert plain.headers["cache-control"] == CACHE
    assert plain.headers["x-frame-options"] == "DENY"
    assert ask(front, path, "--header", f"If-None-Match: {plain.headers['etag']}").status == 304
    part = ask(front, path, "--range", "6-12", "--compressed")
    assert (part.status, part.body) == (206, "release")
    assert "content-encoding" not in part.headers
    head = ask(front, path, "--head")
    assert (head.status, head.headers["content-length"]) == (200, str(len(plain.body)))
    assert "cache-control" not in ask(front, "/static/page.html").headers


def test_what_is_no_file_is_the_apps(front: Placed) -> None:
    assert ask(front, "/static/made").body == '{"made":"by the app"}'
    for path in ("/static/", "/static", "/static/nowhere.js"):
        assert ask(front, path).body == '{"detail":"Not Found"}'
    assert ask(front, "/static/page.html", "--request", "POST").status in (404, 405)


@pytest.mark.parametrize(
    "path",
    [
        "/static/.hidden",
        "/static/%2ehidden",
        "/static/../main.py",
        "/static/%2e%2e/main.py",
        "/static/..%2fmain.py",
        "/static//../../main.py",
        "/static/x/../../../../etc/passwd",
    ],
)
def test_nothing_else_can_be_had(front: Placed, path: str) -> None:
    answer = ask(front, path)

    assert (answer.status, answer.body) == (404, '{"detail":"Not Found"}')


def caddy_reloads(placed: Placed) -> str:
    """How often systemd has reloaded Caddy."""
    return str(placed.view.check_output("journalctl -qo cat -u caddy _PID=1 | grep -c ^Reloading"))


def test_a_deployment_brings_its_files_without_a_reload(placed: Placed) -> None:
    old, reloads = f"/static/app-{placed.version}.js", caddy_reloads(placed)
    version = release(placed)

    assert placed.settle().changed == NEW_RELEASE

    assert caddy_reloads(placed) == reloads
    assert f"release = {version};" in ask(placed, f"/static/app-{version}.js").body
    assert f"release = {version - 1};" in ask(placed, old).body, "pages of the release before still ask for it"

    # Links that are lost are a reason to deploy, and then nothing is left of the release before.
    placed.view.check_output("rm -r %s", f"/srv/front/slots/{placed.slot_name}/static")

    assert placed.settle().changed == ["app : Deploy"]

    assert f"release = {version};" in ask(placed, f"/static/app-{version}.js").body
    assert ask(placed, old).status == 404


def test_answers_are_compressed_and_streams_are_not(front: Placed) -> None:
    for name in ("zstd", "gzip"):
        for path in ("/long", f"/static/app-{front.version}.js"):
            answer = ask(front, path, "--compressed", "--header", f"Accept-Encoding: {name}")
            assert answer.headers["content-encoding"] == name
            assert "Accept-Encoding" in answer.headers["vary"]
            assert "again and again" in answer.body
    assert "content-encoding" not in ask(front, "/version", "--compressed").headers
    with front.begin_curl(f"https://{front.domain}/events", "--include", "--compressed", "--no-buffer") as events:
        assert events.stdout is not None
        lines = [events.stdout.readline()]
        while lines[-1] not in ("data: 1\n", ""):
            lines.append(events.stdout.readline())
        events.terminate()
    assert lines[-1], "curl ended before the first event"
    head = "".join(lines)
    assert "content-type: text/event-stream" in head.lower()
    assert "content-encoding" not in head.lower()


def test_a_websocket_goes_through_all_of_it(front: Placed) -> None:
    socket = WebSocket(front.domain, front.host.address, front.root / AUTHORITY, "/room").opened()

    assert socket.ask("hello") == f"{front.version}: hello"
    socket.close()


@pytest.mark.parametrize("length", ["told", "not told"])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_what_is_too_large_is_refused(front: Placed, version: str, length: str, tmp_path: Path) -> None:
    body = tmp_path / "body"
    options = [version, "--data-binary", f"@{body}"]
    if length == "not told":
        options += ["--header", "Transfer-Encoding: chunked"]
    body.write_bytes(b"x" * 10_000)
    assert ask(front, "/upload", *options).body == '{"size":10000}'
    body.write_bytes(b"x" * 10_001)
    assert ask(front, "/upload", *options).status == 413


def test_headers_are_added_where_the_app_has_none(front: Placed) -> None:
    headers = ask(front, "/version").headers
    wanted = {
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "report-to": 'a="b"',
        "strict-transport-security": "max-age=300; includeSubDomains",
    }

    assert {name: headers.get(name) for name in wanted} == wanted
    assert ask(front, "/own").headers["referrer-policy"] == "no-referrer"
    plain = front.curl(f"http://{front.domain}/version", "--include").stdout
    assert plain.startswith("HTTP/1.1 308 ")
    assert "strict-transport-security" not in plain.lower()


def test_while_the_app_is_down_there_are_a_page_and_its_files(front: Placed) -> None:
    with down(front):
        for options in ((), ("--request", "POST"), ("--header", "If-None-Match: *"), ("--range", "0-3")):
            shown = ask(front, "/version", *BROWSER, *options)
            assert (shown.status, shown.body) == (503, PAGE)
            assert shown.headers["content-type"].startswith("text/html")
            assert (shown.headers["retry-after"], shown.headers["cache-control"]) == ("10", "no-store")
            assert shown.headers["x-frame-options"] == "DENY"
        told = ask(front, "/version")
        assert (told.status, json.loads(told.body)) == (503, {"detail": "Service Unavailable"})
        assert told.headers["content-type"] == "application/json"
        assert ask(front, f"/static/app-{front.version}.js").status == 200

    busy = ask(front, "/busy", *BROWSER)
    assert (busy.status, busy.body) == (503, '{"busy":"very"}')
    assert "retry-after" not in busy.headers


def test_requests_are_logged_and_the_log_is_turned_over(front: Placed) -> None:
    ask(front, "/version?token=1", "--header", "Authorization: Bearer s3cret", "--header", "Cookie: session=s3cret")
    assert front.view.run("setpriv --reuid=app-front --clear-groups cat %s", LOG).stderr.endswith("Permission denied\n")
    lines = front.view.file(LOG).content_string.splitlines()
    requests = [json.loads(line) for line in lines]
    last = next(entry for entry in reversed(requests) if entry["request"]["uri"] == "/version?token=1")
    assert (last["status"], last["request"]["method"]) == (200, "GET")
    assert "s3cret" not in "".join(lines)

    before = set(front.view.check_output("ls /var/log/caddy").split())
    many = f"https://{front.domain}/version?[1-200]"
    front.curl(many, "--max-time", "60", "--output", "/dev/null", "--header", f"X-Much: {'x' * 7000}")
    wait_for(
        "a log that is set aside",
        lambda: [
            name
            for name in set(front.view.check_output("ls /var/log/caddy").split()) - before
            if re.fullmatch(r"front\.access-.*\.log\.gz", name)
        ],
    )
    assert front.view.file(LOG).size < 1024**2


def test_what_is_on_by_itself_can_be_left_out(placed: Placed) -> None:
    """curl of Debian 12 speaks no HTTP/3, so this looks for its port, and for what tells a browser of it."""
    assert placed.view.socket("udp://:::443").is_listening
    assert 'h3=":443"' in ask(placed, "/version").headers["alt-svc"]
    before = dict(placed.variables)

    placed.set(caddy_http3=False, app_maintenance_page="", app_compress="off", caddy_access_log=False)
    result = placed.settle()
    try:
        assert set(result.changed) == {
            "caddy : Configure Caddy",
            "app : Give the app its site",
            "app : Take its page away",
            "caddy : reload caddy",
        }
        assert not placed.view.socket("udp://:::443").is_listening
        assert "alt-svc" not in ask(placed, "/version").headers
        for path in ("/long", f"/static/app-{placed.version}.js"):
            assert "content-encoding" not in ask(placed, path, "--compressed").headers
        with down(placed):
            shown = ask(placed, "/version", *BROWSER)
        assert (shown.status, shown.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "<h1>Back in a moment</h1>" in shown.body
    finally:
        placed.set(**before)
        placed.up()
