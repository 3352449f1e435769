"""The check of a URL: its read and its step under dash and bash, with curl and without, against a real server."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.resources import uri
from provision.resources.base import Diff, Facts, Shell
from provision.resources.uri import Uri


class Host:
    """This machine, with one shell and with the tools of one folder only, where one is given."""

    def __init__(self, shell: str) -> None:
        self._shell = str(shutil.which(shell))

    def run(self, script: str, tools: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": os.environ["PATH"] if tools is None else str(tools)}
        command = [self._shell, "-eu", "-c", script]
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def read(self, uri: Uri) -> str:
        (read,) = uri.reads()
        assert isinstance(read, Shell)
        return self.run(read.script).stdout

    def wait(self, uri: Uri, tools: Path | None = None) -> subprocess.CompletedProcess[str]:
        (step,) = uri.change(Diff((), {}, Facts()))
        return self.run(step.script, tools)


@pytest.fixture(params=["dash", "bash"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(uri, "REQUEST_TIMEOUT", 60)  # an interpreter may have to start in it
    return Host(request.param)


class Server(http.server.ThreadingHTTPServer):
    """A server on a port of its own that keeps what it hears; its first ``failures`` answers are 503."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.heard: list[str | None] = []
        self.logins: list[str | None] = []
        self.failures = 0
        self.url = f"http://me:secret@127.0.0.1:{self.server_port}"


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path asks for."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.heard.append(self.headers.get("X-Test"))
        self.server.logins.append(self.headers.get("Authorization"))
        failing, self.server.failures = self.server.failures > 0, self.server.failures - 1
        self.send_response(503 if failing else int(self.path.strip("/")))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_uri_is_satisfied_by_the_status_it_wants(host: Host, server: Server) -> None:
    assert host.read(Uri(url=f"{server.url}/200", headers={"X-Test": 'a "b" \\c'})) == "answers=yes\n"
    assert host.read(Uri(url=f"{server.url}/302", status_code=(200, 302))) == "answers=yes\n"
    assert host.read(Uri(url=f"{server.url}/302")) == "answers=no\n"
    assert server.heard == ['a "b" \\c', None, None]


@pytest.mark.parametrize("client", ["curl", "python3"])
def test_uri_says_what_it_got(host: Host, server: Server, tmp_path: Path, client: str) -> None:
    for tool in (client, "date", "sleep", "timeout"):
        (tmp_path / tool).symlink_to(sys.executable if tool == "python3" else str(shutil.which(tool)))
    moved = host.wait(Uri(url=f"{server.url}/302", timeout=0), tmp_path)
    assert moved.returncode == 1
    assert moved.stdout.endswith("/302 did not answer with status 200 within 0 s; last answer: 302\n")
    assert "secret" not in moved.stdout
    assert host.wait(Uri(url=f"{server.url}/404", status_code=(404,)), tmp_path).returncode == 0
    assert server.logins == ["Basic bWU6c2VjcmV0"] * 2


def test_uri_waits_until_it_answers(host: Host, server: Server) -> None:
    server.failures = 1
    assert host.wait(Uri(url=f"{server.url}/200", timeout=30)).returncode == 0
    assert len(server.heard) == 2


def test_uri_says_why_nothing_answered(host: Host) -> None:
    outcome = host.wait(Uri(url="http://127.0.0.1:1/", timeout=0))
    assert outcome.returncode == 1
    assert "Failed to connect" in outcome.stdout


def test_uri_needs_a_client(host: Host, tmp_path: Path) -> None:
    (tmp_path / "date").symlink_to(str(shutil.which("date")))
    outcome = host.wait(Uri(url="http://127.0.0.1:1/", timeout=0), tmp_path)
    assert outcome.returncode == 1
    assert "neither curl nor python3" in outcome.stdout
