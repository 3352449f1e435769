"""The app on the controller: its files, their digest and archive, and what they say about the project."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from provision import archive, listing
from provision.archive import SourceFile
from provision.commit import Commit, read_commit
from provision.content import Content, folder_content
from provision.dependencies import Dependencies, find_dependencies
from provision.errors import ConfigError
from provision.nearest import did_you_mean
from provision.project import Project, read_project
from provision.python_versions import choose

_NO_FILE = (
    "does git ignore all of it, or does the app lie elsewhere? "
    "app_source names its folder; without it that is the inventory's own"
)


@dataclass(frozen=True)
class Source:
    """What to ship, as an inventory says it."""

    path: str
    """The folder on the controller, or a wheel; a relative path starts at the inventory's folder."""
    subdir: str = ""
    """The app's folder in it, where that is not the folder itself (``app_source_subdir``)."""
    include: tuple[str, ...] = ()
    """Globs of files that git ignores, to ship all the same (``app_include``)."""
    ref: str = ""
    """A branch, tag or commit to ship in place of the work tree (``app_source_ref``)."""

    @classmethod
    def of(cls, value: str | Mapping[str, Any]) -> Source:
        """From a path, or from a mapping with these fields."""
        if isinstance(value, str):
            return cls(value)
        return cls(**{**value, "include": tuple(value.get("include", ()))})


@dataclass(frozen=True)
class SourceTree:
    """The files of one app as they will be shipped. Equal content has an equal ``digest``, on every machine."""

    path: Path
    files: tuple[SourceFile, ...]
    digest: str
    """SHA-256 in hex of names, modes (0644 or 0755) and bytes."""
    content: Content = field(compare=False, repr=False)
    project: Project = field(compare=False, repr=False)
    """What the app's folder says."""
    folder: str = ""
    """The app's folder, relative to the tree: the working directory on the host. '' for its root."""
    left_out_env_keys: tuple[str, ...] = ()
    """Names of the variables in a ``.env``, which is never shipped; they belong into ``app_env``."""
    left_out: tuple[str, ...] = ()
    """Other files of that kind that git tracks and that are not shipped."""
    wheel: Dependencies | None = field(default=None, compare=False, repr=False)
    """How it is installed, of a wheel."""

    @cached_property
    def archive(self) -> bytes:
        """An uncompressed tar of the files. Raises ConfigError if one has changed since the tree was packed."""
        return archive.tar(self.content, self.files)

    @cached_property
    def dependencies(self) -> Dependencies:
        """What the app is installed from. Raises ConfigError where nothing says it."""
        return self.wheel or find_dependencies(self.content, self.folder)

    @cached_property
    def app_files(self) -> tuple[SourceFile, ...]:
        """The files in the app's own folder, by their names there."""
        prefix = f"{self.folder}/" if self.folder else ""
        inside = (file for file in self.files if file.name.startswith(prefix))
        return tuple(replace(file, name=file.name.removeprefix(prefix)) for file in inside)

    def notes(self, app_env: Collection[str] = ()) -> tuple[str, ...]:
        """What its author should know before it runs, one sentence each; ``app_env`` are the names that are set."""
        notes = [*self.project.warnings, *self.dependencies.notes]
        if missing := [name for name in self.left_out_env_keys if name not in app_env]:
            keys = ", ".join(missing)
            notes.append(f".env is never shipped; what the app needs of it belongs into app_env: {keys}")
        if self.left_out:
            notes.append(f"never shipped, as they may hold secrets: {', '.join(self.left_out)}")
        return tuple(notes)


def pack(
    path: Path,
    include: Sequence[str] = (),
    *,
    subdir: str = "",
    ref: str = "",
    kept: Collection[Path] = (),
) -> SourceTree:
    """Read the app in ``path``, a folder or a wheel; the rest is as in :class:`Source`.

    Which files belong to it is said at :mod:`provision.listing`; ``kept``, resolved, do not, unless ``include`` names
    them. Raises ConfigError.
    """
    if not path.exists():
        raise ConfigError(
            f"app_source: there is no folder {path}", hint="relative paths start at the inventory's folder"
        )
    if path.suffix == ".whl" and path.is_file():
        return _pack_wheel(path.resolve())
    if not path.is_dir():
        raise ConfigError(
            f"app_source: {path} is not a folder", hint="name the folder that holds pyproject.toml, or a wheel (.whl)"
        )
    root = path.resolve()
    commit = read_commit(root, ref) if ref else None
    whole = commit.content if commit else folder_content(root, listing.own_files(root))
    added = listing.included(root, include)
    shipped = listing.shipped(whole) - {path.relative_to(root).as_posix() for path in kept if path.is_relative_to(root)}
    if not shipped | added:
        raise ConfigError(f"app_source: the folder {whole.place} holds no file to ship", hint=_NO_FILE)
    content = _with_work_tree(root, whole, shipped, added)
    files = tuple(_describe(root, name, commit) for name in sorted(content.names))
    folder = _folder(content, subdir)
    read = [env for env in dict.fromkeys((".env", posixpath.join(folder, ".env"))) if (root / env).is_file()]
    return SourceTree(
        path=root,
        files=files,
        digest=archive.digest(files),
        content=content,
        project=read_project(content, folder, root.name),
        folder=folder,
        left_out_env_keys=tuple(dict.fromkeys(key for env in read for key in listing.env_keys(root / env))),
        left_out=tuple(sorted(name for name in whole.names if listing.is_env_file(name) and name not in read)),
    )


def _pack_wheel(path: Path) -> SourceTree:
    from provision.wheel import read_wheel

    modules, name, dependencies = read_wheel(path)
    files = (archive.describe(path.parent, path.name),)
    content = folder_content(path.parent, frozenset({path.name}))
    project = read_project(modules, "", name)
    return SourceTree(path.parent, files, archive.digest(files), content, project, wheel=dependencies)


def _with_work_tree(root: Path, whole: Content, shipped: frozenset[str], added: frozenset[str]) -> Content:
    """What git ignores is in no commit, so ``added`` comes from the work tree."""
    built = folder_content(root, added)
    return Content(whole.place, shipped | added, lambda name: (built if name in added else whole).load(name))


def _describe(root: Path, name: str, commit: Commit | None) -> SourceFile:
    return commit.files[name] if commit and name in commit.files else archive.describe(root, name)


def _folder(content: Content, subdir: str) -> str:
    folder = posixpath.normpath(subdir) if subdir else ""
    if folder in ("", "."):
        return ""
    if folder.startswith(("/", "..")):
        raise ConfigError(f"app_source_subdir: {subdir!r} is not a folder below app_source")
    if not content.below(folder).names:
        folders = {above for name in content.names for above in _above(name)}
        raise ConfigError(
            f"app_source_subdir: {content.place} has no folder {folder} with files to ship",
            hint=did_you_mean(folder, folders, f"its folders: {', '.join(sorted(folders)[:10]) or 'none'}"),
        )
    return folder


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


class Sources:
    """The apps of one run: each is read once, however many hosts and threads ask for it."""

    def __init__(self, base: Path, kept: Iterable[Path] = ()) -> None:
        """``base`` is the inventory's folder, where relative paths start; the files ``kept`` are never shipped."""
        self._base = base
        self._kept = frozenset(path.resolve() for path in kept)
        self._trees: dict[Source, SourceTree] = {}
        self._lock = Lock()

    def tree(self, source: str | Mapping[str, Any]) -> SourceTree:
        """The packed tree of an ``app_source`` or ``app_tree``. Raises ConfigError."""
        wanted = Source.of(source)
        path = self._base / Path(wanted.path).expanduser()
        key = replace(wanted, path=str(path))
        with self._lock:
            if key not in self._trees:
                self._trees[key] = pack(path, wanted.include, subdir=wanted.subdir, ref=wanted.ref, kept=self._kept)
            return self._trees[key]

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Jinja filters for role defaults; each takes an ``app_source`` or ``app_tree``."""

        def python_path(source: str | Mapping[str, Any], entrypoint: str = "") -> str:
            project = self.tree(source).project
            if entrypoint:
                return project.folder_of(entrypoint)
            likeliest = [candidate.entrypoint for candidate in project.candidates[:1]]
            return next((found.folder for found in [project.discovered, *likeliest] if found), "")

        def python(source: str | Mapping[str, Any], codename: str) -> str:
            dependencies = self.tree(source).dependencies
            return choose(dependencies.requires_python, dependencies.pinned_python, codename)

        def ask(question: Callable[[SourceTree], Any]) -> Callable[[str | Mapping[str, Any]], Any]:
            return lambda source: question(self.tree(source))

        return {
            "project_name": ask(lambda tree: tree.project.name),
            "project_entrypoint": ask(lambda tree: tree.project.entrypoint.target),
            "project_folder": ask(lambda tree: tree.folder),
            "project_python": python,
            "project_python_path": python_path,
            "project_dependency_source": ask(lambda tree: tree.dependencies.source),
            "project_requires_python": ask(lambda tree: tree.dependencies.requires_python),
            "project_migrate_commands": ask(lambda tree: ["alembic upgrade head"] if tree.project.has_alembic else []),
        }


def filters(base: Path) -> dict[str, Callable[..., Any]]:
    """The filters of a new :class:`Sources`, for whoever needs nothing else of it."""
    return Sources(base).filters()
