"""The record of runs: how it is read, put together and shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.unit.cli_site import invoke, write

from provision.errors import HostError
from provision.ops.events import CommandEnded, CommandOutput
from provision.ops.history import Collector, Entry, Recorded, Unreadable, parse
from provision.report.history import print_history

ODD = "no text: \ud800"


def record(**values: object) -> str:
    known = {"who": "ann@laptop", "when": "2026-11-24T11:03:56Z", "version": "0.1.0", "command": "provision up"}
    return json.dumps({**known, "from": "192.0.2.9", "result": "ok", "changed": 2, **values}) + "\n"


def test_the_trips_of_a_run_are_one() -> None:
    failed = record(result="failed", changed=1, role="app", task="Deploy")
    text = record() + failed + record(when="2026-11-24T12:00:00Z") + record(when="2026-11-24T12:00:00Z", who="bob@pc")

    first, second, third = entries = parse(text, 20)
    assert isinstance(first, Recorded)
    assert (first.result, first.changed, first.task) == ("failed", 3, "Deploy")
    assert (second.when, third.when) == ("2026-11-24T12:00:00Z",) * 2
    assert parse(text, 2) == entries[1:]
    assert parse(text, 1) == entries[2:]


def test_a_record_of_before_is_read_as_far_as_it_goes() -> None:
    text = '{"who": "a@b", "when": "2026-01-01T00:00:00Z", "version": "0.1", "command": "up", "result": "ok"}\n'
    assert parse(text, 20) == [Recorded("2026-01-01T00:00:00Z", "a@b", "", "0.1", "up", "ok", None)]


@pytest.mark.parametrize(
    "row",
    [
        "hello",
        "[]",
        "3",
        "null",
        "{}",
        "[" * 100_000,
        '{"who": "an',
        record(who=3).strip(),
        record(when="now").strip(),
        record(changed="many").strip(),
        record(changed=1e999).strip(),
        record(result="\x1b[31m").strip(),
        "\ufffd\ufffd",
    ],
    ids=lambda row: row[:20],
)
def test_a_line_that_is_no_record(row: str) -> None:
    assert parse(record() + row + "\n", 20)[1:] == [Unreadable("2026-11-24T11:03:56Z", row)]


def collected() -> tuple[list[str], dict[str, list[Entry]], Collector]:
    hosts = ["web1", "web2", "web3", "database"]
    collector = Collector(hosts)
    cut = record(
        when="2026-11-24T11:04:10Z", result="failed", changed=0, role="app", task="Deploy", command="\x1b[1mup"
    )
    for host, text in (("web1", record() + '{"who": "an'), ("web2", cut + record(result="lost", **{"from": ""}))):
        collector(CommandOutput(host, "out", text.encode()))
        collector(CommandEnded(host, 0))
    collector(CommandEnded("web3", 0))
    collector(CommandOutput("database", "err", b"tail: it is a directory"))
    collector(CommandEnded("database", 1))
    return hosts, {host: list(found) for host, found in collector.records(20).items()}, collector


def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    hosts, records, collector = collected()
    print_history(hosts, records, collector.errors, json=False)

    out, err = capsys.readouterr()
    assert out == (
        "2026-11-24 11:03:56  web1  ok          changed=2  ann@laptop from 192.0.2.9, 0.1.0\n"
        "    provision up\n"
        "2026-11-24 11:03:56  web1  unreadable\n"
        '    {"who": "an\n'
        "2026-11-24 11:03:56  web2  lost        changed=2  ann@laptop, 0.1.0\n"
        "    provision up\n"
        "2026-11-24 11:04:10  web2  failed      changed=0  ann@laptop from 192.0.2.9, 0.1.0\n"
        "    up\n"
        "    failed: app : Deploy\n"
        "web3: no run is on record\n"
    )
    assert "failed:  [database]" in err
    assert "its record of runs could not be read: tail: it is a directory" in err


def test_the_page_fits_a_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.report.history.width_of", lambda out: 50)
    hosts, records, collector = collected()
    print_history(hosts, records, collector.errors, json=False)

    rows = capsys.readouterr().out.splitlines()
    assert max(map(len, rows)) <= 50
    assert rows[:2] == ["2026-11-24 11:03:56  web1  ok          changed=2", "    ann@laptop from 192.0.2.9, 0.1.0"]


def test_the_page_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    hosts, records, collector = collected()
    print_history(hosts, records, {**collector.errors, "web3": HostError("gone")}, json=True)

    rows = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [(row["event"], row["host"]) for row in rows] == [
        ("host_failed", "web3"),
        ("host_failed", "database"),
        ("run", "web1"),
        ("unreadable_line", "web1"),
        ("run", "web2"),
        ("run", "web2"),
    ]
    assert rows[-1] == {
        "event": "run",
        "host": "web2",
        "when": "2026-11-24T11:04:10Z",
        "who": "ann@laptop",
        "origin": "192.0.2.9",
        "version": "0.1.0",
        "command": "\x1b[1mup",
        "result": "failed",
        "changed": 0,
        "role": "app",
        "task": "Deploy",
    }


def test_a_command_that_was_no_text_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_history(["web1"], {"web1": parse(record(command=ODD), 20)}, {}, json=False)
    assert "\\ud800" in capsys.readouterr().out


def test_the_command_ends_with_3_where_a_host_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    host = "{ansible_host: 127.0.0.1, ansible_port: 1}"
    write(tmp_path, {"inventory.yml": f"all: {{hosts: {{web1: {host}, web2: {host}, web3: {host}}}}}\n"})
    page = invoke("history", str(tmp_path / "inventory.yml"), "--limit", "!web3")
    rows = invoke("history", str(tmp_path / "inventory.yml"), "-n", "1", "--json")

    assert (page.exit_code, page.stdout) == (3, "")
    assert re.findall(r"unreachable: \[(\w+)\]", page.stderr) == ["web1", "web2"]
    assert rows.exit_code == 3
    assert [json.loads(row)["host"] for row in rows.stdout.splitlines()] == ["web1", "web2", "web3"]
