"""``provision plan``."""

from __future__ import annotations

from typing import Any

import click

from provision.cli.selection import Selection, command_line, selection_options


@click.command()
@selection_options
@click.option("--exit-code", "pending_code", is_flag=True, help="End with 5 where something would change.")
def plan(pending_code: bool, **options: Any) -> int:
    """Show what `up` would change on the hosts of INVENTORY (./inventory.yml), and change nothing.

    What depends on an earlier change and cannot be known before it is shown as unknown.

    \b
    Exit codes: 0 planned, 1 a host failed, 2 usage or configuration,
    3 a host unreachable, 5 changes pending (with --exit-code), 130 interrupted.
    """
    from provision.cli.running import start

    selection = Selection(**options)
    return start(selection, check=True, command=command_line("plan", selection), pending_code=pending_code)
