"""What the app's folder says about it: pyproject.toml, alembic.ini and the source itself."""

from __future__ import annotations

import configparser
import posixpath
import re
from dataclasses import dataclass
from functools import cached_property

from provision.content import Content
from provision.entrypoint import DEFAULT_FILES, Candidate, Entrypoint, candidates, discover
from provision.errors import ConfigError
from provision.pyproject import Pyproject, read_pyproject

_LONGEST_NAME = 24
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Project:
    """Facts of the app in one folder, each worked out when it is asked for; what is missing raises ConfigError then.

    ``content`` holds what will be shipped: a file that git ignores says nothing here.
    """

    content: Content
    pyproject: Pyproject
    folder_name: str
    """What the app is called where pyproject.toml does not say."""

    @cached_property
    def name(self) -> str:
        """The app's name: that of pyproject.toml, else the folder's, in [a-z0-9-] and at most 24 letters."""
        written = self.written_name
        name = re.sub(r"[^a-z0-9]+", "-", written.lower()).strip("-")[:_LONGEST_NAME].rstrip("-")
        if not name:
            raise ConfigError(f"no app name can be made of {written!r}", hint="write app_name into the inventory")
        return name

    @property
    def written_name(self) -> str:
        """The name as it is written: that of pyproject.toml, else the folder's."""
        texts = (self.pyproject.text(*table, "name") for table in (("project",), ("tool", "poetry")))
        return next(filter(None, texts), self.folder_name)

    @property
    def entrypoint(self) -> Entrypoint:
        """The app, as `fastapi run` without arguments finds it."""
        if self.discovered is None:
            raise self.no_entrypoint()
        return self.discovered

    @cached_property
    def discovered(self) -> Entrypoint | None:
        """``entrypoint``, or None where there is none to find."""
        if written := self.pyproject.text("tool", "fastapi", "entrypoint"):
            if not _TARGET.fullmatch(written):
                raise ConfigError(
                    f"[tool.fastapi] entrypoint {written!r} is not of the form package.module:variable",
                    position=self.pyproject.position(r"\s*entrypoint\s*="),
                )
            return Entrypoint(written)
        return discover(self.content)

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Places that may be the app where ``entrypoint`` finds none, the likeliest first."""
        return candidates(self.content)

    def folder_of(self, target: str) -> str:
        """The folder that holds the package of ``target``: the nearest to the root, '' where there is none."""
        module = target.partition(":")[0].replace(".", "/")
        names = (f"{module}.py", f"{module}/__init__.py")
        found = [
            name.removesuffix(end) for end in names for name in self.content.names if f"/{name}".endswith(f"/{end}")
        ]
        return min(found, key=lambda folder: (folder.count("/"), folder), default="").rstrip("/")

    @cached_property
    def has_alembic(self) -> bool:
        """Is there an alembic.ini at the root?"""
        return "alembic.ini" in self.content

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What will probably not do what its author expects, one sentence each."""
        folder = self._revisions()
        if not folder or any(name.startswith(f"{folder}/") and name.endswith(".py") for name in self.content.names):
            return ()
        return (f"alembic.ini points to {folder}, which holds no revision: `alembic upgrade head` will do nothing",)

    def _revisions(self) -> str:
        """The folder of Alembic's revisions, relative to the root; empty where it cannot be told."""
        ini = configparser.RawConfigParser(defaults={"script_location": "alembic"})
        try:
            ini.read_string(self.content.text("alembic.ini"))
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
        why = f"no [tool.fastapi] entrypoint, and none in {places}"
        lines = [f"`fastapi run` finds no app in the folder {self.content.place}: {why}"]
        lines += [f"  {candidate.entrypoint.target}  (seen in {candidate.source})" for candidate in self.candidates[:5]]
        target = self.candidates[0].entrypoint.target if self.candidates else "package.module:variable"
        return ConfigError("\n".join(lines), hint=f"write into the inventory: app_entrypoint: {target}")


def read_project(content: Content, folder: str = "", folder_name: str = "") -> Project:
    """The project in ``folder`` of a tree, which is called ``folder_name`` if nothing in it has a name.

    Raises ConfigError.
    """
    whole = Project(content, read_pyproject(content), folder_name or content.place.name)
    if not folder:
        return whole
    here = content.below(folder)
    return Project(here, read_pyproject(here), whole.written_name)
