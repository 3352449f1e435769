"""What a tree says about its app: pyproject.toml, requirements.txt, uv.lock, alembic.ini and the source itself."""

from __future__ import annotations

import configparser
import posixpath
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from provision.entrypoint import DEFAULT_FILES, Candidate, Entrypoint, candidates, discover
from provision.errors import ConfigError, Position

DependencySource = Literal["uv-lock", "pyproject", "requirements"]

_LONGEST_NAME = 24
_VERSION_CLAUSE = re.compile(r"\s*(~=|===?|!=|<=?|>=?)\s*v?\d+(\.(\d+|\*))*[a-z0-9.+-]*\s*")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Project:
    """Facts of the app in ``root``, each worked out when it is asked for; what is missing raises ConfigError then.

    ``files`` are the names that will be shipped: a file that git ignores says nothing here.
    """

    root: Path
    files: Collection[str]
    pyproject: Mapping[str, Any]

    @cached_property
    def name(self) -> str:
        """The app's name: that of pyproject.toml, else the folder's, in [a-z0-9-] and at most 24 letters."""
        written = self._text("project", "name") or self.root.name
        name = re.sub(r"[^a-z0-9]+", "-", written.lower()).strip("-")[:_LONGEST_NAME].rstrip("-")
        if not name:
            raise ConfigError(f"no app name can be made of {written!r}", hint="write app_name into the inventory")
        return name

    @cached_property
    def requires_python(self) -> str:
        """``requires-python`` of pyproject.toml as it is written; empty where it says nothing."""
        written = self._text("project", "requires-python")
        if not all(_VERSION_CLAUSE.fullmatch(clause) for clause in written.split(",") if clause.strip()):
            raise ConfigError(
                f"requires-python {written!r} is not a list of versions such as >=3.11,<4",
                position=self._line(r"\s*requires-python\s*="),
            )
        return written

    @cached_property
    def pinned_python(self) -> str:
        """The first line of ``.python-version``; for information, since it often asks for more than is needed."""
        lines = self._read(".python-version").splitlines()
        return next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")

    @cached_property
    def dependency_source(self) -> DependencySource:
        """Which file says what to install."""
        project = self._table("project")
        if "pyproject.toml" in self.files and "uv.lock" in self.files:
            return "uv-lock"
        if "poetry.lock" in self.files and "requirements.txt" not in self.files:
            raise ConfigError(
                f"{self.root / 'poetry.lock'} is not supported yet",
                hint="`poetry export -o requirements.txt` writes a file that is, with the same versions",
            )
        if "dependencies" in project and "poetry.lock" not in self.files:
            return "pyproject"
        if "requirements.txt" in self.files:
            return "requirements"
        if "dependencies" in project.get("dynamic", ()):
            return "pyproject"
        raise ConfigError(
            f"nothing in the folder {self.root} says what to install",
            hint="looked for uv.lock, pyproject.toml with [project] dependencies, and requirements.txt, "
            "among the files that git does not ignore",
        )

    @property
    def entrypoint(self) -> Entrypoint:
        """The app, as `fastapi run` without arguments finds it."""
        if self.discovered is None:
            raise self.no_entrypoint()
        return self.discovered

    @cached_property
    def discovered(self) -> Entrypoint | None:
        """``entrypoint``, or None where there is none to find."""
        if written := self._text("tool", "fastapi", "entrypoint"):
            if not _TARGET.fullmatch(written):
                raise ConfigError(
                    f"[tool.fastapi] entrypoint {written!r} is not of the form package.module:variable",
                    position=self._line(r"\s*entrypoint\s*="),
                )
            return Entrypoint(written)
        return discover(self.root, self.files)

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Places that may be the app where ``entrypoint`` finds none, the likeliest first."""
        return candidates(self.root, self.files)

    def folder_of(self, target: str) -> str:
        """The folder that holds the package of ``target``: the nearest to the root, '' where there is none."""
        module = target.partition(":")[0].replace(".", "/")
        names = (f"{module}.py", f"{module}/__init__.py")
        found = [name.removesuffix(end) for end in names for name in self.files if f"/{name}".endswith(f"/{end}")]
        return min(found, key=lambda folder: (folder.count("/"), folder), default="").rstrip("/")

    @cached_property
    def has_alembic(self) -> bool:
        """Is there an alembic.ini at the root?"""
        return "alembic.ini" in self.files

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What will probably not do what its author expects, one sentence each."""
        folder = self._revisions()
        if not folder or any(name.startswith(f"{folder}/") and name.endswith(".py") for name in self.files):
            return ()
        return (f"alembic.ini points to {folder}, which holds no revision: `alembic upgrade head` will do nothing",)

    def _revisions(self) -> str:
        """The folder of Alembic's revisions, relative to the root; empty where it cannot be told."""
        ini = configparser.RawConfigParser(defaults={"script_location": "alembic"})
        try:
            ini.read_string(self._read("alembic.ini"))
            written = ini.get("alembic", "version_locations", fallback="")
            written = written or ini.get("alembic", "script_location") + "/versions"
        except configparser.Error:
            return ""
        location = written.replace("%(here)s/", "")
        # A package ("app:migrations"), several folders, or some other interpolation: Alembic knows, we do not.
        return "" if re.search(r"[\s:;,%]|^/", location) else posixpath.normpath(location)

    def no_entrypoint(self) -> ConfigError:
        """The error that lists the candidates."""
        places = ", ".join(DEFAULT_FILES)
        lines = [
            f"`fastapi run` finds no app in the folder {self.root}: no [tool.fastapi] entrypoint, and none in {places}"
        ]
        lines += [f"  {candidate.entrypoint.target}  (seen in {candidate.source})" for candidate in self.candidates[:5]]
        target = self.candidates[0].entrypoint.target if self.candidates else "package.module:variable"
        return ConfigError("\n".join(lines), hint=f"write into the inventory: app_entrypoint: {target}")

    def _table(self, *path: str) -> Mapping[str, Any]:
        table: Any = self.pyproject
        for key in path:
            table = table.get(key, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{'.'.join(path)} is not a table", position=self._line(rf"\W*{path[-1]}\b"))
        return table  # type: ignore[no-any-return]

    def _text(self, *path: str) -> str:
        value = self._table(*path[:-1]).get(path[-1], "")
        if not isinstance(value, str):
            raise ConfigError(f"{'.'.join(path)} is not a string", position=self._line(rf"\s*{path[-1]}\s*="))
        return value

    def _line(self, pattern: str) -> Position:
        """The place in pyproject.toml of the first line that begins with ``pattern``."""
        lines = enumerate(self._read("pyproject.toml").splitlines(), start=1)
        return Position(self.root / "pyproject.toml", next((n for n, line in lines if re.match(pattern, line)), 1), 1)

    def _read(self, name: str) -> str:
        return (self.root / name).read_text("utf-8", errors="replace") if name in self.files else ""


def read_project(root: Path, files: Collection[str]) -> Project:
    """The project of the tree ``root`` (resolved) whose shipped files are ``files``. Raises ConfigError."""
    path = root / "pyproject.toml"
    if "pyproject.toml" not in files:
        return Project(root, files, {})
    try:
        return Project(root, files, tomllib.loads(path.read_text("utf-8")))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        # The place is in the text alone before Python 3.14.
        found = re.search(r"at line (\d+), column (\d+)", str(error))
        position = Position(path, int(found[1]), int(found[2])) if found else None
        problem = str(error).removesuffix(f"({found[0]})").rstrip() if found else str(error)
        raise ConfigError(f"not valid TOML: {problem}", position=position or Position(path, 1, 1)) from error
