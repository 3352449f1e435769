"""``provision roles``: which there are, and what they want to know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.options import DEFAULT_INVENTORY
from provision.cli.vault_options import vault_options

if TYPE_CHECKING:
    from provision.vault import Vault

_INVENTORY = click.Path(path_type=Path)


@click.group()
def roles() -> None:
    """List roles, and show their documentation: those that come with provision, and your own beside an inventory."""


@roles.command("list", short_help="List the roles that an inventory can use.")
@click.argument("inventory", type=_INVENTORY, default=DEFAULT_INVENTORY)
@vault_options
def list_(inventory: Path, vault: Vault) -> None:
    """List the roles that INVENTORY (./inventory.yml) can use: those in roles/ beside it, and those of provision."""
    from provision.cli import pages
    from provision.errors import ConfigError
    from provision.report.role_pages import role_list
    from provision.role_docs import RoleDocs, role_docs, role_names

    search = _search(inventory)
    found: list[tuple[str, RoleDocs | str]] = []
    for name in role_names(search):
        try:
            found.append((name, role_docs(name, search, vault)))
        except ConfigError as error:
            found.append((name, f"{error.position}: {error.message}" if error.position else error.message))
    pages.write(role_list(found, width=pages.width()))


@roles.command()
@click.argument("words", metavar="[INVENTORY] ROLE", nargs=-1, required=True)
@vault_options
def docs(words: tuple[str, ...], vault: Vault) -> None:
    """Show what ROLE does and the variables it takes.

    Your own roles lie in roles/ beside INVENTORY (./inventory.yml).
    """
    from provision.cli import pages
    from provision.report.role_pages import role_page
    from provision.role_docs import role_docs

    if len(words) > 2:
        raise click.UsageError("an inventory and the name of one role are all it takes")
    *before, name = words
    inventory = Path(before[0]) if before else DEFAULT_INVENTORY
    pages.write(role_page(role_docs(name, _search(inventory), vault), width=pages.width()))


def _search(inventory: Path) -> tuple[Path, ...]:
    """Where roles are looked for; no inventory is needed for those of provision."""
    from provision.errors import ConfigError
    from provision.role_docs import search_path

    if inventory != DEFAULT_INVENTORY and not inventory.exists():
        raise ConfigError(f"there is no inventory {inventory}")
    return search_path(inventory if inventory.is_dir() else inventory.parent)
