"""What a deployment carries beside its code: files, writable paths, processes, any environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.e2e.cli import Event, provision, wait_for
from tests.e2e.placed import Place, Placed

# Paths that the app writes to, and files that are given to it


SECRET = "token = 'hunter2'\n"


@pytest.fixture(scope="module")
def placed_writer(place: Place) -> Placed:
    writer = place("writer", app_writable=["logs", "media", "error.log"], app_keep=2)
    (writer.inventory.parent / "banner.txt").write_text("a banner\n")
    writer.set(app_files={"config/settings.toml": SECRET, "config/banner.txt": {"src": "banner.txt"}})
    return writer


@pytest.fixture
def writer(placed_writer: Placed) -> Placed:
    """The app that expects to own its folder, converged."""
    placed_writer.settle()
    return placed_writer


def state(writer: Placed) -> Event:
    return writer.answer("/")


def test_what_an_app_writes_beside_its_code_outlives_the_release(writer: Placed) -> None:
    name = f"upload-{writer.version}.txt"
    writer.say(f"/media/{name}", "--request", "PUT", "--data", "kept")
    (writer.app / "media/logo.txt").write_text("another logo\n")
    writer.change()
    writer.settle()

    found = state(writer)
    assert found["version"] == writer.version
    # What the source has there was copied once, and is the app's from then on.
    assert found["media"] == found["media"] | {"logo.txt": "a logo\n", name: "kept"}
    assert f"upload of {name}" in str(found["log"])


def test_an_app_reads_its_files_and_cannot_write_them(writer: Placed) -> None:
    found = state(writer)
    assert (found["settings"], found["banner"]) == (SECRET, "a banner\n")
    assert "Read-only file system" in writer.say("/settings", "--request", "PUT", "--data", "mine")
    file = writer.view.file(f"/etc/app-writer/{writer.slot_name}.files/config/settings.toml")
    assert (file.mode, file.user, file.group) == (0o640, "root", "app-writer")
    release = f"find /srv/writer/releases -name {Path(file.path).name}"
    assert writer.view.check_output(release) == ""


def test_a_file_that_changes_is_a_deployment_and_its_text_is_never_shown(writer: Placed) -> None:
    before = writer.slot_name
    writer.set(app_files={"config/settings.toml": SECRET + "more = 'tr0ub4dor'\n", "config/banner.txt": "text\n"})
    planned = provision("plan", writer.inventory, "--diff")
    assert "digest" in str(planned)
    assert "tr0ub4dor" not in str(planned)

    applied = writer.settle()
    assert "tr0ub4dor" not in str(applied)
    assert writer.slot_name != before
    assert "tr0ub4dor" in str(state(writer)["settings"])
    # The slot that served keeps its own.
    assert writer.view.file(f"/etc/app-writer/{before}.files/config/settings.toml").content_string == SECRET
    writer.set(app_files={"config/settings.toml": SECRET, "config/banner.txt": {"src": "banner.txt"}})


def test_a_release_that_fails_has_written_nothing_where_the_old_one_reads(writer: Placed) -> None:
    """The trial import has folders of its own."""
    before = state(writer)
    with writer.broken():
        writer.edit("main.py", '"started\\n"', '"overwritten\\n"')
        writer.edit("main.py", "app = FastAPI", "import no_such_module\napp = FastAPI")
        writer.set(app_files={"config/settings.toml": "broken", "config/banner.txt": "broken"})
        failed = writer.up(code=1)

    assert "No module named 'no_such_module'" in failed.log
    assert state(writer) == before
    kept = writer.view.check_output("cat /var/lib/app-writer/writable/logs/started; ls /srv/writer")
    assert "overwritten" not in kept
    assert "preflight" not in kept
    pid = writer.kill_main_process()
    wait_for("another main process", lambda: writer.show(writer.slot, "MainPID") not in (pid, "0"))
    assert state(writer) == before


def test_no_more_is_kept_than_asked_for_and_what_is_in_use_stays(writer: Placed) -> None:
    for _ in range(3):
        writer.change()
        writer.settle()
    home = writer.root / "srv/writer"
    assert len(list((home / "deployments").iterdir())) == 2
    assert writer.record.is_dir()
    used = {(path / "meta").read_text() for path in (home / "deployments").iterdir()}
    for kind in ("build", "release"):
        named = {line.partition("=")[2] for meta in used for line in meta.splitlines() if line.startswith(f"{kind}=")}
        assert {path.name for path in (home / f"{kind}s").iterdir()} == named


# Processes beside the app


@pytest.fixture(scope="module")
def placed_processes(place: Place) -> Placed:
    command = "python worker.py --name 'first one' 100%"
    return place("processes", app_processes={"worker": command}, app_env={"GREETING": "5 $"})


@pytest.fixture
def processes(placed_processes: Placed) -> Placed:
    """The app with a worker, converged."""
    placed_processes.settle()
    return placed_processes


def job(processes: Placed, name: str) -> str:
    """What the worker makes of a new job."""
    processes.say(f"/jobs/{name}", "--request", "PUT")
    return wait_for("the worker", lambda: str((processes.get(f"/jobs/{name}") or {}).get("result") or ""))


def test_a_worker_is_that_of_the_release_that_serves(processes: Placed) -> None:
    assert job(processes, f"before-{processes.version}") == f"version {processes.version}, 5 $"
    worker = f"app-processes-worker@{processes.slot_name}.service"
    assert processes.running() == {processes.slot, worker}
    assert "'first one', '100%'" in processes.view.check_output("journalctl -q -o cat -u %s", worker)

    version = processes.change()
    processes.settle()
    assert job(processes, f"after-{version}") == f"version {version}, 5 $"
    new = f"app-processes-worker@{processes.slot_name}.service"
    assert new != worker
    assert processes.running() == {processes.slot, new}
    # The old one was asked to stop, and did so by itself.
    assert "worker stops" in processes.view.check_output("journalctl -q -o cat -u %s", worker)
    logged = provision("logs", processes.inventory).events
    assert {f"worker {slot}" for slot in ("blue", "green")} <= {event["source"] for event in logged}


def test_a_worker_that_dies_is_started_again_and_one_that_is_gone_is_repaired(processes: Placed) -> None:
    worker = f"app-processes-worker@{processes.slot_name}.service"
    pid = processes.show(worker, "MainPID")
    processes.view.check_output("kill -9 %s", pid)
    wait_for("another worker", lambda: processes.show(worker, "MainPID") not in (pid, "0"))
    processes.view.check_output("systemctl disable --now %s", worker)
    processes.settle()
    assert processes.view.check_output("systemctl is-enabled %s; systemctl is-active %s", worker, worker).split() == [
        "enabled",
        "active",
    ]


def test_a_release_whose_worker_does_not_run_is_taken_back(processes: Placed) -> None:
    before = processes.running()
    with processes.broken():
        processes.edit("worker.py", "import os\n", "import no_such_module\nimport os\n")
        failed = processes.up(code=1)
    assert "No module named 'no_such_module'" in failed.log
    assert "does not go on running" in failed.log
    assert processes.running() == before
    assert job(processes, f"still-{processes.version}") == f"version {processes.version}, 5 $"


def test_a_process_is_no_part_of_the_next_release_any_more(processes: Placed) -> None:
    with processes.broken():
        processes.set(app_processes={})
        processes.settle()
        assert processes.running() == {processes.slot}


# The environment


TEXTS = {
    "EMPTY": "",
    "QUOTES": "'single' \"double\" `back`",
    "DOLLARS": "$HOME ${HOME} $$ $(id)",
    "PERCENT": "100% %n %%i",
    "BACKSLASHES": "C:\\new\\table \\",
    "LINES": "one\ntwo\n\nthree\n",
    "SPACES": "  both ends\t ",
    "HASH": "# no comment; nor this",
    "TOKENS": "@slot@ @build@ {{ '{{' }} x }}",
    "UNICODE": "grün 日本 \U0001f600",
    "EQUALS": "a=b=c",
    "PEM": "-----BEGIN KEY-----\nabc+/=\n-----END KEY-----\n",
    "LONG": "x" * 60_000,
}


def test_values_of_any_content_arrive_as_they_were_written(place: Place) -> None:
    mirror = place("mirror", app_workers=1)
    mirror.set(
        app_env={
            **TEXTS,
            "LIST": ["a", 'b"', 3],
            "MAPPING": {"key": [True, None]},
            "YES": True,
            "NUMBER": 3,
            "NOTHING": None,
        }
    )
    mirror.settle()
    found = mirror.answer("/environment")
    expected = {**TEXTS, "TOKENS": "@slot@ @build@ {{ x }}", "YES": "true", "NUMBER": "3"}
    assert {name: found.get(name) for name in expected} == expected
    assert json.loads(found["LIST"]) == ["a", 'b"', 3]
    assert json.loads(found["MAPPING"]) == {"key": [True, None]}
    assert "NOTHING" not in found
