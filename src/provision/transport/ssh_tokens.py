"""What stands for something else in ssh_config(5): ``%h`` and its kind, ``${NAME}``, and ``~``."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.errors import ConfigError


@dataclass(frozen=True)
class Tokens:
    """The values of one connection's tokens; ``name`` is the host's in messages."""

    name: str
    original: str
    """The host as it was asked for."""
    address: str
    port: int
    user: str
    alias: str = ""
    jump: str = ""

    def line(self, option: str, text: str) -> str:
        """``text``, the value of ProxyCommand or ProxyJump."""
        return self._expanded(option, text, self._few())

    def path(self, option: str, text: str) -> Path:
        """``text``, the name of a file, which may begin with ``~`` and hold variables of the environment."""

        def variable(found: re.Match[str]) -> str:
            if found.group(1) not in os.environ:
                raise ConfigError(f"{self.name}: {option} {text}: ${found.group(1)} is not set")
            return os.environ[found.group(1)]

        expanded = Path(self._expanded(option, text, self._few() | self._many()) if "%" in text else text)
        try:
            return Path(re.sub(r"\$\{(\w+)\}", variable, str(expanded.expanduser())))
        except RuntimeError as error:
            raise ConfigError(f"{self.name}: {option} {text}: there is no such user") from error

    def _few(self) -> dict[str, str]:
        values = {"h": self.address, "n": self.original, "p": str(self.port), "r": self.user}
        return values | {"%": "%"}

    def _many(self) -> dict[str, str]:
        here, home = socket.gethostname(), str(Path.home())
        joined = f"{here}{self.address}{self.port}{self.user}{self.jump}"
        own = {"L": here.partition(".")[0], "l": here, "d": home, "i": str(os.getuid()), "u": getpass.getuser()}
        digest = hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()
        return own | {"C": digest, "j": self.jump, "k": self.alias or self.original}

    def _expanded(self, option: str, text: str, values: Mapping[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            if found.group(1) not in values:
                raise ConfigError(
                    f"{self.name}: {option} {text}: {found.group()} stands for nothing here",
                    hint=f"there are {', '.join(f'%{key}' for key in sorted(values))}; a percent sign is %%",
                )
            return values[found.group(1)]

        return re.sub(r"%(.?)", value, text)
