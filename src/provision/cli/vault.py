"""``provision vault``: what ansible-vault does with files and values."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from provision.cli.vault_options import vault_command
from provision.errors import ConfigError

if TYPE_CHECKING:
    from provision.vault import Vault

Function: TypeAlias = Callable[..., Any]

_INDENT = " " * 10
"""As ansible-vault writes it, so that it may be pasted below a key of any depth."""

_files = click.argument("files", metavar="[FILE]...", nargs=-1)
_output = click.option("--output", metavar="FILE", help="Write there, and leave FILE as it is; - is standard output.")
_label = click.option(
    "--encrypt-vault-id",
    "label",
    metavar="LABEL",
    envvar="ANSIBLE_VAULT_ENCRYPT_IDENTITY",
    help="Encrypt with the password of this label; needed where several are given.",
)


@click.group()
def vault() -> None:
    """Encrypt, view and edit secrets, as ansible-vault does: each of the two reads what the other writes."""


@vault.command(short_help="Encrypt files in place.")
@_files
@_output
@_label
@vault_command(new=True)
def encrypt(files: tuple[str, ...], output: str | None, label: str | None, vault: Vault) -> None:
    """Encrypt each FILE in place, or standard input (-) to standard output.

    Nothing is written unless all of them can be encrypted. They are readable for you alone afterwards (0600).
    """
    from provision.ops import vault_files

    _write(files, output, lambda name: vault_files.encrypted(name, vault, label))


@vault.command(short_help="Decrypt files in place.")
@_files
@_output
@vault_command()
def decrypt(files: tuple[str, ...], output: str | None, vault: Vault) -> None:
    """Decrypt each FILE in place, or standard input (-) to standard output.

    Nothing is written unless all of them can be decrypted. They are readable for you alone afterwards (0600).
    """
    from provision.ops import vault_files

    _write(files, output, lambda name: vault_files.decrypted(name, vault))


@vault.command(short_help="Print what encrypted files hold.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@vault_command()
def view(files: tuple[str, ...], vault: Vault) -> None:
    """Print what each FILE holds, and write nothing."""
    from provision.ops import vault_files

    for data in [vault_files.decrypted(name, vault) for name in files]:
        vault_files.write(vault_files.STDIO, data)


@vault.command(short_help="Edit encrypted files.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@vault_command()
def edit(files: tuple[str, ...], vault: Vault) -> None:
    """Edit what each FILE holds with $EDITOR, by default vi, and encrypt it again with the password it had.

    The plain text lies in a folder of yours alone meanwhile, in memory where that is possible, and is overwritten when
    the editor has ended, however it ended. A file that was not changed is not written.
    """
    from provision.ops import vault_files

    if vault_files.STDIO in files:
        raise click.UsageError("standard input cannot be edited\nname a file")
    for name in files:
        if not vault_files.edit(name, vault, os.environ):
            click.echo(f"{name} was not changed", err=True)


@vault.command("encrypt-string", short_help="Encrypt a value, to be pasted into YAML.")
@click.argument("words", metavar="[-]", nargs=-1)
@click.option("--name", "-n", "--stdin-name", metavar="NAME", default="", help="The variable's name, put before it.")
@click.option("--prompt", "-p", is_flag=True, help="Ask for the value, as on a terminal without this.")
@click.option("--output", metavar="FILE", default="-", help="Write there, not to standard output.")
@_label
@vault_command(new=True)
def encrypt_string(
    words: tuple[str, ...], name: str, prompt: bool, output: str, label: str | None, vault: Vault
) -> None:
    """Encrypt a value, and print it as YAML to be pasted into an inventory or a file of variables.

    The value is what standard input has, as it is; on a terminal it is asked for and not shown. It is never an
    argument, which other users of the machine could see.

    \b
      printf %s "$KEY" | provision vault encrypt-string --vault-id FILE -n key
    """
    from provision.ops import vault_files

    if words not in ((), ("-",)):
        raise click.UsageError(
            "the value is no argument: other users of the machine would see it\n"
            'give it on standard input: printf %s "$VALUE" | provision vault encrypt-string --name NAME'
        )
    text = vault.encrypt(_value(prompt=prompt), label)
    lines = [f"{name}: !vault |" if name else "!vault |", *(_INDENT + line for line in text.splitlines())]
    vault_files.write(output, "".join(f"{line}\n" for line in lines).encode())


def _value(*, prompt: bool) -> bytes:
    from provision.cli.questions import can_ask

    if prompt or can_ask():
        if not can_ask():
            raise click.UsageError("--prompt needs a terminal\nwithout it the value is read from standard input")
        return str(click.prompt("Value to encrypt", hide_input=True, err=True)).encode()
    data = sys.stdin.buffer.read()
    if not data:
        raise ConfigError("there is nothing on standard input to encrypt")
    if data.endswith(b"\n"):
        click.echo("note: the value ends with a line break, which is kept; `printf %s` writes none", err=True)
    return data


def _write(files: Sequence[str], output: str | None, transform: Callable[[str], bytes]) -> None:
    """Transform all of them, and only then write."""
    from provision.ops import vault_files

    names = files or (vault_files.STDIO,)
    if output is not None and len(names) > 1:
        raise click.UsageError("--output takes what comes of one FILE")
    for name, data in [(name, transform(name)) for name in names]:
        vault_files.write(output or name, data)
