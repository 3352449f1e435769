"""``provision run``: a command as the app."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from provision.cli.hosts import CommandLine, Connecting, Quiet, complete_host, host_options
from provision.cli.options import inventory_of

if TYPE_CHECKING:
    from provision.ops.side_by_side import Job
    from provision.shell import Sh
    from provision.transport.protocol import Login
    from provision.vault import Vault


@click.command("run", cls=CommandLine)
@host_options
@click.option(
    "--host",
    metavar="HOST",
    shell_complete=complete_host,
    help="On this host; else on the first one that has the app.",
)
@click.option("--terminal", "-t", is_flag=True, help="With a terminal, for shells and programs that ask.")
@click.option("--app", metavar="NAME", help="Another app than the inventory's.")
def run_(
    inventory: Path,
    limit: tuple[str, ...],
    connecting: Connecting,
    vault: Vault,
    host: str | None,
    terminal: bool,
    app: str | None,
    words: tuple[str, ...],
) -> int:
    """Run COMMAND as the app of INVENTORY (./inventory.yml): in its virtual environment, with its environment
    variables, as its user, and with the limits and the sandbox of the slot that serves.

    Several words are a program and its arguments; one word with spaces is a line for the shell. Input, output and the
    exit code are passed on. A terminal (-t) comes through the `ssh` of this machine.

    \b
      provision run inventory.yml -- alembic current
      provision run inventory.yml -t -- python
      provision run inventory.yml -- python -m app.load < data.json
    """
    from provision.errors import ConfigError
    from provision.ops.commands import in_slot
    from provision.ops.side_by_side import Job
    from provision.ops.targets import Targets

    targets = Targets(inventory_of(inventory), (host,) if host else limit, vault=vault)
    if host is not None and len(targets.hosts) != 1:
        raise ConfigError(f"--host takes one host; {host!r} matches {len(targets.hosts)}")
    found = targets.apps(app)
    chosen, name = found[0]
    if len(found) > 1:
        click.echo(f"note: on {chosen.name}, the first of {len(found)} hosts; --host chooses another", err=True)
    login, program = targets.login(chosen), in_slot(name, words, terminal=terminal)
    if terminal:
        _in_terminal(login, program.text, connecting)
    return _run(Job(login, program), connecting)


def _run(job: Job, connecting: Connecting) -> int:
    from provision.cli.work import interruptible
    from provision.ops.side_by_side import SideBySide
    from provision.report import wants_color
    from provision.report.hostlines import OutputLines, Screen

    view = OutputLines(Screen([job.login.name], wants_color))
    stopping = threading.Event()
    connect = connecting.connector(Quiet(), stopping)
    # Shown by the thread that receives: the host waits until its output is written.
    work = SideBySide([job], view.show, connect, read=_read)
    with interruptible(work, stopping):
        (end,) = work.execute()
    return end.error.exit_code if end.error else end.status or 0


def _read() -> bytes:
    """Some standard input; nothing where it is closed, or not ours to read as a job in the background."""
    from provision.ops.relay import INPUT

    try:
        return os.read(sys.stdin.fileno(), INPUT) if sys.stdin else b""
    except OSError:
        return b""


def _in_terminal(login: Login, program: Sh, connecting: Connecting) -> NoReturn:
    from provision.ops import openssh

    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("-t needs a terminal, and standard input is none")
    options = ["-t", "-q"] + ["-o", "StrictHostKeyChecking=accept-new"] * connecting.accept_new_host_keys
    openssh.execute(openssh.argv(login, openssh.as_root(program), options=options))
