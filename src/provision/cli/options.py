"""The options that ``up`` and ``plan`` share, and what they come to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from provision.errors import ConfigError

if TYPE_CHECKING:
    from provision.yamlfile import Node

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_INVENTORY = Path("inventory.yml")


@dataclass(frozen=True)
class Selection:
    """Which hosts, roles and tasks, with which variables, over how many connections, and how it is shown."""

    inventory: Path
    limit: tuple[str, ...]
    tags: tuple[str, ...]
    skip_tags: tuple[str, ...]
    roles: tuple[str, ...]
    assignments: tuple[str, ...]
    diff: bool
    json: bool
    verbose: bool
    accept_new_host_keys: bool
    ask_become_pass: bool
    forks: int
    lock_timeout: int


def _words(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Options that may be repeated take several words with commas too, as in Ansible."""
    return tuple(word.strip() for item in value for word in item.split(",") if word.strip())


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
_OPTIONS = (
    click.argument("inventory", type=click.Path(path_type=Path), default=DEFAULT_INVENTORY),
    click.option(
        "--limit", "-l", metavar="PATTERN", multiple=True, help="Only these hosts: Ansible's patterns; repeatable."
    ),
    click.option("--tags", "-t", metavar="TAGS", multiple=True, callback=_words, help="Only tasks with one of these."),
    click.option(
        "--skip-tags", metavar="TAGS", multiple=True, callback=_words, help="Not the tasks with one of these."
    ),
    click.option("--role", "roles", metavar="ROLE", multiple=True, callback=_words, help="Only these roles."),
    set_option,
    click.option("--diff", "-D", is_flag=True, help="Show the changes of files, line by line."),
    click.option("--verbose", "-v", is_flag=True, help="Show unchanged tasks and the output of each step too."),
    click.option("--json", is_flag=True, help="Print JSON lines, one event each, and nothing else."),
    click.option(
        "--accept-new-host-keys", is_flag=True, help="Trust hosts never met before. A changed key is always refused."
    ),
    click.option("--ask-become-pass", "-K", is_flag=True, help="Ask for the password of sudo, once for all hosts."),
    click.option(
        "--forks", "-f", type=click.IntRange(1), default=32, show_default=True, metavar="N", help="Hosts at a time."
    ),
    lock_option,
)


def selection_options(function: Function) -> Function:
    """Give a command INVENTORY and the options of a :class:`Selection`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def inventory_of(path: Path) -> Path:
    """The inventory to use. Raises ConfigError where the default is meant and there is none."""
    if path == DEFAULT_INVENTORY and not path.exists():
        raise ConfigError(
            f"there is no {DEFAULT_INVENTORY} in this folder",
            hint="name the inventory, as in `provision up FILE`, or write one with `provision init`",
        )
    return path


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


def variables(assignments: Iterable[str]) -> dict[str, Node]:
    """What ``--set`` says; a later one wins. Raises ConfigError."""
    found: dict[str, Node] = {}
    for assignment in assignments:
        if assignment.startswith("@"):
            found |= _from_file(Path(assignment[1:]))
            continue
        name, equals, text = assignment.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ConfigError(
                f"--set {assignment.partition('=')[0]}: not of the form NAME=VALUE",
                hint="for example --set app_workers=4, or --set @variables.yml for a file",
            )
        found[name] = _value(name, text)
    return found


def _value(name: str, text: str) -> Node:
    from provision.errors import Position
    from provision.yamlfile import from_plain, parse

    where = Path(f"--set {name}")
    if not text or text.startswith("{{"):  # which in a file would need quotes
        return from_plain(text, Position(where, 1, 1))
    try:
        return parse(text, where)
    except ConfigError as error:
        # Without its place: there is no line to look at, and the value may be a secret.
        raise ConfigError(f"--set {name}: {error.message}", hint=error.hint) from error


def _from_file(path: Path) -> dict[str, Node]:
    from provision.yamlfile import describe, load

    node = load(path)
    if not isinstance(node.value, dict):
        message = f"a file of variables is a mapping of names to values, this is {describe(node)}"
        raise ConfigError(message, position=node.position, hint="write `name: value`, one per line")
    return node.value
