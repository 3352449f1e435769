"""How the status of hosts looks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit import status_answer
from tests.unit.status_answer import APP, CADDY, FACTS, MACHINE, NOW, reading

from provision.errors import HostError
from provision.ops.status_answer import parse
from provision.ops.status_run import Drift, Seen
from provision.report.lines import text_of
from provision.report.status import age, block, print_status
from provision.report.status_watch import watch_status

LEAF = status_answer.certificate("local", "notes.internal", NOW, timedelta(hours=12))
WEB1 = Seen("web1", parse(reading(MACHINE, APP, CADDY, LEAF), FACTS), Drift("in_sync"))
BARE = Seen(
    "web2",
    parse(reading(MACHINE.partition("disk")[0]), FACTS),
    Drift("pending", ("caddy : Install Caddy", "app : Deploy", "app : Ship", "app : Build")),
)
GONE = Seen("web3", error=HostError("gone"))


def shown(seen: Seen, width: int | None = None) -> list[str]:
    return [text_of(content) for content in block(seen, width)]


def test_a_block(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(["web1", "web2", "web3"], {"web3": GONE, "web2": BARE, "web1": WEB1}, json=False)

    out, err = capsys.readouterr()
    assert out == (
        "web1  Debian 12, 2 cores, load 0.42 0.30 0.25\n"
        "  notes        serving  deployment 3 in blue, up 55m, 1 restart\n"
        "               worker          102     54 MB   24 % CPU  up 55m\n"
        "               worker          103     53 MB          -  up 0s\n"
        "               supervisor      100     48 MB    0 % CPU  up 55m\n"
        "               memory 162 MB, 8 % of the host; limits: high 640 MB\n"
        "  caddy        active, up 1d02h, 0 restarts, 24 MB, 2 % CPU\n"
        "  memory       700 of 2000 MB used, 35 %: below the target of 50-90 %\n"
        "  disk         /  3.0 of 10.0 GB used, 30 %\n"
        "  disk         /srv/my data  0.9 of 1.0 GB used, 91 %\n"
        "  certificate  notes.internal  Caddy's own authority, expires in 12h00m\n"
        "  last run     2026-11-24 11:03:56  ok changed=3, ann@laptop\n"
        "  drift        in sync with the inventory\n"
        "\n"
        "web2  Debian 12, 2 cores, load 0.42 0.30 0.25\n"
        "  nothing of provision is here yet\n"
        "  memory  700 of 2000 MB used, 35 %: below the target of 50-90 %\n"
        "  drift   4 changes pending, see `provision plan`: caddy : Install Caddy; app : Deploy; app : Ship; ...\n"
    )
    assert err.startswith("failed:  [web3]\n  gone\n")


def test_a_block_fits_a_narrow_terminal() -> None:
    rows = shown(BARE, 50)
    assert max(map(len, rows)) <= 50
    assert rows[-3].startswith("  drift   4 changes pending")
    assert rows[-1].startswith("          ")


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        ("ActiveState=active", "ActiveState=failed", "  notes        down  deployment 3 in blue, 1 restart"),
        ("spawned 103", "nothing", "               1 of 2 workers run"),
        ("notes=blue", "notes=", "  notes        nothing is deployed"),
        (
            "MemoryMax=infinity",
            "MemoryMax=734003200",
            "               memory 162 MB, 8 % of the host; limits: high",
        ),
        ("MemAvailable=1331200", "MemAvailable=800000", "  memory       1219 of 2000 MB used, 60 %: within the target"),
        ("MemAvailable=1331200", "MemAvailable=80000", "  memory       1922 of 2000 MB used, 96 %: above the target"),
        ('"result": "ok"', '"result": "lost"', "  last run     2026-11-24 11:03:56  lost changed=3, ann@laptop"),
        ('"result": "ok"', "cut", "  last run     its line in the record is unreadable"),
    ],
)
def test_a_row(old: str, new: str, row: str) -> None:
    texts = [text.replace(old, new) for text in (MACHINE, APP, LEAF)]
    assert any(found.startswith(row) for found in shown(Seen("web1", parse(reading(*texts), FACTS))))


def test_drift_that_is_unknown_says_why() -> None:
    assert shown(replace(WEB1, drift=Drift("unknown", reason="a.yml:3:1: \x1b[31mno such key")))[-1] == (
        "  drift        unknown: a.yml:3:1: no such key"
    )
    assert not any("drift" in row for row in shown(replace(WEB1, drift=None)))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h00m"), (90000, "1d01h"), (864000, "10d")],
)
def test_an_age(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(["web3", "web1"], {"web1": WEB1, "web3": GONE}, json=True)

    failed, found = map(json.loads, capsys.readouterr().out.splitlines())
    assert (failed["event"], failed["host"], failed["error"]["message"]) == ("host_failed", "web3", "gone")
    assert (found["event"], found["host"], found["now"]) == ("status", "web1", "2026-11-24T12:00:00Z")
    (app,) = found["apps"]
    assert (app["state"], app["memory_mb"], app["memory_percent"]) == ("serving", 162, 8)
    assert (app["main"]["memory_mb"], app["main"]["cpu_percent"], app["others"]) == (162, 24.0, [])
    assert (found["services"][0]["memory_mb"], found["services"][0]["cpu_percent"]) == (24, 2.0)
    assert app["main"]["processes"][2] == {
        "pid": 102,
        "kind": "worker",
        "up_seconds": 3300.3,
        "memory_mb": 54,
        "cpu_percent": 24.0,
    }
    assert found["certificates"][0]["not_after"] == "2026-11-25T00:00:00Z"
    assert (found["used_percent"], found["disks"][0]["used_percent"]) == (35, 30)
    assert found["last_run"]["result"] == "ok"
    assert found["drift"] == {"state": "in_sync", "changes": [], "reason": ""}


@pytest.mark.parametrize("json", [False, True])
def test_a_watch_without_a_terminal_goes_on_below(json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    watch_status(["web1", "web3"], [WEB1, GONE, WEB1], interval=2.0, json=json)

    out, err = capsys.readouterr()
    assert (out.count("f81bd20064c5b4b9") if json else out.count("deployment 3 in blue")) == 2
    assert out.count("gone") == 1
    assert err == ""
