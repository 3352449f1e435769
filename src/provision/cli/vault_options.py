"""The passwords of the vault, as the command line and the environment name them: Ansible's options."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from provision.cli.failures import keep_secret

if TYPE_CHECKING:
    from provision.vault import Password, Vault

Function: TypeAlias = Callable[..., Any]

_PROMPT = "prompt"
_OLD_PROMPT = "prompt_ask_vault_pass"
"""Ansible's word for ``--ask-vault-pass``, whose question does not name a label."""


def vault_options(function: Function) -> Function:
    """Give a command the options about the vault, which arrive as ``vault``."""
    return _with_options(function, lambda sources: open_vault(sources))


def vault_command(*, new: bool = False) -> Callable[[Function], Function]:
    """The same for a command that does nothing without a password, so that it asks where no option says otherwise.

    A ``new`` password is asked for twice.
    """
    return lambda function: _with_options(function, lambda sources: open_vault(sources, new=new, needed=True))


def _with_options(function: Function, opened: Callable[[Sequence[str]], Vault]) -> Function:
    @click.option(
        "--vault-password-file",
        "--vault-pass-file",
        "vault_password_files",
        metavar="FILE",
        multiple=True,
        help="A password of ansible-vault: its text, or what it prints where it can be executed. Repeatable.",
    )
    @click.option(
        "--vault-id",
        "vault_ids",
        metavar="LABEL@SOURCE",
        multiple=True,
        help="The same for what has this label; SOURCE is a file, or `prompt` to be asked. Repeatable.",
    )
    @click.option(
        "--ask-vault-pass",
        "--ask-vault-password",
        "-J",
        "ask_vault_pass",
        is_flag=True,
        help="Ask for the password of ansible-vault.",
    )
    @functools.wraps(function)
    def command(
        vault_password_files: tuple[str, ...], vault_ids: tuple[str, ...], ask_vault_pass: bool, **others: Any
    ) -> Any:
        sources = list(vault_sources(vault_ids, vault_password_files, ask_vault_pass, os.environ))
        vault = opened(sources)
        keep_secret(functools.partial(_masked, vault))
        return function(vault=vault, **others)

    return command


def _masked(vault: Vault, text: str) -> str:
    """``text`` without what ``vault`` has opened by now."""
    from provision.masking import Mask

    mask = Mask()
    mask.add(vault.revealed)
    return mask(text)


def vault_sources(ids: Sequence[str], files: Sequence[str], ask: bool, environ: Mapping[str, str]) -> Iterator[str]:
    """All sources as ``LABEL@SOURCE``, in Ansible's order."""
    listed = environ.get("ANSIBLE_VAULT_IDENTITY_LIST", "").split(",")
    yield from (text for item in (*listed, *ids) if (text := item.strip()))
    file = environ.get("ANSIBLE_VAULT_PASSWORD_FILE", "")
    yield from (f"@{name}" for name in (*files, file) if name)
    if ask:
        yield f"@{_OLD_PROMPT}"


def open_vault(sources: Sequence[str], *, new: bool = False, needed: bool = False) -> Vault:
    """A vault with the passwords of ``sources``. Raises click.UsageError and, where somebody is asked, click.Abort."""
    from provision.cli.questions import can_ask
    from provision.vault import Vault

    if needed and not sources and can_ask():
        sources = [f"@{_OLD_PROMPT}"]
    return Vault([_password(source, new=new) for source in sources])


def _password(source: str, *, new: bool) -> Password:
    from provision.cli.questions import ask_vault_password, can_ask
    from provision.vault import DEFAULT_LABEL, Password
    from provision.vault_passwords import password_from

    label, at, name = source.partition("@")
    label, name = (label or DEFAULT_LABEL, name) if at else (DEFAULT_LABEL, source)
    if not name or ";" in label or not label.isprintable():
        raise click.UsageError(
            f"--vault-id {source}: not of the form LABEL@SOURCE\nfor example prod@vault-password.txt"
        )
    if name not in (_PROMPT, _OLD_PROMPT):
        return Password(label, functools.partial(password_from, Path(name), label))
    shown = label if name == _PROMPT else ""
    password = Password(label, functools.partial(ask_vault_password, shown, new=new))
    if can_ask():
        # Now, while nothing is drawn on the screen; elsewhere it fails where it is needed, and only then.
        password.value()
    return password
