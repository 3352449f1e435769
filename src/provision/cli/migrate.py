"""``provision migrate``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import Connecting, host_options
from provision.cli.options import inventory_of, lock_option, set_option, variables

if TYPE_CHECKING:
    from provision.cli.connector import Connector
    from provision.report import Report
    from provision.run import InventoryRun
    from provision.vault import Vault


@click.command()
@host_options
@set_option
@lock_option
@click.option("--verbose", "-v", is_flag=True, help="Show the output of each step too.")
@click.option("--json", is_flag=True, help="Print JSON lines, one event each, and nothing else.")
def migrate(
    inventory: Path,
    limit: tuple[str, ...],
    connecting: Connecting,
    vault: Vault,
    assignments: tuple[str, ...],
    lock_timeout: int,
    verbose: bool,
    json: bool,
) -> int:
    """Run the migrations of the app on the hosts of INVENTORY (./inventory.yml), and let it serve as before.

    The release is brought to the host that migrates and built there; no slot is started or stopped. Once for each
    database: of the hosts that share one, app_migrate_host does it, by default the first. `provision up` then finds it
    done. A migration that is on record is not run again.

    \b
    Exit codes: 0 migrated, 1 a host failed, 2 usage or configuration,
    3 a host unreachable, 4 locked by another run, 130 interrupted.
    """
    from provision.cli.running import carry_out
    from provision.inventory import Inventory
    from provision.options import Options
    from provision.report import Detail
    from provision.run import InventoryRun

    def make(report: Report, connect: Connector) -> InventoryRun:
        options = Options(
            limit=limit,
            extra=variables(assignments, vault),
            lock_timeout=lock_timeout,
            command=shlex.join(["provision", "migrate", str(inventory), *(f"--limit={pattern}" for pattern in limit)]),
        )
        return InventoryRun(Inventory.load(inventory_of(inventory), vault), options, report, connect)

    return carry_out(make, InventoryRun.migrate, Detail(verbose=verbose), connecting, json=json)
