"""``provision inventory``: what the inventory says, as ansible-inventory prints it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.options import DEFAULT_INVENTORY, inventory_of
from provision.cli.vault_options import vault_options
from provision.errors import ConfigError

if TYPE_CHECKING:
    from provision.vault import Vault


@click.command("inventory")
@click.argument("path", metavar="[INVENTORY]", type=click.Path(path_type=Path), default=DEFAULT_INVENTORY)
@click.option("--list", "show", flag_value="list", help="All groups and the variables of all hosts, as JSON.")
@click.option(
    "--graph", "show", flag_value="graph", default="graph", help="The tree of groups and hosts (the default)."
)
@click.option("--host", metavar="HOST", help="The variables of one host, as JSON.")
@vault_options
def inventory(path: Path, show: str, host: str | None, vault: Vault) -> None:
    """Show what INVENTORY (./inventory.yml) says, as ansible-inventory does.

    Variables are shown as they are written, passwords too; what is encrypted by itself (`!vault`) as it is encrypted,
    what stands in an encrypted file in plain text. Notes go to standard error.
    """
    from provision.inventory import Inventory, listing

    loaded = Inventory.load(inventory_of(path), vault)
    for note in loaded.notes:
        click.echo(f"note: {note}", err=True)
    if host is not None:
        chosen = loaded.select(host)
        if len(chosen) != 1:
            raise ConfigError(f"--host takes one host; {host!r} matches {len(chosen)}")
        click.echo(_json(listing.host_variables(chosen[0])))
    elif show == "list":
        click.echo(_json(listing.as_list(loaded)))
    else:
        click.echo(listing.graph(loaded))


def _json(value: object) -> str:
    return json.dumps(value, indent=4, sort_keys=True)
