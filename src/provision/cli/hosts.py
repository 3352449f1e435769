"""What the commands that act on hosts have in common: their options, their words, how they connect."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import click

from provision.cli.connector import Connector
from provision.cli.options import DEFAULT_INVENTORY
from provision.cli.vault_options import vault_options

if TYPE_CHECKING:
    from provision.events import Event
    from provision.report import Report

Function: TypeAlias = Callable[..., Any]


def complete_host(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The groups and hosts of the inventory that stands on the command line, for completion."""
    from provision.errors import ProvisionError
    from provision.inventory import Inventory
    from provision.vault import Closed

    try:
        loaded = Inventory.load(Path(ctx.params.get("inventory") or DEFAULT_INVENTORY), Closed())
    except ProvisionError:
        return []
    return [name for name in (*loaded.groups, *loaded.hosts) if name.startswith(incomplete)]


limit_option = click.option(
    "--limit",
    "-l",
    metavar="PATTERN",
    multiple=True,
    shell_complete=complete_host,
    help="Only these hosts: Ansible's patterns; repeatable.",
)
forks_option = click.option(
    "--forks", "-f", type=click.IntRange(1), default=32, show_default=True, metavar="N", help="Hosts at a time."
)


def inventory_argument(function: Function) -> Function:
    """Give a command INVENTORY, its first argument."""
    return click.argument("inventory", type=click.Path(path_type=Path), default=DEFAULT_INVENTORY)(function)


def connection_options(function: Function) -> Function:
    """Give a command the options about connections, which arrive as ``connecting``."""

    @click.option(
        "--accept-new-host-keys", is_flag=True, help="Trust hosts never met before. A changed key is always refused."
    )
    @click.option("--ask-become-pass", "-K", is_flag=True, help="Ask for the password of sudo, once for all hosts.")
    @functools.wraps(function)
    def command(accept_new_host_keys: bool, ask_become_pass: bool, **others: Any) -> Any:
        return function(connecting=Connecting(accept_new_host_keys, ask_become_pass), **others)

    return command


def host_options(function: Function) -> Function:
    """Give a command INVENTORY, ``--limit``, and the options about connections and the vault."""
    return inventory_argument(limit_option(connection_options(vault_options(function))))


class InventoryFirst(click.Command):
    """A command with another argument after INVENTORY."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line: before an argument that is required the inventory is, too."""
        required = any(isinstance(param, click.Argument) and param.required for param in self.params)
        pieces = super().collect_usage_pieces(ctx)
        return ["INVENTORY" if required and piece == "[INVENTORY]" else piece for piece in pieces]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click, with a word for whoever has left the inventory out."""
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter as error:
            given = ctx.params.get("inventory")
            if given is None or given == DEFAULT_INVENTORY or error.param is None:
                raise
            message = f"{error.param.human_readable_name} is missing: '{given}' was taken for the inventory"
            hint = f"the inventory comes first: {ctx.command_path} {DEFAULT_INVENTORY} {given}"
            raise click.UsageError(message if given.exists() else f"{message}\n{hint}", ctx) from error


class CommandLine(click.Command):
    """A command whose last argument is another command, after ``--``; it arrives as ``words``."""

    words_required = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What stands before ``--`` is ours, what stands after it is passed on as it is."""
        at = args.index("--") if "--" in args else len(args)
        ours, words = args[:at], args[at + 1 :]
        try:
            rest = super().parse_args(ctx, ours)
        except click.UsageError as error:
            if at < len(args):
                raise
            hint = "the command for the host goes behind two dashes: -- COMMAND"
            raise click.UsageError(f"{error.format_message()}\n{hint}", ctx) from error
        if self.words_required and not words and not ctx.resilient_parsing:
            raise click.UsageError("the command for the host is missing\nit goes behind two dashes: -- COMMAND", ctx)
        ctx.params["words"] = tuple(words)
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line, with the command at its end."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND..." if self.words_required else "[-- COMMAND...]"]


@dataclass(frozen=True)
class Connecting:
    """The options about connections."""

    accept_new_host_keys: bool
    ask_become_pass: bool
    password: str | None = None
    """That of sudo, once it has been asked for."""

    def with_password(self) -> Connecting:
        """Ask for the password of sudo now, if it is wanted: nothing may be drawn on the screen meanwhile."""
        from provision.cli.questions import ask_become_password

        return replace(self, password=ask_become_password()) if self.ask_become_pass and not self.password else self

    def connector(self, report: Report, stopping: threading.Event) -> Connector:
        """What opens connections, and asks with ``report`` until the run is ``stopping``."""
        from provision.cli.questions import ask_about_key, ask_passphrase, can_ask
        from provision.transport.ssh_hostkeys import HostKeyPolicy
        from provision.transport.ssh_passphrases import Passphrases

        somebody = sys.stdin is not None and can_ask()
        about_key = partial(ask_about_key, report=report, stopping=stopping)
        for_phrase = partial(ask_passphrase, report=report, stopping=stopping)
        accept = self.accept_new_host_keys
        policy = HostKeyPolicy(ask=about_key if somebody and not accept else None, accept_new=accept)
        passphrases = Passphrases(for_phrase if somebody else None)
        return Connector(policy, self.with_password().password, passphrases, report)


class Quiet:
    """A report that shows nothing, and lets one question be asked at a time."""

    def __init__(self) -> None:
        self._asking = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Take an event, and forget it."""

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Keep other questions waiting."""
        with self._asking:
            yield

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass
