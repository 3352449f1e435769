"""The everyday commands against one provisioned host."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import testinfra.host
from tests.e2e.cli import PROVISION, Site, wait_for

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image

SECRET = "s3cr3t %h $HOME 'x\""


@pytest.fixture(scope="module")
def site(
    lab: Lab,
    host: Host,
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Site:
    """The example app, serving."""
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder, host, lab.root(host), inspect(host), app_env={"SECRET_KEY": SECRET})
    site.up()
    return site


def call(
    command: str, site: Site, *words: str, stdin: bytes = b"", inventory: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run ``provision COMMAND INVENTORY WORDS`` to its end."""
    argv: list[str | Path] = [PROVISION, command, inventory or site.inventory, *words]
    return subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=60)


def run(site: Site, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return call("run", site, "--", *words, stdin=stdin)


@contextmanager
def started(command: str, site: Site, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on; its output comes as lines."""
    argv: list[str | Path] = [PROVISION, command, site.inventory, *words]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.fixture
def unreachable(site: Site, tmp_path: Path) -> Path:
    """An inventory with a second host that is not there."""
    path = tmp_path / "inventory.yml"
    write_inventory(path, [site.host], site.variables)
    text = path.read_text().replace(
        "  vars:", "    gone:\n      ansible_host: 127.0.0.1\n      ansible_port: 9\n  vars:"
    )
    path.write_text(text)
    return path


class Terminal:
    """A command with a terminal of its own, as a person has it."""

    def __init__(self, *argv: str | Path, rows: int = 24, columns: int = 80) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execv(argv[0], [str(word) for word in argv])
        self.resize(rows, columns)
        self.seen = ""

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until the screen has shown ``pattern``, and forget what was before its end."""
        return wait_for(f"{pattern!r} after {self.seen!r}", lambda: self._look(pattern), timeout=30)

    def _look(self, pattern: str) -> re.Match[str] | None:
        if select.select([self._fd], [], [], 0)[0]:
            # An error: its last process has closed it.
            with contextlib.suppress(OSError):
                self.seen += os.read(self._fd, 65536).decode("utf-8", "replace")
        if found := re.search(pattern, self.seen):
            self.seen = self.seen[found.end() :]
        return found

    def wait(self) -> int:
        """The exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts commands with a terminal; what still runs at the end is hung up."""
    made: list[Terminal] = []

    def start(*argv: str | Path, rows: int = 24, columns: int = 80) -> Terminal:
        made.append(Terminal(*argv, rows=rows, columns=columns))
        return made[-1]

    yield start
    for one in made:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGHUP)


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
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=60)
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
        assert process.wait(30) == code

    wait_for("the end of the unit", lambda: "notes-run" not in site.view.check_output("systemctl list-units 'app-*'"))
    wait_for("an empty folder", lambda: site.view.check_output("ls /run/provision") == "lock")


def test_run_gives_a_terminal(site: Site, terminal: Callable[..., Terminal]) -> None:
    """Of the right size, with Ctrl-C for the command and not for provision, and the command's exit code."""
    python = terminal(PROVISION, "run", site.inventory, "-t", "--", "python", "-q", rows=33, columns=77)
    python.expect(">>> ")
    python.type("import os; os.get_terminal_size(), os.getcwd(), os.environ['SECRET_KEY']\n")
    assert python.expect(r"columns=(\d+), lines=(\d+)").groups() == ("77", "33")
    python.expect("/srv/notes/builds/.*s3cr3t")
    python.resize(40, 100)
    python.type("import time; time.sleep(600)\n")
    python.expect("sleep\\(600\\)\r\n")
    python.type("\x03")
    python.expect("KeyboardInterrupt")
    python.type("os.get_terminal_size()\n")
    assert python.expect(r"columns=(\d+), lines=(\d+)").groups() == ("100", "40")
    python.type("raise SystemExit(5)\n")
    assert python.wait() == 5


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
    wrong = call("logs", site, "--since", "yestermorn")
    assert wrong.returncode == 1
    assert b"Failed to parse timestamp: yestermorn" in wrong.stderr
    missing = call("logs", site, "--app", "other")
    assert missing.returncode == 1
    assert b"there is no app other on this host" in missing.stderr


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
        assert process.wait(30) == 130
    site.up()
    wait_for("the end of journalctl", lambda: not site.view.process.filter(comm="journalctl"))


def test_logs_end_with_their_reader(site: Site) -> None:
    site.health()
    command = f"{PROVISION} logs {site.inventory} -f -n 5 | head -n 2"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=30)
    assert done.stdout.count(b"\n") == 2
    assert done.stderr == b""


def test_exec_runs_a_line_or_a_program_as_root(site: Site) -> None:
    line = call("exec", site, "--", "id -un; pwd; umask; echo oops >&2")
    assert (line.stdout, line.stderr, line.returncode) == (b"root\n/root\n0022\n", b"oops\n", 0)
    assert call("exec", site, "--", "printf", "%s|", "a  b", "$HOME").stdout == b"a  b|$HOME|"


def test_exec_is_root_through_sudo(make_host: Callable[[Image], Host], site: Site, tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    write_inventory(path, [make_host(Image("bookworm", "cloud"))], {})
    assert call("exec", site, "--", "id", "-un", inventory=path).stdout == b"root\n"


def test_exec_on_several_hosts_names_them(site: Site, unreachable: Path) -> None:
    done = call("exec", site, "--", "echo here", inventory=unreachable)
    name = site.host.name
    assert done.stdout.decode() == f"{name} | here\n"
    assert b"unreachable: [gone]" in done.stderr
    assert done.returncode == 3


def test_exec_puts_failure_before_unreachable(site: Site, unreachable: Path) -> None:
    done = call("exec", site, "--", "exit 9", inventory=unreachable)
    assert f"{site.host.name} | exit status 9\n" in done.stderr.decode()
    assert done.returncode == 1


def test_ssh_logs_in(site: Site, terminal: Callable[..., Terminal]) -> None:
    assert call("ssh", site, site.host.name, "--", "echo", "$SHELL").stdout == b"/bin/bash\n"
    assert call("ssh", site, "--", "exit", "6").returncode == 6
    shell = terminal(PROVISION, "ssh", site.inventory, site.host.name)
    shell.expect(r"root@.*# ")
    shell.type("exit 4\n")
    assert shell.wait() == 4
