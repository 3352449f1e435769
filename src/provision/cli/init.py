"""`provision init`: the first inventory, for the app in the current folder; and `provision init role`."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from click.core import ParameterSource

from provision.errors import ConfigError
from provision.project import Project
from provision.source import pack


@click.group(invoke_without_command=True)
@click.option("--host", metavar="ADDRESS", help="Name or address of the VM, as `ssh` takes it.")
@click.option("--user", metavar="NAME", help="Login on the VM: root, or one with sudo.")
@click.option("--domain", metavar="NAME", help="Domain of the app, whose DNS record points to the VM.")
@click.option("--app", metavar="NAME", help="Name of the app; that of pyproject.toml or the folder unless given.")
@click.option("--entrypoint", metavar="MODULE:APP", help="The FastAPI app, where `fastapi run` does not find it.")
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("inventory.yml"),
    show_default=True,
    help="File to write; never one that exists.",
)
@click.pass_context
def init(context: click.Context, /, **options: Any) -> None:
    """Write an inventory for the app in the current folder; `init role` writes a role.

    Asks for what no option says when run on a terminal.
    """
    if context.invoked_subcommand is None:
        return _inventory(**options)
    for name in options:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} is for an inventory, not for init {context.invoked_subcommand}", context)


@init.command()
@click.argument("name")
@click.option(
    "--path",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("roles"),
    show_default=True,
    help="The folder of roles; roles/ beside the inventory is where they are looked for.",
)
@click.option("--testinfra", is_flag=True, help="With a test for pytest and pytest-testinfra too.")
def role(name: str, folder: Path, testinfra: bool) -> None:
    """Write a new role NAME, whose test passes at once.

    It writes one file on the host, and has each part that a role can have, with a word on what it is for: yours to
    change.
    """
    from provision.scaffold import role_files

    files = role_files(name, testinfra=testinfra)
    target = folder / name
    if target.exists():
        raise ConfigError(f"{target} exists already, and init overwrites nothing", hint="choose another name")
    for path, text in files.items():
        _make_folder((target / path).parent)
        _write(target / path, text)
    click.echo(f"Wrote {target}. Next:\n\n  provision test {target}\n\nand in an inventory beside {folder}/:\n")
    click.echo(f"  roles: [{name}]")


def _inventory(
    host: str | None, user: str | None, domain: str | None, app: str | None, entrypoint: str | None, output: Path
) -> None:
    if output.exists():
        raise ConfigError(f"{output} exists already, and init overwrites nothing", hint="choose another with --output")
    tree = pack(Path())
    project = tree.project
    source = tree.dependencies.source
    entrypoint = entrypoint or _missing_entrypoint(project)
    host = host or _ask("--host", "Address of the VM")
    user = user or _ask("--user", "Login on it (root, or one with sudo)", default="root")
    domain = domain or _ask("--domain", "Domain of the app")
    folder = os.path.relpath(Path(), output.parent)
    variables = {
        "app_source": "" if folder == "." else Path(folder).as_posix(),
        "app_name": app,
        "app_entrypoint": entrypoint,
        "caddy_domain": domain,
    }
    _write(output, inventory_text(host, user, {name: value for name, value in variables.items() if value}))
    for note in tree.notes():
        click.echo(f"Note: {note}", err=True)
    click.echo(f"Wrote {output} for {app or project.name} (dependencies: {source}). Next:\n\n  provision up {output}")


def inventory_text(host: str, user: str, variables: Mapping[str, Any]) -> str:
    """The YAML of an inventory of one host, quoted where YAML needs it."""
    hosts = yaml.safe_dump({"hosts": {host: {"ansible_user": user}}}, default_flow_style=None, allow_unicode=True)
    values = yaml.safe_dump({"vars": dict(variables)}, sort_keys=False, default_flow_style=False, allow_unicode=True)
    return "all:\n" + textwrap.indent(hosts + values, "  ")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}") from error


def _write(output: Path, text: str) -> None:
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"cannot write {output}: {error.strerror}") from error


def _missing_entrypoint(project: Project) -> str | None:
    """The app to name in the inventory; None where `fastapi run` finds it by itself."""
    if project.discovered:
        return None
    click.echo(project.no_entrypoint().message, err=True)
    likeliest = project.candidates[0].entrypoint.target if project.candidates else None
    return _ask("--entrypoint", "The app, as package.module:variable", default=likeliest)


def _ask(option: str, question: str, default: str | None = None) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"Missing option '{option}': it is asked for on a terminal only.")
    return str(click.prompt(question, default=default, value_proc=_word))


def _word(value: str) -> str:
    if not re.fullmatch(r"\S+", value.strip()):
        raise click.BadParameter("one word, please")
    return value.strip()
