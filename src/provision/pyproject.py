"""A folder's pyproject.toml, with the place of what is wrong in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provision.content import Content
from provision.errors import ConfigError, Position

NAME = "pyproject.toml"


@dataclass(frozen=True)
class Pyproject:
    """The tables of ``content``'s pyproject.toml; without one it has none."""

    content: Content
    tables: Mapping[str, Any]

    def table(self, *path: str) -> Mapping[str, Any]:
        """The table ``path``, empty where there is none. Raises ConfigError for anything else."""
        table: Any = self.tables
        for key in path:
            table = table.get(key, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{'.'.join(path)} is not a table", position=self.position(rf"\W*{path[-1]}\b"))
        return table  # type: ignore[no-any-return]

    def text(self, *path: str) -> str:
        """The string ``path``, empty where there is none. Raises ConfigError for anything else."""
        value = self.table(*path[:-1]).get(path[-1], "")
        if not isinstance(value, str):
            raise ConfigError(f"{'.'.join(path)} is not a string", position=self.position(rf"\s*{path[-1]}\s*="))
        return value

    def position(self, pattern: str) -> Position:
        """The place of the first line that begins with ``pattern``."""
        lines = enumerate(self.content.text(NAME).splitlines(), start=1)
        return Position(self.content.place / NAME, next((n for n, line in lines if re.match(pattern, line)), 1), 1)


def read_pyproject(content: Content) -> Pyproject:
    """The pyproject.toml of a folder. Raises ConfigError for one that is no TOML."""
    return Pyproject(content, read_toml(content, NAME))


def read_toml(content: Content, name: str) -> Mapping[str, Any]:
    """The tables of a TOML file, none where there is no such file. Raises ConfigError."""
    path = content.place / name
    try:
        return tomllib.loads(content.read(name).decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        # The place is in the text alone before Python 3.14.
        found = re.search(r"at line (\d+), column (\d+)", str(error))
        position = Position(path, int(found[1]), int(found[2])) if found else None
        problem = str(error).removesuffix(f"({found[0]})").rstrip() if found else str(error)
        raise ConfigError(f"not valid TOML: {problem}", position=position or Position(path, 1, 1)) from error
