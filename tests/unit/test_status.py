"""The status of a host: what is asked, under real shells, and what is made of the answer."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from tests.unit import status_answer
from tests.unit.live_host import Host
from tests.unit.status_answer import APP, CADDY, FACTS, MACHINE, NOW, reading

from provision.errors import HostError
from provision.ops.history import Recorded, Unreadable
from provision.ops.status import Disk, Process
from provision.ops.status_answer import parse, read

DAY = timedelta(days=1)


def test_the_app_and_its_processes() -> None:
    (app,) = parse(reading(MACHINE, APP), FACTS).apps

    assert (app.name, app.slot, app.deployment, app.workers, app.state) == ("notes", "blue", 3, 2, "serving")
    assert app.main is not None
    assert (app.main.name, app.main.restarts, app.main.up_seconds) == ("app-notes@blue", 1, 3300)
    assert app.main.since == datetime(2026, 11, 24, 11, 5, tzinfo=UTC)
    limits = app.main.memory_high_mb, app.main.memory_max_mb, app.main.memory_peak_mb
    assert limits == (640, None, 200)
    assert app.main.processes == (
        Process(100, "supervisor", 3300.5, 48, 0.0),
        Process(101, "process", 3300.4, 7, 0.0),
        Process(102, "worker", 3300.3, 54, 24.0),
        # Its pid was another's at the first look.
        Process(103, "worker", 0.5, 53, None),
    )
    assert app.memory_mb == 162


def test_the_machine() -> None:
    status = parse(reading(MACHINE, CADDY), FACTS)

    assert (status.now, status.system, status.cores, status.load) == (NOW, "Debian 12", 2, (0.42, 0.3, 0.25))
    assert (status.memory_mb, status.available_mb, status.used_percent, status.share(200)) == (2000, 1300, 35, 10)
    assert status.disks == (Disk("/", 10240, 3072, 7168), Disk("/srv/my data", 1024, 921, 102))
    assert [disk.used_percent for disk in status.disks] == [30, 91]
    (caddy,) = status.services
    assert (caddy.name, caddy.active, caddy.memory_mb, caddy.cpu_percent) == ("caddy", True, 24, 2.0)
    assert [process.kind for process in caddy.processes] == ["main"]
    assert isinstance(status.last_run, Recorded)
    assert (status.last_run.result, status.last_run.changed) == ("ok", 3)


def test_one_worker_has_no_supervisor() -> None:
    alone = APP.replace("workers=2", "workers=1").replace("spawned", "other")
    (app,) = parse(reading(MACHINE, alone), FACTS).apps

    assert app.main is not None
    assert [process.kind for process in app.main.processes] == ["worker", "process", "process", "process"]


@pytest.mark.parametrize(
    ("state", "says"), [("active", "serving"), ("activating", "starting"), ("failed", "down"), ("inactive", "down")]
)
def test_the_state_of_an_app(state: str, says: str) -> None:
    (app,) = parse(reading(MACHINE, APP.replace("ActiveState=active", f"ActiveState={state}")), FACTS).apps

    assert app.state == says
    assert app.main is not None
    assert (app.main.up_seconds is None) == (state != "active")


def test_further_processes_and_the_other_slot() -> None:
    others = ("app-notes-queue@blue.service", "app-notes@green.service")
    more = "".join(f"unit {unit}=app notes\nunit {unit} ActiveState=active\n" for unit in others)
    (app,) = parse(reading(MACHINE, more, APP), FACTS).apps

    assert app.main is not None
    assert app.main.name == "app-notes@blue"
    assert [unit.name for unit in app.others] == ["app-notes-queue@blue", "app-notes@green"]


def test_nothing_is_deployed_yet() -> None:
    status = parse(reading(MACHINE, "app notes=\napp notes when=\n"), FACTS)
    assert (status.apps[0].state, status.apps[0].deployment, status.empty) == ("none", None, False)


def test_a_host_that_was_never_provisioned() -> None:
    assert parse(reading(MACHINE.partition("run 1=")[0]), FACTS).empty


@pytest.mark.parametrize(
    ("begin", "lasts", "state"),
    [
        (NOW - DAY, 90 * DAY, "valid"),
        (NOW - 70 * DAY, 90 * DAY, "valid"),
        (NOW + DAY, 90 * DAY, "early"),
        (NOW - 76 * DAY, 90 * DAY, "late"),
        (NOW - 90 * DAY, 90 * DAY, "expired"),
        (NOW - 8 * DAY / 24, DAY / 2, "valid"),
        (NOW - 11 * DAY / 24, DAY / 2, "late"),
    ],
)
def test_how_a_certificate_is(begin: datetime, lasts: timedelta, state: str) -> None:
    line = status_answer.certificate("local", "wildcard_.example.com", begin, lasts)
    (found,) = parse(reading(MACHINE, line), FACTS).certificates

    assert (found.name, found.authority, found.state) == ("*.example.com", "local", state)
    assert found.not_after == begin + lasts


def test_of_two_authorities_the_last_one_counts() -> None:
    """The internal certificate from before has expired, and Caddy asks for it no more."""
    lines = [
        status_answer.certificate("local", "a.example", NOW - 3 * DAY, DAY / 2),
        status_answer.certificate("acme.example-directory", "a.example", NOW - 2 * DAY, 90 * DAY),
    ]
    for order in (lines, lines[::-1]):
        (found,) = parse(reading(MACHINE, *order), FACTS).certificates
        assert (found.authority, found.state) == ("acme.example-directory", "valid")


@pytest.mark.parametrize("text", ["", "!", "aGVsbG8="])
def test_a_certificate_that_is_none(text: str) -> None:
    (found,) = parse(reading(MACHINE, f"certificate local a.example={text}\n"), FACTS).certificates
    assert (found.state, found.not_after) == ("unreadable", None)


def test_a_certificate_for_what_is_no_name() -> None:
    """The library has an error of its own for it, which would end the command."""
    address_of_x400 = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x02\xa3\x00")
    line = status_answer.certificate("local", "a.example", NOW, DAY, address_of_x400)
    (found,) = parse(reading(MACHINE, line), FACTS).certificates
    assert found.state == "unreadable"


@pytest.mark.parametrize(
    ("rc", "says"), [("124", "took too long"), ("2", "ended with 2"), ("", "ended with nothing"), ("0", "ended with 0")]
)
def test_an_answer_that_is_none(rc: str, says: str) -> None:
    with pytest.raises(HostError, match=says):
        parse({"rc": rc}, FACTS)


def test_a_host_that_answers_nonsense() -> None:
    """Nothing of it is a traceback, and no number is made up."""
    nonsense = {key: "9" * 5000 for key in reading(MACHINE, APP, CADDY)}
    stamps = {key: "Tue 2026-13-45 99:00:00 UTC" for key in nonsense if key.endswith("Timestamp")}
    known = {key: value for key, value in reading(APP).items() if value == "app notes" or key.startswith("process")}
    told = {"app notes": "blue", "run 1": "{", "now": "9" * 18, "rc": "0"}
    status = parse({**nonsense, **stamps, **known, **told}, FACTS)

    assert (status.memory_mb, status.used_percent, status.disks, status.services) == (0, 0, (), ())
    assert status.apps[0].main is not None
    assert status.apps[0].main.processes == ()
    assert isinstance(status.last_run, Unreadable)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_real_answer(shell: str, tmp_path: Path) -> None:
    """Of this machine: no app is on it, and perhaps no systemd."""
    asked = read()
    status = parse(Host(shell, tmp_path).survey({asked})[asked], FACTS)

    assert abs(status.now - datetime.now(UTC)) < timedelta(minutes=5)
    assert 0 < status.available_mb < status.memory_mb
    assert status.disks
    assert all(0 < disk.used_mb <= disk.size_mb for disk in status.disks)
    assert len(status.load) == 3


@pytest.mark.parametrize(
    "command",
    [["dash", "-n", "-"], ["bash", "--posix", "-n", "-"], ["shellcheck", "--shell=sh", "-"]],
    ids=lambda command: command[0],
)
def test_the_program_is_posix_sh(command: list[str]) -> None:
    done = subprocess.run(command, input=f"{read().script}\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
