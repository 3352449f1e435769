"""``app_secrets``: values that stand nowhere in the inventory, but where people keep secrets."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from provision.errors import ConfigError

TIMEOUT = 120
"""Seconds for a command, which may have to ask its user for a password."""

_FORMS = "write its value, or {env: NAME}, {file: PATH} or {command: COMMAND}"


class Secrets:
    """Reads each secret once, however many hosts want it. ``folder`` is the inventory's, where relative paths start."""

    def __init__(self, folder: Path, *, read: bool = True) -> None:
        """Without ``read`` nothing is looked up or run: whoever only checks what is written gets empty values."""
        self._folder, self._read = folder, read
        self._known: dict[tuple[str, str], str] = {}
        self._sources: Mapping[str, Callable[[str, str], str]] = {
            "env": self._variable,
            "file": self._file,
            "command": self._command,
        }

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The Jinja filter for role defaults."""
        return {"secret_values": self.values}

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a mapping from names to values or to where they are. Raises ConfigError, which shows none."""
        return {name: self._value(name, source) for name, source in given.items()}

    def _value(self, name: str, source: Any) -> Any:
        if not isinstance(source, Mapping):
            return source
        if len(source) != 1 or (kind := next(iter(source))) not in self._sources:
            raise ConfigError(f"{name}: a secret comes from one place", hint=_FORMS)
        place = source[kind]
        if not isinstance(place, str) or not place:
            raise ConfigError(f"{name}: {kind} must be text", hint=_FORMS)
        if not self._read:
            return ""
        if (kind, place) not in self._known:
            self._known[kind, place] = self._sources[kind](name, place)
        return self._known[kind, place]

    def _variable(self, name: str, variable: str) -> str:
        if variable not in os.environ:
            hint = f"set it where provision runs: export {variable}=..."
            raise ConfigError(f"{name}: the environment has no variable {variable}", hint=hint)
        return os.environ[variable]

    def _file(self, name: str, path: str) -> str:
        file = self._folder / Path(path).expanduser()
        try:
            return _trimmed(file.read_bytes().decode())
        except OSError as error:
            raise ConfigError(f"{name}: {file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name}: {file} is no UTF-8 text", hint="ship a file of bytes as app_files") from error

    def _command(self, name: str, command: str) -> str:
        # Its questions and complaints go to the terminal, where a password manager may ask to be unlocked.
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", command], cwd=self._folder, stdout=subprocess.PIPE, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigError(f"{name}: `{command}` did not end within {TIMEOUT} s") from error
        if done.returncode:
            hint = "run it by hand; it is run by sh, in the inventory's folder"
            raise ConfigError(f"{name}: `{command}` ended with status {done.returncode}", hint=hint)
        try:
            return _trimmed(done.stdout.decode())
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name}: what `{command}` prints is no UTF-8 text") from error


def _trimmed(text: str) -> str:
    """Less the line break that ends a file and a command's output."""
    return text.removesuffix("\n").removesuffix("\r")
