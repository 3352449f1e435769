"""What ``up`` and ``plan`` are told: which hosts, roles and tasks, with which variables."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import Connecting, Function, connection_options, forks_option, inventory_argument, limit_option
from provision.cli.options import lock_option, set_option
from provision.cli.vault_options import vault_options

if TYPE_CHECKING:
    from provision.vault import Vault


@dataclass(frozen=True)
class Selection:
    """Which hosts, roles and tasks, with which variables, over which connections, and how it is shown."""

    inventory: Path
    limit: tuple[str, ...]
    tags: tuple[str, ...]
    skip_tags: tuple[str, ...]
    roles: tuple[str, ...]
    assignments: tuple[str, ...]
    diff: bool
    json: bool
    verbose: bool
    connecting: Connecting
    vault: Vault
    forks: int
    lock_timeout: int


def _words(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Options that may be repeated take several words with commas too, as in Ansible."""
    return tuple(word.strip() for item in value for word in item.split(",") if word.strip())


_OPTIONS = (
    inventory_argument,
    limit_option,
    click.option("--tags", "-t", metavar="TAGS", multiple=True, callback=_words, help="Only tasks with one of these."),
    click.option(
        "--skip-tags", metavar="TAGS", multiple=True, callback=_words, help="Not the tasks with one of these."
    ),
    click.option("--role", "roles", metavar="ROLE", multiple=True, callback=_words, help="Only these roles."),
    set_option,
    click.option("--diff", "-D", is_flag=True, help="Show the changes of files, line by line."),
    click.option("--verbose", "-v", is_flag=True, help="Show unchanged tasks and the output of each step too."),
    click.option("--json", is_flag=True, help="Print JSON lines, one event each, and nothing else."),
    connection_options,
    vault_options,
    forks_option,
    lock_option,
)


def selection_options(function: Function) -> Function:
    """Give a command INVENTORY and the options of a :class:`Selection`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def command_line(command: str, selection: Selection, *flags: str) -> str:
    """The command as it is shown to others: in the lock and in the audit; without the values of variables."""
    words = ["provision", command, str(selection.inventory), *flags]
    for option, values in (
        ("--limit", selection.limit),
        ("--tags", selection.tags),
        ("--skip-tags", selection.skip_tags),
        ("--role", selection.roles),
        ("--set", map(_without_value, selection.assignments)),
    ):
        words += [word for value in values for word in (option, value)]
    return shlex.join(words)


def _without_value(assignment: str) -> str:
    name, equals, _ = assignment.partition("=")
    return assignment if assignment.startswith("@") or not equals else f"{name}=..."
