"""A click group that imports a command when it is called, and turns every error into an exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from provision.cli.failures import Discretion, exit_code_of


class Command(NamedTuple):
    """Where a command is defined, and its line in the list of commands."""

    target: str
    """``module:attribute``."""
    summary: str


class LazyGroup(click.Group):
    """The commands of ``commands_by_name``, in that order."""

    def __init__(self, *args: Any, commands_by_name: Mapping[str, Command], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_by_name = commands_by_name

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(self._commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of that name."""
        if cmd_name not in self._commands_by_name:
            return None
        module, _, attribute = self._commands_by_name[cmd_name].target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, with the name that was probably meant."""
        name = args[0]
        if name not in self._commands_by_name and not name.startswith("-") and not ctx.resilient_parsing:
            from provision.nearest import did_you_mean

            near = did_you_mean(name, self._commands_by_name)
            hint = f"{near} `{ctx.command_path} --help` lists all commands".strip()
            raise click.UsageError(f"there is no command {name}\n{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in self._commands_by_name.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; the integer it returns is the exit code. Without ``standalone_mode`` errors are raised."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        mask = Discretion()
        sys.exit(exit_code_of(lambda: self.main(args, prog_name, complete_var, False, obj=mask, **extra), mask))
