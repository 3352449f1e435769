"""``provision explain``: why a variable has its value."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import InventoryFirst, complete_host, inventory_argument
from provision.cli.options import inventory_of, set_option, variables
from provision.cli.vault_options import vault_options

if TYPE_CHECKING:
    from provision.vault import Vault


@click.command(cls=InventoryFirst)
@inventory_argument
@click.argument("variable", metavar="VAR")
@click.option(
    "--host",
    metavar="HOST",
    shell_complete=complete_host,
    help="The host whose variable it is; needed where there are several.",
)
@set_option
@vault_options
@click.option("--json", is_flag=True, help="Print a JSON object.")
def explain(
    inventory: Path, variable: str, host: str | None, assignments: tuple[str, ...], vault: Vault, json: bool
) -> None:
    """Show the value that VAR has on a host of INVENTORY, where it stands, and what it overrode.

    Secrets are not shown: what a role declares as `no_log`, what ansible-vault has encrypted, passwords of logins, and
    the values of app_env.

    With --json: host, name, value, definitions (value, where, file, line, column; the one in effect first), and what
    the variable's role declares: role, type, description. Values are text, as they are shown without --json.
    """
    from provision.cli import pages
    from provision.errors import ConfigError
    from provision.explain import explain as explained
    from provision.ops.targets import Targets
    from provision.report.explanation import explanation, explanation_fields

    targets = Targets(inventory_of(inventory), (host,) if host else (), variables(assignments, vault), vault)
    if len(targets.hosts) != 1:
        names = ", ".join(found.name for found in targets.hosts)
        raise ConfigError(f"explain takes one host; there are {len(targets.hosts)}: {names}", hint="name one by --host")
    found = explained(targets, targets.hosts[0], variable)
    if json:
        pages.write_json([explanation_fields(found)])
    else:
        pages.write(explanation(found, width=pages.width()))
