"""The command line as a user meets it: options, errors, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from tests.unit.waiting import PATIENCE

from provision import __version__, run
from provision.cli import COMMANDS, failures, main
from provision.cli.running import exit_code
from provision.errors import (
    AuthenticationError,
    ConfigError,
    Interrupted,
    Locked,
    Position,
    ProvisionError,
    StepFailed,
)
from provision.events import Confidential, Emit, HostFinished, Notice
from provision.inventory import Inventory
from provision.options import Options
from provision.run import Outcome
from provision.transport.protocol import Connection, Login


class FakeRun:
    """Takes the place of a Run; ``answer`` is what the engine does."""

    made: FakeRun

    def __init__(
        self, inventory: Inventory, options: Options, emit: Emit, connect: Callable[[Login], Connection]
    ) -> None:
        self.inventory, self.options, self.emit, self.connect = inventory, options, emit, connect
        self.stopped, self.aborted = threading.Event(), threading.Event()
        type(self).made = self

    def execute(self) -> Outcome:
        result = HostFinished("web1", 3, 0, 0, 0, 1, 0.5)
        self.emit(result)
        return Outcome({"web1": result}, pending=True)

    def stop(self) -> None:
        self.stopped.set()

    def abort(self) -> None:
        self.aborted.set()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with an inventory, a home of its own and an engine that does nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(run, "InventoryRun", FakeRun)
    (tmp_path / "inventory.yml").write_text("all:\n  hosts:\n    web1:\n")
    return tmp_path


def invoke(*args: str, input: str | None = None) -> Result:
    """Run the command line in this process, as the console script does."""
    return CliRunner().invoke(main, args, prog_name="provision", input=input)


def with_execute(monkeypatch: pytest.MonkeyPatch, execute: Callable[[FakeRun], Outcome]) -> None:
    """Let the engine do ``execute``."""
    monkeypatch.setattr(FakeRun, "execute", execute)


def failing(error: Exception) -> Callable[[FakeRun], Outcome]:
    """An engine that raises."""

    def execute(run: FakeRun) -> Outcome:
        raise error

    return execute


def test_every_command_loads_and_explains_itself() -> None:
    """The table of commands names what exists, and each command's help begins like its summary's module says."""
    context = click.Context(main)
    assert main.list_commands(context) == list(COMMANDS)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help
    help_text = invoke("--help").stdout
    assert [line.split()[0] for line in help_text.partition("Commands:\n")[2].splitlines()] == list(COMMANDS)
    assert all(command.summary in help_text for command in COMMANDS.values())


def test_version() -> None:
    """Both ways to ask."""
    assert invoke("--version").stdout == f"provision {__version__}\n"
    told = invoke("version").stdout.splitlines()
    assert told[0] == f"provision {__version__}"
    assert "paramiko" in told[2]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["lba"], "there is no command lba\n  hint: Did you mean lab?"),
        (["up", "--chek"], "--check"),
        (["up", "--forks", "0"], "--forks"),
        (["up", "one.yml", "two.yml"], "two.yml"),
        (["plan", "--check"], "--check"),
        (["up", "--exit-code"], "--exit-code"),
    ],
)
def test_usage_errors(folder: Path, args: list[str], said: str) -> None:
    """Exit 2, what is wrong, and where help is."""
    result = invoke(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "--help" in result.stderr
    assert result.stdout == ""


def test_no_inventory(folder: Path) -> None:
    """Without an argument inventory.yml is meant; without that, `init` is named."""
    (folder / "inventory.yml").unlink()
    result = invoke("up")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: there is no inventory.yml in this folder\n"
        "  hint: name the inventory, as in `provision up FILE`, or write one with `provision init`\n"
    )


def test_options_reach_the_engine(folder: Path) -> None:
    """Every option, words with commas, the last --set wins; the command line for others holds no values."""
    (folder / "more.yml").write_text("app_workers: 2\ncolor: blue\n")
    (folder / "other.yml").write_text("all: {hosts: {web1: , web2: }}\n")
    result = invoke(
        *["up", "other.yml", "--check", "--diff", "-l", "web*", "--limit", "!web2", "-t", "a, b", "--tags", "c"],
        *["--skip-tags", "d", "--role", "app,caddy", "--set", "@more.yml", "--set", "app_workers=3.10"],
        *["--set", "empty=", "--set", "app_env={A: s3cret}", "-f", "4"],
    )
    assert result.exit_code == 0, result.output
    made = FakeRun.made
    assert made.inventory.path == Path("other.yml")
    options = made.options
    assert (options.check, options.diff, options.forks) == (True, True, 4)
    assert options.limit == ("web*", "!web2")
    assert options.tags == ("a", "b", "c")
    assert options.skip_tags == ("d",)
    assert options.roles == ("app", "caddy")
    plain = {name: node.plain() for name, node in options.extra.items()}
    assert plain == {"app_workers": 3.1, "color": "blue", "empty": "", "app_env": {"A": "s3cret"}}
    assert options.extra["app_workers"].text == "3.10"
    assert options.command == (
        "provision up other.yml --check --limit 'web*' --limit '!web2' --tags a --tags b --tags c --skip-tags d "
        "--role app --role caddy --set @more.yml --set app_workers=... --set empty=... --set app_env=..."
    )


def test_the_defaults_are_the_plain_run(folder: Path) -> None:
    """`provision up` alone: all hosts, all tasks, and it changes them."""
    assert invoke("up").exit_code == 0
    assert FakeRun.made.inventory.path == Path("inventory.yml")
    assert FakeRun.made.options == Options(command="provision up inventory.yml")
    assert invoke("plan").exit_code == 0
    assert FakeRun.made.options == Options(check=True, command="provision plan inventory.yml")


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("app_workers", "error: --set app_workers: not of the form NAME=VALUE\n"),
        ("app-workers=3", "error: --set app-workers: not of the form NAME=VALUE\n"),
        ("a=[1,", "error: --set a: a value is missing here\n"),
        ("@missing.yml", "error: missing.yml: cannot be read: No such file or directory\n"),
        ("@list.yml", "list.yml:1:1: error: a file of variables is a mapping of names to values, this is a list\n"),
    ],
)
def test_wrong_variables(folder: Path, assignment: str, said: str) -> None:
    """Exit 2 and the place; the value, which may be a secret, is not shown."""
    (folder / "list.yml").write_text("- 1\n")
    result = invoke("up", "--set", assignment)
    assert result.exit_code == 2
    assert result.stderr.startswith(said)


def test_an_error_of_the_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block on standard error; with --json an object on standard output too, and nothing else there."""
    error = ConfigError("a host without an address", position=Position(Path("inventory.yml"), 3, 5), hint="give it one")
    with_execute(monkeypatch, failing(error))
    block = (
        "inventory.yml:3:5: error: a host without an address\n    3 |     web1:\n      |     ^\n  hint: give it one\n"
    )
    result = invoke("up")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", block)
    result = invoke("up", "--json")
    assert (result.exit_code, result.stderr) == (2, block)
    [line] = result.stdout.splitlines()
    told = json.loads(line)
    assert (told["event"], told["error"]["line"], told["error"]["hint"]) == ("error", 3, "give it one")


def test_json_is_all_there_is_on_stdout(folder: Path) -> None:
    """No recap, no address: programs read the events."""
    result = invoke("up", "--json")
    assert [json.loads(line)["event"] for line in result.stdout.splitlines()] == ["host_finished"]
    assert result.stderr == ""


def test_an_unforeseen_error_is_one_block_and_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback is for the bug report, not for the terminal."""
    with_execute(monkeypatch, failing(RuntimeError("impossible")))
    result = invoke("up")
    assert result.exit_code == 1
    [file] = (folder / "state" / "provision").iterdir()
    assert result.stderr == (
        "internal error: RuntimeError: impossible\n"
        "  This is a bug in provision, not in what you wrote.\n"
        f"  hint: please report it, with {file.relative_to(folder)}; running the same command again is safe\n"
    )
    assert "Traceback" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_crash_leaves_no_secret_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the message nor in what it came of, as Python writes both."""
    secret, pin = "m4rk3r ' \" value", "4711"

    def execute(run: FakeRun) -> Outcome:
        run.emit(Confidential("web1", (secret, pin), certain=True))
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise RuntimeError(f"no {secret!r}: {pin}") from error

    with_execute(monkeypatch, execute)
    result = invoke("up")
    [file] = (folder / "state" / "provision").iterdir()
    assert result.stderr.startswith("internal error: RuntimeError: no '(secret)': (secret)\n")
    assert "KeyError: '(secret)'" in file.read_text()
    for text in (result.output, file.read_text()):
        assert "m4rk3r" not in text
        assert pin not in text


def test_an_unforeseen_error_without_a_home(folder: Path) -> None:
    """A folder that cannot be written does not hide the error."""
    (folder / "state").write_text("not a folder")
    error = failures.internal_error(RuntimeError("impossible"), folder / "state" / "provision")
    assert error.message.startswith("RuntimeError: impossible\n")
    assert "could not be written" in error.hint


def host(error: ProvisionError | None) -> HostFinished:
    """A host that ended with ``error``."""
    return HostFinished("h", 0, 0, int(error is not None), 0, 1, 0.1, error=error)


STEP, LOST, HELD = StepFailed("no", rc=1), AuthenticationError("no"), Locked("held")


@pytest.mark.parametrize(
    ("errors", "pending", "code"),
    [
        ([None], False, 0),
        ([None], True, 5),
        ([None, STEP], True, 1),
        ([LOST, STEP, HELD], False, 1),
        ([HELD, LOST], False, 3),
        ([HELD, None], True, 4),
        ([STEP, Interrupted("stopped")], True, 130),
    ],
)
def test_the_order_of_exit_codes(errors: Sequence[ProvisionError | None], pending: bool, code: int) -> None:
    """130 before 1 before 3 before 4 before 5: whatever needs a human most is told."""
    outcome = Outcome({str(number): host(error) for number, error in enumerate(errors)}, pending)
    assert exit_code(outcome, interrupted=False, pending_code=True) == code
    assert exit_code(outcome, interrupted=False, pending_code=False) == (0 if code == 5 else code)
    assert exit_code(outcome, interrupted=True, pending_code=True) == 130


def test_pending_changes_are_told_when_asked_for(folder: Path) -> None:
    """`plan --exit-code` is for scripts."""
    assert invoke("plan").exit_code == 0
    assert invoke("plan", "--exit-code").exit_code == 5


def test_ctrl_c_stops_and_then_aborts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First no further step, then no waiting; the words say what the next one does; the exit code is 130."""

    def execute(run: FakeRun) -> Outcome:
        os.kill(os.getpid(), signal.SIGINT)
        assert run.stopped.wait(PATIENCE)
        assert not run.aborted.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert run.aborted.wait(PATIENCE)
        return Outcome({})

    with_execute(monkeypatch, execute)
    before = signal.getsignal(signal.SIGINT)
    result = invoke("up")
    assert result.exit_code == 130
    assert result.stdout == (
        "notice:  stopping after the running steps; Ctrl-C again gives them up\nnotice:  giving up the running steps\n"
    )
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_elsewhere_is_quiet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, exit 130."""
    with_execute(monkeypatch, lambda run: (_ for _ in ()).throw(KeyboardInterrupt))
    result = invoke("up")
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_notices_of_the_engine_are_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is there before the engine is made."""

    def execute(run: FakeRun) -> Outcome:
        run.emit(Notice("web1", "ansible_port is ignored"))
        return Outcome({})

    with_execute(monkeypatch, execute)
    assert invoke("up").stdout == "notice:  [web1] ansible_port is ignored\n"


def test_a_reader_that_is_gone_is_no_error() -> None:
    """`provision --help | true`."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.readline(); from provision.cli import main; main(['--help'])"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout
        process.stdout.close()
        process.stdout = None
        _, said = process.communicate("go\n", timeout=PATIENCE)
    assert (said, process.returncode) == ("", 1)
