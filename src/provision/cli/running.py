"""From parsed options to a run, its report and its exit code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from provision.cli.hosts import Connecting
from provision.cli.interrupts import Interrupts
from provision.cli.options import inventory_of, variables
from provision.cli.selection import Selection
from provision.errors import Interrupted, ProvisionError
from provision.options import Options
from provision.report import Detail, Report, open_report, print_error
from provision.run import InventoryRun, Outcome, Run
from provision.transport.protocol import Connection, Login

PENDING = 5
"""Exit code of ``plan --exit-code`` where something would change."""

R = TypeVar("R", bound=Run)


def start(selection: Selection, *, check: bool, command: str, pending_code: bool = False, profile: bool = False) -> int:
    """Run on the selected hosts and return the exit code; errors of the configuration are printed here."""

    def make(report: Report, connect: Callable[[Login], Connection]) -> InventoryRun:
        options = Options(
            check=check,
            diff=selection.diff,
            limit=selection.limit,
            tags=selection.tags,
            skip_tags=selection.skip_tags,
            roles=selection.roles,
            extra=variables(selection.assignments),
            forks=selection.forks,
            lock_timeout=selection.lock_timeout,
            command=command,
        )
        return InventoryRun(inventory_of(selection.inventory), options, report, connect)

    return carry_out(
        make,
        InventoryRun.execute,
        Detail(check=check, diff=selection.diff, verbose=selection.verbose, profile=profile),
        selection.connecting,
        json=selection.json,
        pending_code=pending_code,
    )


def carry_out(
    make: Callable[[Report, Callable[[Login], Connection]], R],
    work: Callable[[R], Outcome],
    detail: Detail,
    connecting: Connecting,
    *,
    json: bool,
    pending_code: bool = False,
) -> int:
    """Make a run, do its work under a report that can be interrupted, and return the exit code."""
    stopping = threading.Event()
    try:
        connecting = connecting.with_password()
        with open_report(detail, json=json) as report:
            run = make(report, connecting.connector(report, stopping))
            with Interrupts(run, report, stopping) as interrupts:
                outcome = work(run)
    except ProvisionError as error:
        print_error(error, json=json)
        return error.exit_code
    return exit_code(outcome, interrupted=interrupts.received > 0, pending_code=pending_code)


def exit_code(outcome: Outcome, *, interrupted: bool, pending_code: bool) -> int:
    """130 before what failed before what is pending; 0 where all is as it should be."""
    if interrupted:
        return Interrupted.exit_code
    return outcome.exit_code or (PENDING if pending_code and outcome.pending else 0)
