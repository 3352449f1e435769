"""Where passwords of the vault come from: a file, or a program that prints one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from provision.errors import ConfigError
from provision.vault import MARK


def password_from(path: Path, label: str) -> bytes:
    """The password that a file holds or, where it can be executed, prints. Raises ConfigError."""
    path = path.expanduser()
    try:
        data = _printed(path, label) if path.stat().st_mode & 0o111 and path.is_file() else path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"the vault password file {path} cannot be read: {error.strerror}") from error
    if not data:
        raise ConfigError(f"the vault password file {path} gives no password: it is empty")
    if data.startswith(MARK.encode()):
        hint = "keep it where only you can read it, or let a program print it"
        raise ConfigError(f"the vault password file {path} is itself encrypted", hint=hint)
    return data


def _printed(path: Path, label: str) -> bytes:
    """What a program prints; one called ``...-client`` is told the label, as in Ansible."""
    words: Sequence[str] = ["--vault-id", label] if path.stem.endswith("-client") else []
    try:
        # Standard error stays the user's: the program may ask for something there.
        done = subprocess.run([os.path.abspath(path), *words], stdout=subprocess.PIPE, check=False)
    except OSError as error:
        hint = "if it is no program but holds the password: chmod a-x"
        raise ConfigError(f"the vault password file {path} cannot be run: {error.strerror}", hint=hint) from error
    if done.returncode:
        raise ConfigError(f"the vault password file {path} was run, and ended with {done.returncode}")
    return done.stdout.strip(b"\r\n")
