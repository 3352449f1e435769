"""From parsed options to a run, its report and its exit code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from provision.cli.interrupts import Interrupts
from provision.cli.options import Selection, inventory_of, variables
from provision.cli.questions import ask_about_key, ask_become_password, can_ask
from provision.errors import Interrupted, ProvisionError
from provision.options import Options
from provision.report import Detail, Report, open_report, print_error
from provision.run import InventoryRun, Outcome
from provision.transport.protocol import Connection, Login
from provision.transport.ssh_hostkeys import HostKeyPolicy

PENDING = 5
"""Exit code of ``plan --exit-code`` where something would change."""


def start(selection: Selection, *, check: bool, command: str, pending_code: bool = False) -> int:
    """Run on the selected hosts and return the exit code; errors of the configuration are printed here."""
    try:
        return _start(selection, check=check, command=command, pending_code=pending_code)
    except ProvisionError as error:
        print_error(error, json=selection.json)
        return error.exit_code


def _start(selection: Selection, *, check: bool, command: str, pending_code: bool) -> int:
    options = Options(
        check=check,
        diff=selection.diff,
        limit=selection.limit,
        tags=selection.tags,
        skip_tags=selection.skip_tags,
        roles=selection.roles,
        extra=variables(selection.assignments),
        forks=selection.forks,
        command=command,
    )
    inventory = inventory_of(selection.inventory)
    password = ask_become_password() if selection.ask_become_pass else None
    detail = Detail(check=check, diff=selection.diff, verbose=selection.verbose)
    stopping = threading.Event()
    with open_report(detail, json=selection.json) as report:
        connect = _connector(report, stopping, accept_new=selection.accept_new_host_keys, password=password)
        run = InventoryRun(inventory, options, report, connect)
        with Interrupts(run, report, stopping) as interrupts:
            outcome = run.execute()
    return exit_code(outcome, interrupted=interrupts.received > 0, pending_code=pending_code)


def exit_code(outcome: Outcome, *, interrupted: bool, pending_code: bool) -> int:
    """130 before what failed before what is pending; 0 where all is as it should be."""
    if interrupted:
        return Interrupted.exit_code
    return outcome.exit_code or (PENDING if pending_code and outcome.pending else 0)


def _connector(
    report: Report, stopping: threading.Event, *, accept_new: bool, password: str | None
) -> Callable[[Login], Connection]:
    """What opens connections; ssh.py and the libraries it imports are loaded at the first."""
    ask = None if accept_new or not can_ask() else partial(ask_about_key, report=report, stopping=stopping)
    policy = HostKeyPolicy(ask=ask, accept_new=accept_new)

    def connect(login: Login) -> Connection:
        from provision.transport import ssh

        if password is not None and login.become_password is None:
            login = replace(login, become_password=password)
        return ssh.connect(login, host_keys=policy)

    return connect
