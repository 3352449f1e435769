"""From parsed options to a run, its report and its exit code."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from provision.cli.failures import keep_secret
from provision.cli.hosts import Connecting
from provision.cli.interrupts import Interrupts
from provision.cli.options import inventory_of, variables
from provision.cli.selection import Selection
from provision.errors import Interrupted, ProvisionError
from provision.events import Confidential
from provision.inventory import Inventory, plain_logins
from provision.options import Options
from provision.report import Detail, Report, open_report, print_error
from provision.report.spool import Spool

if TYPE_CHECKING:
    from provision.cli.connector import Connector
    from provision.run import InventoryRun, Outcome, Run

PENDING = 5
"""Exit code of ``plan --exit-code`` where something would change."""

R = TypeVar("R", bound="Run")


def start(selection: Selection, *, check: bool, command: str, pending_code: bool = False, profile: bool = False) -> int:
    """Run on the selected hosts and return the exit code; errors of the configuration are printed here."""

    def make(report: Report, connect: Connector) -> InventoryRun:
        options = Options(
            check=check,
            diff=selection.diff,
            limit=selection.limit,
            tags=selection.tags,
            skip_tags=selection.skip_tags,
            roles=selection.roles,
            extra=variables(selection.assignments, selection.vault),
            forks=selection.forks,
            lock_timeout=selection.lock_timeout,
            command=command,
        )
        inventory = Inventory.load(inventory_of(selection.inventory), selection.vault)
        hosts = inventory.select(*(options.limit or ("all",)))
        connect.begin(plain_logins(hosts, options.extra, inventory.base))
        # Loaded, as all that is checked is checked, while the hosts answer.
        from provision.run import InventoryRun

        return InventoryRun(inventory, options, report, connect)

    return carry_out(
        make,
        lambda run: run.execute(),
        Detail(check=check, diff=selection.diff, verbose=selection.verbose, profile=profile),
        selection.connecting,
        json=selection.json,
        pending_code=pending_code,
    )


def carry_out(
    make: Callable[[Report, Connector], R],
    work: Callable[[R], Outcome],
    detail: Detail,
    connecting: Connecting,
    *,
    json: bool,
    pending_code: bool = False,
) -> int:
    """Make a run, do its work under a report that can be interrupted, and return the exit code."""
    stopping = threading.Event()
    report: Spool | None = None
    try:
        connecting = connecting.with_password()
        with open_report(detail, json=json) as report:
            keep_secret(report.masking.text)
            if connecting.password:
                report(Confidential("", (connecting.password,), certain=True))
            connector = connecting.connector(report, stopping)
            with contextlib.closing(connector):
                run = make(report, connector)
                with Interrupts(run, report, stopping) as interrupts:
                    outcome = work(run)
    except ProvisionError as error:
        print_error(report.masking.error(error) if report else error, json=json)
        return error.exit_code
    return exit_code(outcome, interrupted=interrupts.received > 0, pending_code=pending_code)


def exit_code(outcome: Outcome, *, interrupted: bool, pending_code: bool) -> int:
    """130 before what failed before what is pending; 0 where all is as it should be."""
    if interrupted:
        return Interrupted.exit_code
    return outcome.exit_code or (PENDING if pending_code and outcome.pending else 0)
