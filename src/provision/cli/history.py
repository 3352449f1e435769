"""``provision history``: the runs that hosts have on record."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import Connecting, host_options
from provision.cli.options import inventory_of

if TYPE_CHECKING:
    from provision.vault import Vault

RUNS = 20


@click.command()
@host_options
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(1),
    metavar="N",
    default=RUNS,
    show_default=True,
    help="The last N runs of each host.",
)
@click.option("--json", is_flag=True, help="Print JSON lines, one run each.")
def history(
    inventory: Path, limit: tuple[str, ...], connecting: Connecting, vault: Vault, lines: int, json: bool
) -> int:
    """Show the runs that the hosts of INVENTORY (./inventory.yml) have on record, the newest last.

    A run that changed something on a host, or failed there, is on its record, /var/log/provision/audit.jsonl: when and
    by whom it was run, from which address, how it ended, how many tasks it did, the version, and the command without
    the values of --set. It ended ok; failed, with the task that did; stopped, as asked; or lost, with its line. A host
    keeps the last 1000 lines at least; a run leaves one for each of its trips that change something.

    With --json each line is an object: event (run), host, when (RFC 3339, UTC), who, origin, version, command, result,
    changed, role and task; or event (unreadable_line), host, when (that of the run before it) and text; or event
    (host_failed), host and error, as `up --json` has it.

    \b
    Exit codes: 0 shown, 1 a host failed, 2 usage or configuration,
    3 a host unreachable, 130 interrupted.
    """
    from provision.cli.hosts import Quiet
    from provision.cli.work import interruptible
    from provision.ops.history import Collector, reading
    from provision.ops.side_by_side import exit_code
    from provision.ops.targets import Targets
    from provision.report.history import print_history

    targets = Targets(inventory_of(inventory), limit, vault=vault)
    logins = [targets.login(host) for host in targets.hosts]
    stopping = threading.Event()
    collector = Collector([login.name for login in logins])
    work = reading(logins, lines, collector, connecting.connector(Quiet(), stopping))
    with interruptible(work, stopping):
        work.execute()
    print_history([login.name for login in logins], collector.records(lines), collector.errors, json=json)
    return exit_code(collector.ends)
