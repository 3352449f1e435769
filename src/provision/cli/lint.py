"""``provision lint``: all that is wrong, without a connection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import inventory_argument, limit_option
from provision.cli.options import inventory_of, set_option, variables
from provision.cli.vault_options import vault_options

if TYPE_CHECKING:
    from provision.inventory import Host
    from provision.vault import Vault


@click.command()
@inventory_argument
@limit_option
@set_option
@vault_options
@click.option("--json", is_flag=True, help="Print JSON lines, one for each finding.")
def lint(inventory: Path, limit: tuple[str, ...], assignments: tuple[str, ...], vault: Vault, json: bool) -> int:
    """Check INVENTORY (./inventory.yml), its roles and its apps as `up` does, and name all mistakes at once.

    No host is asked, nor is Vagrant for its machines. Warns also of variables that nothing uses.

    With --json each line is an object: event (finding), severity (error, warning or notice), message, hint and, where
    it has a place, file, line and column.

    \b
    Exit codes: 0 nothing is wrong, 2 something is.
    """
    from provision.cli import pages
    from provision.errors import ConfigError
    from provision.lint import Findings, inventory_mistakes
    from provision.lint import lint as linted
    from provision.ops.targets import Targets
    from provision.report.findings import finding_fields, findings

    inventory, extra = inventory_of(inventory), variables(assignments, vault)
    hosts: Sequence[Host] = ()
    try:
        targets = Targets(inventory, limit, extra, vault, ask_vagrant=False)
        hosts, found = targets.hosts, linted(targets)
    except ConfigError as error:
        found = Findings(inventory_mistakes(inventory, vault) or [error])
    if json:
        pages.write_json(finding_fields(found))
    else:
        pages.write(findings(found, inventory, hosts, width=pages.width()))
    return 2 if found.errors else 0
