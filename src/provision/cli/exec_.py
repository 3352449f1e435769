"""``provision exec``: a command on hosts."""

from __future__ import annotations

from pathlib import Path

import click

from provision.cli.hosts import CommandLine, Connecting, host_options
from provision.cli.options import inventory_of


@click.command("exec", cls=CommandLine)
@host_options
@click.option(
    "--forks", "-f", type=click.IntRange(1), default=32, show_default=True, metavar="N", help="Hosts at a time."
)
def exec_(inventory: Path, limit: tuple[str, ...], connecting: Connecting, forks: int, words: tuple[str, ...]) -> int:
    """Run COMMAND as root on the hosts of INVENTORY (./inventory.yml), side by side.

    Several words are a program and its arguments; one word with spaces is a line for the shell:

    \b
    provision exec inventory.yml -- systemctl --failed
    provision exec inventory.yml --limit web1 -- 'df -h | tail -n 3'

    Where there are several hosts, their names stand before the lines they print.

    \b
    Exit codes: 0 it succeeded everywhere, 1 it failed on a host, 2 usage or configuration,
    3 a host unreachable, 130 interrupted.
    """
    from provision.cli.work import show
    from provision.ops.commands import on_host
    from provision.ops.side_by_side import Job
    from provision.ops.targets import Targets
    from provision.report import wants_color
    from provision.report.hostlines import OutputLines, Screen

    targets = Targets(inventory_of(inventory), limit)
    jobs = [Job(targets.login(host), on_host(words)) for host in targets.hosts]
    view = OutputLines(Screen([host.name for host in targets.hosts], wants_color))
    return show(jobs, view, connecting, forks=forks)
