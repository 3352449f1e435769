"""What an app is installed from: uv.lock, poetry.lock, pyproject.toml, requirements.txt or a wheel.

The files may lie in the app's folder or above it, as the lock of a workspace does.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from provision.content import Content
from provision.errors import ConfigError
from provision.pyproject import Pyproject, read_pyproject
from provision.python_versions import accepts

DependencySource = Literal["uv-lock", "poetry-lock", "pyproject", "requirements", "wheel"]

_VERSION_CLAUSE = re.compile(r"\s*(~=|===?|!=|<=?|>=?)\s*v?\d+(\.(\d+|\*))*[a-z0-9.+-]*\s*")
_PIN = re.compile(r"(?:cpython[-@]|python[-@]?)?v?(3\.\d+)(?:\.\d+)?")


@dataclass(frozen=True)
class Dependencies:
    """Where they are said, and which Python they need."""

    source: DependencySource
    folder: str
    """Where uv is run, relative to the tree; '' for its root."""
    requires_python: str = ""
    """``requires-python`` as it is written; empty where nothing says it."""
    pinned_python: str = ""
    """The minor version in ``.python-version``, which often asks for more than is needed."""
    pyproject: Pyproject | None = field(default=None, repr=False)
    """That of ``folder``."""
    wheel: str = ""
    """The name of the wheel, where that is the source."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What its author should know, one sentence each."""
        if not self.pinned_python or accepts(self.requires_python, self.pinned_python):
            return ()
        return (
            f".python-version asks for {self.pinned_python}, which requires-python ({self.requires_python}) does not "
            "accept; it is ignored",
        )

    def requirements(self, groups: Sequence[str] = (), extras: Sequence[str] = ()) -> str:
        """What poetry.lock locks, as requirements.txt; empty for every other source. Raises ConfigError."""
        if self.source != "poetry-lock" or self.pyproject is None:
            return ""
        from provision import poetry_lock

        return poetry_lock.requirements(self.pyproject, groups, extras)


@dataclass(frozen=True)
class _Place:
    """One folder that may say what to install."""

    folder: str
    content: Content

    @cached_property
    def pyproject(self) -> Pyproject:
        return read_pyproject(self.content)

    @property
    def source(self) -> DependencySource | None:
        project = self.pyproject.table("project")
        if "pyproject.toml" in self.content and "uv.lock" in self.content:
            return "uv-lock"
        if "poetry.lock" in self.content and "requirements.txt" not in self.content:
            return "poetry-lock"
        if "dependencies" in project and "poetry.lock" not in self.content:
            return "pyproject"
        if "requirements.txt" in self.content:
            return "requirements"
        return "pyproject" if "dependencies" in project.get("dynamic", ()) else None

    @property
    def requires_python(self) -> str:
        written = self.pyproject.text("project", "requires-python")
        if not all(_VERSION_CLAUSE.fullmatch(clause) for clause in written.split(",") if clause.strip()):
            raise ConfigError(
                f"requires-python {written!r} is not a list of versions such as >=3.11,<4",
                position=self.pyproject.position(r"\s*requires-python\s*="),
            )
        if written:
            return written
        from provision import poetry_lock

        return poetry_lock.requires_python(self.pyproject)

    @property
    def pinned_python(self) -> str:
        lines = (line.strip() for line in self.content.text(".python-version").splitlines())
        found = _PIN.fullmatch(next((line for line in lines if line and not line.startswith("#")), ""))
        return found[1] if found else ""


def find_dependencies(content: Content, folder: str) -> Dependencies:
    """What the app in ``folder`` of a tree is installed from: the nearest that says it, but a uv.lock above comes
    before a pyproject.toml that has none. Raises ConfigError.
    """
    places = [_Place(above, content.below(above)) for above in _upward(folder)]
    saying = [(source, place) for place in places if (source := place.source)]
    if not saying:
        raise ConfigError(
            f"nothing in the folder {content.place / folder} says what to install",
            hint="looked for uv.lock, poetry.lock, pyproject.toml with [project] dependencies, and requirements.txt, "
            "among the files that git does not ignore",
        )
    source, chosen = saying[0]
    if source == "pyproject":
        source, chosen = next((found for found in saying if found[0] == "uv-lock"), saying[0])
    run_in = _member(places, chosen) if source == "uv-lock" else chosen
    requires = dict.fromkeys(place.requires_python for place in (run_in, chosen) if place.requires_python)
    return Dependencies(
        source=source,
        folder=run_in.folder,
        requires_python=",".join(requires),
        pinned_python=next((place.pinned_python for place in places if place.pinned_python), ""),
        pyproject=run_in.pyproject,
    )


def _member(places: Sequence[_Place], lock: _Place) -> _Place:
    """Where `uv sync` is run: in the nearest project below the lock of a workspace, else beside the lock."""
    if "workspace" not in lock.pyproject.table("tool", "uv"):
        return lock
    return next(place for place in places if place is lock or place.pyproject.table("project"))


def _upward(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""
