"""``provision lint``: all that is wrong, without a connection."""

from __future__ import annotations

from pathlib import Path

import click

from provision.cli.hosts import inventory_argument, limit_option
from provision.cli.options import inventory_of, variables


@click.command()
@inventory_argument
@limit_option
@click.option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="A variable above all others, as for `up`. Repeatable.",
)
def lint(inventory: Path, limit: tuple[str, ...], assignments: tuple[str, ...]) -> int:
    """Check INVENTORY (./inventory.yml), its roles and its apps as `up` does, and name all mistakes at once.

    No host is asked, nor is Vagrant for its machines. Warns also of variables that nothing uses.

    \b
    Exit codes: 0 nothing is wrong, 2 something is.
    """
    from provision.cli import pages
    from provision.lint import lint as linted
    from provision.ops.targets import Targets
    from provision.report.findings import findings

    targets = Targets(inventory_of(inventory), limit, variables(assignments), ask_vagrant=False)
    found = linted(targets)
    pages.write(findings(found, inventory, targets.hosts, width=pages.width()))
    return 2 if found.errors else 0
