"""`provision init`: the first inventory, for the app in the current folder."""

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

from provision.errors import ConfigError
from provision.project import Project
from provision.source import pack


@click.command()
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
def init(
    host: str | None, user: str | None, domain: str | None, app: str | None, entrypoint: str | None, output: Path
) -> None:
    """Write an inventory for the app in the current folder.

    Asks for what no option says when run on a terminal.
    """
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
