"""What is asked on a terminal in the middle of a run. Questions go to standard error, as those of `ssh` do."""

from __future__ import annotations

import select
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.errors import ConfigError, Interrupted
from provision.report import Report

if TYPE_CHECKING:
    from provision.transport.ssh_hostkeys import HostKey


def can_ask() -> bool:
    """Is there somebody to ask?"""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask_become_password() -> str:
    """Ansible's question for the password of sudo; the answer is not shown. Raises ConfigError off a terminal."""
    if not can_ask():
        raise ConfigError(
            "--ask-become-pass asks on a terminal, and this is none", hint="Set ansible_become_password instead."
        )
    return str(click.prompt("BECOME password", hide_input=True, err=True))


def ask_vault_password(label: str, *, new: bool = False) -> bytes:
    """Ansible's question for a password of the vault, a ``new`` one twice. Raises ConfigError off a terminal."""
    if not can_ask():
        raise ConfigError(
            "the password of the vault is asked for on a terminal, and this is none",
            hint="name a file by --vault-password-file FILE",
        )
    of = f" ({label})" if label else ""
    if new:
        confirm = f"Confirm new vault password{of}"
        text = click.prompt(f"New vault password{of}", hide_input=True, err=True, confirmation_prompt=confirm)
    else:
        text = click.prompt(f"Vault password{of}", hide_input=True, err=True)
    if not text.strip():
        raise ConfigError("a password of spaces is none")
    return str(text).strip().encode()


def ask_about_key(key: HostKey, *, report: Report, stopping: threading.Event) -> bool:
    """Is ``key`` the right one? Asked in OpenSSH's words. Raises Interrupted at Ctrl-C."""
    with report.pause():
        sys.stderr.write(key.question)
        # At the end of input there is no answer: that is no.
        while (meant := key.answer(_line(stopping, "the host's key") or "no")) is None:
            sys.stderr.write("Please type 'yes', 'no' or the fingerprint: ")
        return meant


def ask_passphrase(path: Path, *, report: Report, stopping: threading.Event) -> str:
    """The passphrase of the key at ``path``, not shown; asked in OpenSSH's words. Raises Interrupted at Ctrl-C."""
    with report.pause(), _hidden():
        sys.stderr.write(f"Enter passphrase for key '{path}': ")
        typed = _line(stopping, "the passphrase of a key").rstrip("\r\n")
        sys.stderr.write("\n")
        return typed


@contextmanager
def _hidden() -> Iterator[None]:
    """Keep the terminal from showing what is typed, in the block."""
    shown = termios.tcgetattr(sys.stdin)
    silent = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]
    # What was typed before the question was asked is no answer to it.
    termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, shown)


def _line(stopping: threading.Event, about: str) -> str:
    """One line of standard input. A signal reaches the main thread only, so this one looks for it by itself."""
    sys.stderr.flush()
    while not stopping.is_set():
        if select.select([sys.stdin], [], [], 0.1)[0]:
            return sys.stdin.readline()
    sys.stderr.write("\n")
    raise Interrupted(f"stopped at the question about {about}")
