"""``provision explain``: why a variable has its value."""

from __future__ import annotations

from pathlib import Path

import click

from provision.cli.hosts import InventoryFirst, complete_host, inventory_argument
from provision.cli.options import inventory_of, variables


@click.command(cls=InventoryFirst)
@inventory_argument
@click.argument("variable", metavar="VAR")
@click.option(
    "--host",
    metavar="HOST",
    shell_complete=complete_host,
    help="The host whose variable it is; needed where there are several.",
)
@click.option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="A variable above all others, as for `up`. Repeatable.",
)
def explain(inventory: Path, variable: str, host: str | None, assignments: tuple[str, ...]) -> None:
    """Show the value that VAR has on a host of INVENTORY, where it stands, and what it overrode.

    Secrets are not shown: what a role declares as `no_log`, passwords of logins, and the values of app_env.
    """
    from provision.cli import pages
    from provision.errors import ConfigError
    from provision.explain import explain as explained
    from provision.ops.targets import Targets
    from provision.report.explanation import explanation

    targets = Targets(inventory_of(inventory), (host,) if host else (), variables(assignments))
    if len(targets.hosts) != 1:
        names = ", ".join(found.name for found in targets.hosts)
        raise ConfigError(f"explain takes one host; there are {len(targets.hosts)}: {names}", hint="name one by --host")
    pages.write(explanation(explained(targets, targets.hosts[0], variable), width=pages.width()))
