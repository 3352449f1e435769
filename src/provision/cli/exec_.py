"""``provision exec``: a command on hosts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import CommandLine, Connecting, forks_option, host_options
from provision.cli.options import inventory_of

if TYPE_CHECKING:
    from provision.vault import Vault


@click.command("exec", cls=CommandLine)
@host_options
@forks_option
@click.option("--json", is_flag=True, help="Print JSON lines, one for each host.")
def exec_(
    inventory: Path,
    limit: tuple[str, ...],
    connecting: Connecting,
    vault: Vault,
    forks: int,
    json: bool,
    words: tuple[str, ...],
) -> int:
    """Run COMMAND as root on the hosts of INVENTORY (./inventory.yml), side by side.

    Several words are a program and its arguments; one word with spaces is a line for the shell:

    \b
      provision exec inventory.yml -- systemctl --failed
      provision exec inventory.yml --limit web1 -- 'df -h | tail -n 3'

    Where there are several hosts, their names stand before the lines they print.

    With --json each line is an object: event (command_ended), host, status (null where it did not run), stdout, stderr
    and error (null, or as `up --json` has it); it is printed when the command has ended on that host.

    \b
    Exit codes: 0 it succeeded everywhere, 1 it failed on a host,
    2 usage or configuration, 3 a host unreachable, 130 interrupted.
    """
    from provision.cli.work import show
    from provision.ops.commands import on_host
    from provision.ops.side_by_side import Job
    from provision.ops.targets import Targets
    from provision.report import wants_color
    from provision.report.hostlines import JsonOutput, OutputLines, Screen

    targets = Targets(inventory_of(inventory), limit, vault=vault)
    jobs = [Job(targets.login(host), on_host(words)) for host in targets.hosts]
    screen = Screen([host.name for host in targets.hosts], wants_color)
    return show(jobs, JsonOutput(screen) if json else OutputLines(screen), connecting, forks=forks)
