"""The app on the controller: its files, their digest and archive, and what they say about the project."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from provision import archive, listing
from provision.archive import SourceFile
from provision.errors import ConfigError
from provision.project import Project, read_project

_NO_FILE = (
    "does git ignore all of it, or does the app lie elsewhere? "
    "app_source names its folder; without it that is the inventory's own"
)


@dataclass(frozen=True)
class SourceTree:
    """The files of one app as they will be shipped. Equal content has an equal ``digest``, on every machine."""

    path: Path
    files: tuple[SourceFile, ...]
    digest: str
    """SHA-256 in hex of names, modes (0644 or 0755) and bytes."""
    project: Project = field(compare=False, repr=False)
    left_out_env_keys: tuple[str, ...]
    """Names of the variables in a ``.env``, which is never shipped; they belong into ``app_env``."""

    @cached_property
    def archive(self) -> bytes:
        """An uncompressed tar of the files. Raises ConfigError if one has changed since the tree was packed."""
        return archive.tar(self.path, self.files)

    def notes(self, app_env: Collection[str] = ()) -> tuple[str, ...]:
        """What its author should know before it runs, one sentence each; ``app_env`` are the names that are set."""
        missing = [name for name in self.left_out_env_keys if name not in app_env]
        if not missing:
            return self.project.warnings
        left_out = f".env is never shipped; what the app needs of it belongs into app_env: {', '.join(missing)}"
        return (*self.project.warnings, left_out)


def pack(path: Path, include: Sequence[str] = ()) -> SourceTree:
    """Read the app in the folder ``path``; ``include`` are globs of ignored files to ship all the same.

    Which files belong to it is said at :func:`provision.listing.list_files`. Raises ConfigError.
    """
    if not path.exists():
        raise ConfigError(
            f"app_source: there is no folder {path}", hint="relative paths start at the inventory's folder"
        )
    if not path.is_dir():
        raise ConfigError(f"app_source: {path} is not a folder", hint="name the folder that holds pyproject.toml")
    root = path.resolve()
    names = listing.list_files(root, include)
    if not names:
        raise ConfigError(f"app_source: the folder {root} holds no file to ship", hint=_NO_FILE)
    files = tuple(archive.describe(root, name) for name in names)
    project = read_project(root, frozenset(names))
    return SourceTree(root, files, archive.digest(files), project, listing.env_keys(root))


class Sources:
    """The apps of one run: each folder is read once, however many hosts and threads ask for it."""

    def __init__(self, base: Path) -> None:
        """``base`` is the inventory's folder, where relative paths start."""
        self._base = base
        self._trees: dict[tuple[Path, tuple[str, ...]], SourceTree] = {}
        self._lock = Lock()

    def tree(self, app_source: str, include: Sequence[str] = ()) -> SourceTree:
        """The packed tree of an ``app_source`` value. Raises ConfigError."""
        key = (self._base / Path(app_source).expanduser(), tuple(include))
        with self._lock:
            if key not in self._trees:
                self._trees[key] = pack(*key)
            return self._trees[key]

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Jinja filters for role defaults; each takes an ``app_source`` value."""

        def python_path(app_source: str, entrypoint: str = "") -> str:
            project = self.tree(app_source).project
            if entrypoint:
                return project.folder_of(entrypoint)
            likeliest = [candidate.entrypoint for candidate in project.candidates[:1]]
            return next((found.folder for found in [project.discovered, *likeliest] if found), "")

        def ask(question: Callable[[Project], Any]) -> Callable[[str], Any]:
            return lambda app_source: question(self.tree(app_source).project)

        return {
            "project_name": ask(lambda project: project.name),
            "project_entrypoint": ask(lambda project: project.entrypoint.target),
            "project_python_path": python_path,
            "project_dependency_source": ask(lambda project: project.dependency_source),
            "project_requires_python": ask(lambda project: project.requires_python),
            "project_migrate_commands": ask(lambda project: ["alembic upgrade head"] if project.has_alembic else []),
        }


def filters(base: Path) -> dict[str, Callable[..., Any]]:
    """The filters of a new :class:`Sources`, for whoever needs nothing else of it."""
    return Sources(base).filters()
