"""docs/commands.md: every command, as click knows it."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

import click
from tests.documents.markdown import code, prose, table

from provision.cli import main

ARGUMENTS = {
    "INVENTORY": "a YAML inventory, or a folder of them",
    "HOST": "the name of a host",
    "NAME": "the name of a role: a letter, then letters, digits and `_`",
    "ROLE_FOLDER": "the folder of a role; those beside it, and those of provision, may run before it",
    "FILE": "a file; `-` is standard input, and so is none at all",
    "FILE...": "an encrypted file, or several",
    "[-]": "standard input, as without it",
    "COMMAND": "a program and its arguments, or a line for the shell",
    "SNAPSHOT": "the name of a snapshot",
    "VAR": "the name of a variable",
    "[INVENTORY] ROLE": "the name of a role, with or without an inventory before it",
    "{bash|zsh|fish}": "the shell that is to complete",
}
"""click has no words for arguments; one that is missing here is an error."""

_ABOUT = (
    "Commands about hosts take INVENTORY first. In brackets it may be left out, and is then `inventory.yml` in the "
    "current folder. Options may stand before or behind it. `-h` shows the same text on the terminal.\n\n"
    "Every command ends with 0 when all is well, with 2 when what you wrote is wrong, and with 130 after Ctrl-C; "
    "other exit codes are named with the command."
)


def commands_page() -> str:
    """The commands in the order of `provision --help`."""
    note = "<!-- Written by `make docs` from src/provision/cli; do not edit. -->"
    found = list(commands(main, click.Context(main, info_name="provision")))
    rows = [[f"[{context.command_path}](#{_anchor(context)})", _summary(context)] for context in found]
    parts = ["# Commands", note, prose(_ABOUT), table(("Command", "In one line"), rows), *map(_section, found)]
    return "\n\n".join(parts) + "\n"


def commands(group: click.Group, context: click.Context) -> Iterator[click.Context]:
    """A context of each command below ``group``; groups are left out, but for those that are commands themselves."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, parent=context, info_name=name, **command.context_settings)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield below
        if isinstance(command, click.Group):
            yield from commands(command, below)


def _anchor(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _summary(context: click.Context) -> str:
    return prose((context.command.help or "").split("\n\n")[0]).replace("\n", " ")


def _section(context: click.Context) -> str:
    pieces = " ".join(context.command.collect_usage_pieces(context))
    usage = f"```text\n{context.command_path} {pieces}\n```"
    parts = [f"## {context.command_path}", usage, *_help(context.command.help or "")]
    if rows := [row for parameter in context.command.get_params(context) if (row := _row(parameter, context))]:
        parts.append(table(("Argument or option", "Default", "Meaning"), rows))
    return "\n\n".join(parts)


def _help(text: str) -> Iterator[str]:
    """Paragraphs; what click is told not to fold (`\\b`) is an example, or lines of a sentence."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if not paragraph.startswith("\b\n"):
            yield prose(paragraph)
        elif paragraph.startswith("\b\nExit codes"):
            yield prose(paragraph.removeprefix("\b\n"))
        else:
            lines = textwrap.dedent(paragraph.removeprefix("\b\n"))
            language = "sh" if lines.startswith("provision ") else "text"
            yield f"```{language}\n{lines}\n```"


def _row(parameter: click.Parameter, context: click.Context) -> list[str] | None:
    default = _default(parameter)
    if isinstance(parameter, click.Argument):
        name = re.sub(r"^\[(\w+)](\.\.\.)?$", r"\1", parameter.metavar or parameter.make_metavar(context))
        return [f"`{name}`", default or ("required" if parameter.required else ""), ARGUMENTS[name]]
    assert isinstance(parameter, click.Option)
    if "--help" in parameter.opts:
        return None
    value = "" if parameter.is_flag else f" {parameter.make_metavar(context)}"
    names = sorted([*parameter.opts, *parameter.secondary_opts], key=len)
    return [code([*names[:-1], names[-1] + value]), default, parameter.help or ""]


def _default(parameter: click.Parameter) -> str:
    value = parameter.to_info_dict()["default"]
    flag = isinstance(parameter, click.Option) and parameter.is_flag
    return "" if flag or parameter.required or parameter.multiple or value in (None, "") else f"`{value}`"
