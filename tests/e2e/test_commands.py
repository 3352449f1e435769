"""The commands about an app, against one host that serves it: run and logs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.cli import PROVISION, Site, wait_for
from tests.e2e.terminal import terminal

from provision.lab.provider import Host

SECRET = "s3cr3t %h $HOME 'x\""


@pytest.fixture(scope="module")
def site(prepared_host: Host, make_site: Callable[..., Site]) -> Site:
    """The example app, serving."""
    site = make_site(prepared_host, app_env={"SECRET_KEY": SECRET})
    site.up()
    return site


def call(command: str, site: Site, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run ``provision COMMAND INVENTORY WORDS`` to its end."""
    argv: list[str | Path] = [PROVISION, command, site.inventory, *words]
    return subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=300)


def run(site: Site, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return call("run", site, "--", *words, stdin=stdin)


@contextmanager
def started(command: str, site: Site, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on; its output comes as lines."""
    argv: list[str | Path] = [PROVISION, command, site.inventory, *words]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_run_is_the_slot_in_all_but_its_words(site: Site) -> None:
    """User, folder, environment, limits and sandbox are those of the process that serves."""
    done = run(
        site, "id -un; pwd; command -v python; touch /etc/x; touch $STATE_DIRECTORY/mine && echo mine; ulimit -n"
    )
    main = site.show(site.slot, "MainPID")
    folder = str(site.view.check_output("readlink /proc/%s/cwd", main))
    limit = re.search(r"Max open files\s+(\d+)", site.view.file(f"/proc/{main}/limits").content_string)

    assert limit
    assert done.stdout.decode().splitlines() == [
        "app-notes",
        folder,
        f"{folder.removesuffix('/app')}/.venv/bin/python",
        "mine",
        limit[1],
    ]
    assert b"/etc/x'" in done.stderr
    assert b"Read-only file system" in done.stderr


def test_run_has_the_environment_to_the_byte(site: Site) -> None:
    done = run(site, "env", "-0")
    variables = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)
    own = str(site.view.check_output("tr '\\0' '\\n' < /proc/%s/environ", site.show(site.slot, "MainPID")))

    assert variables["SECRET_KEY"] == SECRET
    for name in ("PATH", "HOME", "USER", "PYTHONPATH", "STATE_DIRECTORY", "PYTHONUNBUFFERED"):
        assert f"{name}={variables[name]}\n" in own + "\n"


def test_run_passes_words_input_output_and_exit_code_on(site: Site) -> None:
    words = ("$HOME", "%h %n %%", "a  b", "*", "it's", '"', "\\n", "ü", "")
    data = bytes(range(256)) * 8192

    assert run(site, "printf", "%s\\n", *words).stdout.decode() == "".join(f"{word}\n" for word in words)
    copied = run(site, "sh", "-c", "tee /dev/stderr; exit 7", stdin=data)
    assert (copied.returncode, copied.stdout, copied.stderr) == (7, data, data)


def test_run_without_any_input(site: Site) -> None:
    """Its standard input is closed, not empty."""
    command = f"exec {PROVISION} run {site.inventory} -- sh -c 'cat; echo over' <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=300)
    assert (done.stdout, done.stderr, done.returncode) == (b"over\n", b"", 0)


def test_run_says_what_is_not_there(site: Site) -> None:
    assert run(site, "nosuchprogram").returncode == 127
    other = call("run", site, "--app", "other", "--", "true")
    assert other.returncode == 1
    assert b"there is no app other on this host" in other.stderr


def test_secrets_are_in_no_argument(site: Site) -> None:
    """Any user of the host reads those of all processes."""
    with started("run", site, "--", "sh", "-c", "echo ready; cat") as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        lines = str(site.view.check_output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))
        assert "systemd-run" in lines
        assert "s3cr3t" not in lines


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_ended_leaves_nothing(site: Site, number: signal.Signals, code: int) -> None:
    with started("run", site, "--", "sh", "-c", "echo ready; exec sleep 600") as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(300) == code

    wait_for("the end of the unit", lambda: "notes-run" not in site.view.check_output("systemctl list-units 'app-*'"))
    wait_for("an empty folder", lambda: site.view.check_output("ls /run/provision") == "lock")


def test_run_gives_a_terminal(site: Site) -> None:
    """Of the right size, with Ctrl-C for the command and not for provision, and the command's exit code."""
    with terminal("run", site.inventory, "-t", "--", "python", "-q", rows=33, columns=77) as python:
        python.expect(">>> ")
        python.type("import os; os.get_terminal_size(), os.getcwd(), os.environ['SECRET_KEY']")
        assert python.expect(r"columns=(\d+), lines=(\d+)").groups() == ("77", "33")
        python.expect("/srv/notes/builds/.*s3cr3t")
        python.resize(40, 100)
        # Not as soon as the line is echoed: a Python that still puts its line editor away can miss the signal.
        python.type("import time; print('it', 'sleeps'); time.sleep(600)")
        python.expect("it sleeps\n")
        python.press("\x03")
        python.expect("KeyboardInterrupt")
        python.type("os.get_terminal_size()")
        assert python.expect(r"columns=(\d+), lines=(\d+)").groups() == ("100", "40")
        python.type("raise SystemExit(5)")
        assert python.end() == 5


def test_run_refuses_a_terminal_where_there_is_none(site: Site) -> None:
    done = call("run", site, "-t", "--", "python")
    assert done.returncode == 2
    assert b"-t needs a terminal" in done.stderr


def test_logs_show_the_app_and_its_migration(site: Site) -> None:
    site.health()
    text = call("logs", site, "-n", "500").stdout.decode()

    assert re.search(r"^\w{3} \d\d \d\d:\d\d:\d\d blue\[\d+\]: INFO: +Application startup complete\.$", text, re.M)
    assert "migrate blue" in text
    assert "Started app-notes@" in text


def test_logs_choose(site: Site) -> None:
    site.health()
    assert call("logs", site, "-n", "3").stdout.count(b"\n") == 3
    assert call("logs", site, "--grep", "startup complete", "-n", "1").stdout.count(b"startup complete") == 1
    starts = call("logs", site, "--since", "1h", "--grep", "Application startup complete").stdout.splitlines()
    assert len(starts) >= 2
    assert all(b"Application startup complete" in line for line in starts)
    nothing = call("logs", site, "--grep", "nothing matches this")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, b"", b"")
    missing = call("logs", site, "--app", "other")
    assert missing.returncode == 1
    assert b"there is no app other on this host" in missing.stderr


@pytest.mark.parametrize("words", [(), ("-n", "3")])
def test_logs_since_a_time(site: Site, words: tuple[str, ...]) -> None:
    """With a number too it is the last entries that are shown."""
    whole = call("logs", site, "--since", "1h", "--json").stdout.splitlines()
    assert len(whole) > 3
    assert call("logs", site, "--since", "1h", "--json", *words).stdout.splitlines() == (whole[-3:] if words else whole)
    wrong = call("logs", site, "--since", "yestermorn", *words)
    assert wrong.returncode == 1
    assert b"Failed to parse timestamp: yestermorn" in wrong.stderr


def test_logs_as_json(site: Site) -> None:
    entries = [json.loads(line) for line in call("logs", site, "-n", "5", "--json").stdout.splitlines()]
    times = [entry["time"] for entry in entries if entry["event"] == "log_entry"]
    assert len(times) == 5
    assert times == sorted(times)


def test_logs_follow_through_a_switch(site: Site, tmp_path: Path) -> None:
    """The slot that did not run when it began is followed too. It ends as `journalctl -f` does."""
    shown, before = tmp_path / "shown", site.slot
    with (
        site.broken(),
        shown.open("wb") as out,
        subprocess.Popen([PROVISION, "logs", site.inventory, "-f", "-n", "0"], stdout=out) as process,
    ):
        wait_for("a request of the old slot", lambda: site.get("/health") and "GET /health" in shown.read_text())
        site.set(app_env={"SECRET_KEY": "another"})
        site.up()
        assert site.slot != before
        slot = re.escape(site.slot.removeprefix("app-notes@").removesuffix(".service"))
        wait_for("a line of the new slot", lambda: re.search(rf" {slot}\[\d+\]: .*startup complete", shown.read_text()))
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 130
    site.up()
    wait_for("the end of journalctl", lambda: not site.view.process.filter(comm="journalctl"))


def test_logs_end_with_their_reader(site: Site) -> None:
    site.health()
    command = f"{PROVISION} logs {site.inventory} -f -n 5 | head -n 2"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=300)
    assert done.stdout.count(b"\n") == 2
    assert done.stderr == b""
