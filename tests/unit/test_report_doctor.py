"""How findings are shown, and how the command ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.unit.cli_site import invoke, write

from provision.checks import Check
from provision.errors import ConnectionLost, HostError
from provision.ops.doctor.examine import Findings
from provision.report.doctor import print_findings

CLOCK = Check("clock", "ok", "the clock agrees with this machine's")
DISK = Check("disk", "warn", "900 MB of 20.0 GB are free on /", "make room: `apt-get clean`")
NAME = Check("A", "fail", "a.example.com does not resolve", "create an A record", "a.example.com")
LATER = Check("http2", "skipped", "not yet: Caddy is not \x1b[1minstalled")
FOUND = Findings({"web1": [CLOCK, DISK], "web2": [NAME, LATER]}, {"web3": ConnectionLost("gone")})
HOSTS = ["web1", "web2", "web3"]


def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(HOSTS, FOUND, json=False)
    out, err = capsys.readouterr()
    assert out == (
        "web1\n"
        "  ok    clock  the clock agrees with this machine's\n"
        "  warn  disk   900 MB of 20.0 GB are free on /\n"
        "               hint: make room: `apt-get clean`\n"
        "web2\n"
        "  fail  A      a.example.com does not resolve\n"
        "               hint: create an A record\n"
        "  -     http2  not yet: Caddy is not installed\n"
        "2 hosts, 4 checks: 1 failed, 1 warning, 1 host could not be asked\n"
    )
    assert "unreachable: [web3]" in err


def test_on_a_terminal_there_are_symbols(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.report.doctor.width_of", lambda out: 40)
    monkeypatch.setattr("provision.report.doctor._is_terminal_of_symbols", lambda: True)
    print_findings(HOSTS[:2], FOUND, json=False)
    rows = capsys.readouterr().out.splitlines()
    assert max(map(len, rows[:-1])) <= 40
    assert rows[1:3] == ["  ✓  clock  the clock agrees with this", "            machine's"]


def test_the_page_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(HOSTS, FOUND, json=True)
    rows = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [(row["event"], row["host"]) for row in rows] == [
        *[("check", "web1")] * 2,
        *[("check", "web2")] * 2,
        ("host_failed", "web3"),
    ]
    assert rows[2] == {
        "event": "check",
        "host": "web2",
        "id": "A",
        "subject": "a.example.com",
        "status": "fail",
        "found": "a.example.com does not resolve",
        "advice": "create an A record",
    }


@pytest.mark.parametrize(
    ("found", "code", "says"),
    [
        (Findings({"web1": [CLOCK]}, {}), 0, "1 host, 1 check: nothing is wrong"),
        (Findings({"web1": [CLOCK, DISK, DISK]}, {}), 0, "1 host, 3 checks: 2 warnings"),
        (Findings({"web1": [NAME]}, {}), 1, "1 host, 1 check: 1 failed"),
        (FOUND, 1, "1 host could not be asked"),
        (Findings({}, {"web3": ConnectionLost("gone")}), 3, "nothing was found out, 1 host could not be asked"),
        (Findings({}, {"web1": HostError("x"), "web3": ConnectionLost("gone")}), 1, "2 hosts could not be asked"),
    ],
)
def test_how_it_ends(found: Findings, code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(HOSTS, found, json=False)
    assert says in capsys.readouterr().out.splitlines()[-1]
    assert found.exit_code == code


def test_the_command_ends_with_3_where_a_host_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    host = "{ansible_host: 127.0.0.1, ansible_port: 1}"
    text = f"all: {{hosts: {{web1: {host}, web2: {host}}}, vars: {{roles: [caddy]}}}}\n"
    write(tmp_path, {"inventory.yml": text})
    page = invoke("doctor", str(tmp_path / "inventory.yml"))
    rows = invoke("doctor", str(tmp_path / "inventory.yml"), "--limit", "web2", "--json")
    assert page.exit_code == 3
    assert re.findall(r"unreachable: \[(\w+)\]", page.stderr) == ["web1", "web2"]
    assert (rows.exit_code, [json.loads(row)["host"] for row in rows.stdout.splitlines()]) == (3, ["web2"])


def test_what_is_wrong_with_the_inventory_is_said_first(tmp_path: Path) -> None:
    write(tmp_path, {"inventory.yml": "all: {hosts: {web1: }, vars: {roles: [caddy], caddy_http_port: high}}\n"})
    done = invoke("doctor", str(tmp_path / "inventory.yml"))
    assert done.exit_code == 2
    assert "caddy_http_port must be a whole number, not 'high'" in done.stderr
    slip = invoke("doctor", str(tmp_path / "inventory.yml"), "--set", "caddy_http_port=80", "--set", "cady_domain=x")
    assert "no role and no host has a variable cady_domain" in slip.stderr
