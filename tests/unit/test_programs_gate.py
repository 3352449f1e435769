"""The gate that a new deployment must pass before it serves."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from provision.resources.programs import gate


class Server(HTTPServer):
    """Answers each path with the status and header it is told."""

    answers: dict[str, int]
    upstream = "127.0.0.1:8001"
    hosts: list[str]


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.hosts.append(self.headers["Host"])
        self.send_response(self.server.answers.get(self.path, 404))
        self.send_header(gate.UPSTREAM, self.server.upstream)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as server:
        server.answers, server.hosts = {}, []
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def options(port: int, **given: Any) -> argparse.Namespace:
    defaults = {
        "port": port,
        "host": "a.example.com",
        "path": "",
        "upstream": "",
        "timeout": 0,
        "workers": 2,
        "first": False,
    }
    return argparse.Namespace(**(defaults | given))


@pytest.mark.parametrize(
    ("answers", "path", "healthy"),
    [
        ({"/openapi.json": 200}, "", True),
        ({}, "", True),
        ({"/openapi.json": 500, "/": 200}, "", True),
        ({"/openapi.json": 500, "/": 503}, "", False),
        ({"/health": 200, "/openapi.json": 500}, "/health", True),
        ({"/health": 204}, "/health", False),
        ({"/health": 307}, "/health", False),
    ],
)
def test_a_named_path_must_be_200_any_other_only_below_500(
    server: Server, answers: dict[str, int], path: str, healthy: bool
) -> None:
    server.answers = answers
    if healthy:
        gate.probe(options(server.server_port, path=path))
    else:
        with pytest.raises(gate.NotServing, match="answered"):
            gate.probe(options(server.server_port, path=path))
    assert set(server.hosts) == {"a.example.com"}


def test_the_answer_must_come_from_the_new_slot(server: Server) -> None:
    gate.probe(options(server.server_port, upstream="127.0.0.1:8001"))
    with pytest.raises(gate.NotServing, match=r"answered by 127\.0\.0\.1:8001, not by 127\.0\.0\.1:8000"):
        gate.probe(options(server.server_port, upstream="127.0.0.1:8000"))


def test_nobody_there_is_not_serving(server: Server) -> None:
    port = server.server_port
    server.shutdown()
    server.server_close()
    with pytest.raises(gate.Failed, match=f"no answer on 127.0.0.1:{port}.*after 0 s"):
        gate.wait(options(port), None)


class Unit:
    """A unit whose states a test scripts; the last one stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, states: Sequence[tuple[dict[str, str], list[str]]]) -> None:
        self._states = list(states)
        self.looks = 0
        self.log = ""
        monkeypatch.setattr(gate, "unit_state", lambda unit: self._state()[0])
        monkeypatch.setattr(gate, "workers_of", lambda pid: self._state()[1])
        monkeypatch.setattr(gate.Watch, "complaints", self._complaints)

    def _state(self) -> tuple[dict[str, str], list[str]]:
        return self._states[min(self.looks, len(self._states) - 1)]

    def _complaints(self, invocation: str) -> None:
        if invocation == "bad":
            raise gate.NotServing("the startup of a worker failed")


def state(
    main: str = "10", restarts: int = 0, active: str = "active", sub: str = "running", run: str = ""
) -> dict[str, str]:
    return {"ActiveState": active, "SubState": sub, "NRestarts": str(restarts), "MainPID": main, "InvocationID": run}


def outcomes(unit: Unit, workers: int = 2, most: int = 40) -> list[str]:
    """What each look found, up to a verdict or as many looks as there are states."""
    watch, found = gate.Watch("app-notes@blue.service", workers), []
    for look in range(most):
        unit.looks = look
        try:
            watch.look()
            found.append("ok")
        except gate.NotServing as reason:
            found.append(str(reason))
        except gate.Failed as reason:
            return [*found, f"failed: {reason}"]
        if look >= len(unit._states):
            break
    return found


def test_workers_must_be_all_there_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = Unit(
        monkeypatch,
        [
            (state(), ["11"]),
            (state(), ["11", "12"]),
            (state(), ["11", "12"]),
            (state(), ["11", "13"]),
            (state(), ["11", "13"]),
            (state(run="bad"), ["11", "13"]),
        ],
    )
    assert outcomes(unit)[:6] == [
        "1 of 2 workers are up",
        "its processes were replaced",
        "ok",
        "its processes were replaced",
        "ok",
        "the startup of a worker failed",
    ]


def test_one_worker_has_no_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcomes(Unit(monkeypatch, [(state(), []), (state(), [])]), workers=1) == [
        "its processes were replaced",
        "ok",
        "ok",
    ]


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ([(state(active="failed"), [])], "failed: the unit is failed"),
        ([(state(restarts=5), []), (state(restarts=7), [])], "failed: it ended by itself, 2 times"),
        ([(state(), [str(n), str(n + 1)]) for n in range(11, 41, 2)], "failed: workers die and are replaced"),
    ],
    ids=["failed", "restarted", "churn"],
)
def test_what_will_never_serve_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, states: Sequence[tuple[dict[str, str], list[str]]], verdict: str
) -> None:
    assert outcomes(Unit(monkeypatch, states))[-1].startswith(verdict)


@pytest.mark.parametrize(
    ("first", "started", "settle"),
    [
        (False, 2, gate.SETTLE),
        (False, 1, gate.SETTLE_LATE),
        (True, 0, gate.SETTLE),
        (True, 1, gate.SETTLE_LATE),
        (True, 2, gate.SETTLE_FIRST),
    ],
    ids=[
        "another serves",
        "it is late",
        "none says that it started",
        "the first is late",
        "nothing is lost if it fails",
    ],
)
def test_one_good_answer_is_not_enough(
    monkeypatch: pytest.MonkeyPatch, server: Server, first: bool, started: int, settle: float
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    Unit(monkeypatch, [(state(), ["11", "12"])])
    watch = gate.Watch("app-notes@blue.service", 2)
    watch.started = started
    gate.wait(options(server.server_port, timeout=60, first=first), watch)
    assert settle <= clock[0] < settle + 2


def test_own_workers_are_found_by_their_parent() -> None:
    code = "import time; print(flush=True); spawn_main = time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()  # Its words are in /proc a moment after it has been started.
        try:
            assert gate.workers_of(str(os.getpid())) == [str(child.pid)]
        finally:
            child.kill()
