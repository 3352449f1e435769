"""What most commands are told: an inventory, and variables above its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.errors import ConfigError

if TYPE_CHECKING:
    from provision.vault import Vault
    from provision.yamlfile import Node

DEFAULT_INVENTORY = Path("inventory.yml")


lock_option = click.option(
    "--lock-timeout",
    type=click.IntRange(0),
    default=0,
    metavar="SECONDS",
    help="Wait so long for another run that holds a host.",
)
set_option = click.option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="A variable above all others; VALUE is YAML. @FILE takes a YAML file of them. Repeatable.",
)


def inventory_of(path: Path) -> Path:
    """The inventory to use. Raises ConfigError where the default is meant and there is none."""
    if path == DEFAULT_INVENTORY and not path.exists():
        raise ConfigError(
            f"there is no {DEFAULT_INVENTORY} in this folder",
            hint="name the inventory, as in `provision up FILE`, or write one with `provision init`",
        )
    return path


def variables(assignments: Iterable[str], vault: Vault) -> dict[str, Node]:
    """What ``--set`` says; a later one wins, and ``vault`` opens what is encrypted. Raises ConfigError."""
    found: dict[str, Node] = {}
    for assignment in assignments:
        if assignment.startswith("@"):
            found |= _from_file(Path(assignment[1:]), vault)
            continue
        name, equals, text = assignment.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ConfigError(
                f"--set {assignment.partition('=')[0]}: not of the form NAME=VALUE",
                hint="for example --set app_workers=4, or --set @variables.yml for a file",
            )
        found[name] = _value(name, text, vault)
    return found


def _value(name: str, text: str, vault: Vault) -> Node:
    from provision.errors import Position
    from provision.yamlfile import from_plain, parse

    where = Path(f"--set {name}")
    if not text or text.startswith("{{"):  # which in a file would need quotes
        return from_plain(text, Position(where, 1, 1))
    try:
        return parse(text, where, vault)
    except ConfigError as error:
        # Without its place: there is no line to look at, and the value may be a secret.
        raise ConfigError(f"--set {name}: {error.message}", hint=error.hint) from error


def _from_file(path: Path, vault: Vault) -> dict[str, Node]:
    from provision.yamlfile import describe, load

    node = load(path, vault)
    if not isinstance(node.value, dict):
        message = f"a file of variables is a mapping of names to values, this is {describe(node)}"
        raise ConfigError(message, position=node.position, hint="write `name: value`, one per line")
    return node.value
