"""``provision schema``: what editors need to complete and check an inventory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import inventory_argument
from provision.cli.options import DEFAULT_INVENTORY
from provision.cli.vault_options import vault_options

if TYPE_CHECKING:
    from provision.vault import Vault


@click.command()
@inventory_argument
@click.option("--variables", is_flag=True, help="For files in group_vars/ and host_vars/, in place of the inventory.")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it there, and print the line that makes editors use it.",
)
@vault_options
def schema(inventory: Path, variables: bool, output: Path | None, vault: Vault) -> None:
    """Print the JSON Schema of inventories, for editors that complete, explain and check YAML.

    It knows the variables of all roles: those of provision, and your own beside INVENTORY (./inventory.yml).
    Most editors use yaml-language-server, which looks for a line in the file:

    \b
      provision schema -o .provision.schema.json
    """
    from provision.errors import ConfigError
    from provision.json_schema import inventory_schema, variables_schema
    from provision.role import Role
    from provision.role_docs import role_docs, role_names, search_path

    if inventory != DEFAULT_INVENTORY and not inventory.exists():
        raise ConfigError(f"there is no inventory {inventory}")
    folder = inventory if inventory.is_dir() else inventory.parent
    search = search_path(folder)
    roles: list[Role] = []
    for name in role_names(search):
        try:
            roles.append(role_docs(name, search, vault).role)
        except ConfigError as error:
            click.echo(f"note: without the role {name}: {error.message}", err=True)
    text = json.dumps((variables_schema if variables else inventory_schema)(roles), indent=2, ensure_ascii=False)
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {output}: {error.strerror}") from error
    where = "each file of variables" if variables else str(inventory)
    click.echo(f"Wrote {output}. Put this line at the top of {where}:\n")
    click.echo(f"# yaml-language-server: $schema={os.path.relpath(output, folder)}")
