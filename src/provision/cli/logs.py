"""``provision logs``: what apps wrote."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import Connecting, Quiet, host_options
from provision.cli.options import inventory_of

if TYPE_CHECKING:
    from provision.ops.events import Emit
    from provision.ops.side_by_side import Job
    from provision.report.hostlines import CommandView
    from provision.vault import Vault

LINES = 100
FOLLOWED_LINES = 10
"""What is shown without -n and --since, and before following begins; as many as `tail -f` and `journalctl -f` show."""


@click.command()
@host_options
@click.option("--follow", "-f", is_flag=True, help="Go on with new entries until Ctrl-C, whichever slot serves.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(0),
    metavar="N",
    help=f"The last N entries of each host; {LINES} unless --since or -f is given.",
)
@click.option("--since", metavar="TIME", default="", help="From then on: 10m, 2h, '2026-01-31 12:00', yesterday.")
@click.option("--grep", metavar="PCRE", default="", help="Only entries that match; case matters where it has capitals.")
@click.option("--app", metavar="NAME", help="Another app than the inventory's.")
@click.option("--json", is_flag=True, help="Print JSON lines, one entry each.")
def logs(
    inventory: Path,
    limit: tuple[str, ...],
    connecting: Connecting,
    vault: Vault,
    follow: bool,
    lines: int | None,
    since: str,
    grep: str,
    app: str | None,
    json: bool,
) -> int:
    """Show what the app wrote on the hosts of INVENTORY (./inventory.yml), in the order of time.

    Of both slots, their migrations and processes, each entry with the slot it comes from: the one that serves, and
    what was there before it. Times are those of this machine's time zone.

    With --json each line is an object: event (log_entry), host, time (RFC 3339, UTC), source (the slot), pid, priority
    (as in syslog) and message; or event (host_failed), host and error, as `up --json` has it.

    \b
    Exit codes: 0 shown, 1 a host failed, 2 usage or configuration,
    3 a host unreachable, 130 interrupted.
    """
    from provision.cli.work import show
    from provision.ops import commands
    from provision.ops.commands import LogQuery
    from provision.ops.journal import JournalReader
    from provision.ops.side_by_side import Job
    from provision.ops.targets import Targets

    if lines is None and not since:
        lines = FOLLOWED_LINES if follow else LINES
    query = LogQuery(lines, since, grep, follow)
    targets = Targets(inventory_of(inventory), limit, vault=vault)
    apps = list(targets.apps(app))
    jobs = [Job(targets.login(host), commands.logs(name, query)) for host, name in apps]
    reader = partial(JournalReader, apps={host.name: name for host, name in apps})
    view = _view(jobs, json=json)
    if follow:
        return show(jobs, view, connecting, forks=len(jobs), reader=reader)
    # journalctl answers in reverse where it looks for the last entries that match.
    return _merge(jobs, view, connecting, reader, ordered=lines is None or not grep)


def _view(jobs: Sequence[Job], *, json: bool) -> CommandView:
    from provision.report import wants_color
    from provision.report.hostlines import JsonLog, LogLines, Screen

    screen = Screen([job.login.name for job in jobs], wants_color)
    return JsonLog(screen) if json else LogLines(screen)


def _merge(
    jobs: Sequence[Job],
    view: CommandView,
    connecting: Connecting,
    reader: Callable[[Emit], Emit],
    *,
    ordered: bool,
) -> int:
    """Show all entries in the order of their times, then what failed. This thread prints; the hosts wait for it."""
    from provision.cli.work import Ends, interruptible
    from provision.ops.journal import Merger
    from provision.ops.side_by_side import SideBySide, exit_code

    stopping = threading.Event()
    merger = Merger([job.login.name for job in jobs], ordered=ordered)
    ends = Ends(merger)
    # All at once: a host that waits for its turn would keep the others waiting for its entries.
    work = SideBySide(jobs, reader(ends), connecting.connector(Quiet(), stopping), forks=len(jobs))
    hosts = threading.Thread(target=work.execute, name="hosts", daemon=True)
    with interruptible(work, stopping):
        hosts.start()
        for entry in merger.entries():
            view.show(entry)
    for end in ends.ends:
        if end.error is not None:
            view.show(end)
    return exit_code(ends.ends)
