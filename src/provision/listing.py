"""Which files of a folder are the app's: what git would take, less what must stay on the controller."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import yaml

from provision.content import Content, folder_content
from provision.errors import ConfigError
from provision.git import complaint, git
from provision.vault import MARK

LEFT_OUT = (
    *(".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", "*.pyc", ".DS_Store"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox"),
)
"""Names that are never part of an app, at any depth; git's own list of tracked files comes before them."""

_ENV_PATTERNS = (".example", ".sample", ".template", ".dist")
_ENV_KEY = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\n]*)""",
    re.MULTILINE | re.DOTALL | re.ASCII,
)
_GROUP_KEYS = {"hosts", "children", "vars"}


def list_files(root: Path, include: Sequence[str] = ()) -> list[str]:
    """The app's files below ``root``, sorted, as names relative to it with ``/``.

    In a git work tree these are the tracked and the new files, not the ignored ones; elsewhere all but LEFT_OUT.
    Globs in ``include`` add what these rules leave out. Raises ConfigError.
    """
    return sorted({*shipped(folder_content(root, own_files(root))), *included(root, include)})


def own_files(root: Path) -> frozenset[str]:
    """What git takes for the app's in ``root``, or all but LEFT_OUT where there is no git. Raises ConfigError."""
    tracked = _git_files(root)
    return frozenset(_folder_files(root) if tracked is None else tracked)


def shipped(content: Content) -> frozenset[str]:
    """The names without what stays on the controller, since it may hold secrets or is no part of the app.

    These are ``.env`` files, tracked or not; inventories, YAML that ansible-vault has encrypted
    among them; and ``group_vars`` and ``host_vars`` beside them.
    """
    return frozenset(name for name in content.names - _inventory_files(content) if not is_env_file(name))


def included(root: Path, patterns: Sequence[str]) -> frozenset[str]:
    """The files below ``root`` that the globs ``patterns`` match, but no ``.env``. Raises ConfigError for none."""
    found = (name for pattern in patterns for name in _included(root, pattern))
    return frozenset(name for name in found if not is_env_file(name))


def env_keys(path: Path) -> tuple[str, ...]:
    """The names, never the values, of the variables in the ``.env`` file ``path``, in its order."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return ()
    # The values are matched as well: a line of a quoted private key can look like another name.
    return tuple(dict.fromkeys(found[1] for found in _ENV_KEY.finditer(text)))


def is_env_file(name: str) -> bool:
    """Is it a ``.env``, or one of its kind for some stage? Examples of one are not."""
    base = posixpath.basename(name)
    return base == ".env" or (base.startswith(".env.") and not base.endswith(_ENV_PATTERNS))


def _git_files(root: Path) -> list[str] | None:
    """What git lists below ``root``; None where ``root`` is in no work tree, or is itself ignored by one."""
    patterns = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    try:
        answer = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns)
    except FileNotFoundError:
        if any((folder / ".git").exists() for folder in (root, *root.parents)):
            raise ConfigError(f"{root} is in a git repository, but git is not installed here") from None
        return None
    said = complaint(answer)
    if "not a git repository" in said:
        return None
    if answer.returncode != 0:
        # Going on without git would ship what .gitignore keeps back.
        raise ConfigError(f"git cannot list the files of {root}: {said}")
    names = [os.fsdecode(name) for name in answer.stdout.split(b"\0") if name]
    # At the top of a work tree, `check-ignore .` says yes to a .gitignore of `*`, which is no reason to ship all.
    below_top = git(root, "rev-parse", "--show-prefix").stdout.strip()
    if not names and below_top and git(root.parent, "check-ignore", "--quiet", root.name).returncode == 0:
        return None
    for name in names:
        if (root / name).is_dir() and not (root / name).is_symlink():
            raise submodule(root / name)
    return [name for name in names if os.path.lexists(root / name)]


def submodule(name: str | Path) -> ConfigError:
    """Why a repository inside the app's is refused."""
    return ConfigError(
        f"{name} is a git submodule or a repository of its own, which is not shipped",
        hint="install it as a dependency, or copy its files into the app's repository",
    )


def _folder_files(root: Path, left_out: Collection[str] = LEFT_OUT) -> Iterator[str]:
    """The regular files and symbolic links below ``root``, but not what is called as in ``left_out``, nor any venv."""
    for folder, folders, names in os.walk(root, onerror=_refuse):
        here = Path(folder)
        for name in [*names, *(name for name in folders if (here / name).is_symlink())]:
            path = here / name
            if not _matches(name, left_out) and (path.is_symlink() or path.is_file()):
                yield path.relative_to(root).as_posix()
        folders[:] = [
            name for name in folders if not _matches(name, left_out) and not (here / name / "pyvenv.cfg").is_file()
        ]


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _refuse(error: OSError) -> None:
    raise ConfigError(f"cannot read {error.filename}: {error.strerror}") from error


def _included(root: Path, pattern: str) -> Iterator[str]:
    parts = PurePosixPath(pattern)
    if not parts.parts or parts.is_absolute() or ".." in parts.parts:
        raise ConfigError(f"app_include: {pattern!r} is not a path below {root}")
    try:
        found = list(root.glob(pattern))
    except ValueError as error:
        raise ConfigError(f"app_include: {pattern!r}: {error}") from error
    if not found:
        raise ConfigError(f"app_include: nothing in {root} matches {pattern!r}", hint="build the files first")
    for path in found:
        if path.is_dir() and not path.is_symlink():
            yield from (f"{path.relative_to(root).as_posix()}/{name}" for name in _folder_files(path, left_out=()))
        else:
            yield path.relative_to(root).as_posix()


def _inventory_files(content: Content) -> set[str]:
    names = content.names
    inventories = {name for name in names if name.endswith((".yml", ".yaml")) and _is_inventory(content.read(name))}
    beside = tuple(
        posixpath.join(posixpath.dirname(name), folder, "")
        for name in inventories
        for folder in ("group_vars", "host_vars")
    )
    return inventories | {name for name in names if name.startswith(beside)}


def _is_inventory(data: bytes) -> bool:
    """Is it a mapping of groups, each with nothing but hosts, children and vars? Tags such as !vault are no matter.

    What is encrypted may be one: what lies beside it may be secret too.
    """
    if data.startswith(MARK.encode()):
        return True
    try:
        text = data.decode()
        if "hosts:" not in text and "children:" not in text:
            return False
        top = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError):
        return False
    if not isinstance(top, yaml.MappingNode):
        return False
    groups = [group for _, group in top.value if not (isinstance(group, yaml.ScalarNode) and not group.value)]
    if not all(isinstance(group, yaml.MappingNode) for group in groups):
        return False
    keys = {key.value for group in groups for key, _ in group.value}
    return keys <= _GROUP_KEYS and not keys.isdisjoint({"hosts", "children"})
