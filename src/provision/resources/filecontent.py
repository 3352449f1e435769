"""What copy and template share: one regular file of the host, its whole content, owner and mode."""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from provision.resources.base import Content, Diff, Digest, Facts, Preview, Read, Stat, State, Step
from provision.resources.fields import Mode
from provision.resources.replaced import keep_old
from provision.shell import Sh, lines, sh

PREVIEW_LIMIT = 64 * 1024
"""Bytes above which no diff of a content is shown, as in the read ``Content``."""

UNIT = re.compile(r"[\w:.\\-]+(@[\w:.\\-]*)?\.(service|socket|timer|path|mount|automount|swap|target|slice)", re.ASCII)
"""The full name of a unit."""


@dataclass(frozen=True, kw_only=True)
class FileContent(ABC):
    """A regular file with exactly this content. A link at ``dest`` is replaced, never followed.

    ``validate`` is a command without shell features; its ``%s`` is the new file, before that takes the old one's
    place. With ``validate_tree``, a folder above ``dest``, it is a copy of that folder with the new file in place:
    two files that are valid alone can make an invalid whole.

    ``tried_by`` is the full name of the unit that a handler restarts or reloads for the file. Where that fails, the old
    file is put back, and the unit goes on as before.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("dest",)

    dest: str
    owner: str = "root"
    group: str = "root"
    mode: Mode = field(default=Mode("0644"))
    validate: str = ""
    validate_tree: str = ""
    tried_by: str = ""

    def __post_init__(self) -> None:
        check_path("dest", self.dest)
        check_names(owner=self.owner, group=self.group)
        if self.validate and "%s" not in self.validate:
            raise ValueError("validate has no %s, the place for the path that is to be checked")
        shlex.split(self.validate)
        if self.tried_by and not UNIT.fullmatch(self.tried_by):
            raise ValueError(f"tried_by {self.tried_by!r} is no full name of a unit, such as caddy.service")
        if self.validate_tree:
            check_path("validate_tree", self.validate_tree)
            if not self.validate:
                raise ValueError("validate_tree needs validate, the command that checks the folder")
            if not self.dest.startswith(self.validate_tree + "/"):
                raise ValueError(f"dest {self.dest} is not inside validate_tree {self.validate_tree}")

    @abstractmethod
    def data(self) -> bytes:
        """The wanted content."""

    def reads(self) -> Iterable[Read]:
        """Everything about ``dest``, and its text for a diff."""
        return (Stat(self.dest), Digest(self.dest), Content(self.dest))

    def desired(self, facts: Facts) -> State:
        """A regular file of this owner, mode and digest."""
        return desired_file(self.dest, self.data(), owner=self.owner, group=self.group, mode=self.mode)

    def change(self, diff: Diff) -> list[Step]:
        """One step: write beside ``dest``, validate, rename."""
        keep = keep_old(self.tried_by) if self.tried_by else ""
        check = lines(validation(self.dest, self.validate, self.validate_tree) or "", keep)
        script = replace_file(self.dest, owner=self.owner, group=self.group, mode=self.mode, check=check)
        return [Step(script, files={"content": self.data()})]

    def preview(self) -> Preview | None:
        """The new text, unless it is long or no text at all."""
        data = self.data()
        if len(data) > PREVIEW_LIMIT:
            return None
        try:
            return Preview(Content(self.dest), data.decode())
        except UnicodeDecodeError:
            return None


def desired_file(dest: str, data: bytes, *, owner: str = "root", group: str = "root", mode: str = "0644") -> State:
    """The state of a regular file, for a kind that reads ``Stat`` and ``Digest`` of it."""
    stat = Stat(dest)
    return {
        stat["type"]: "file",
        stat["mode"]: mode.zfill(4),
        stat["owner"]: owner,
        stat["group"]: group,
        Digest(dest)["sha256"]: hashlib.sha256(data).hexdigest(),
    }


def replace_file(
    dest: str, *, owner: str = "root", group: str = "root", mode: str = "0644", check: Sh | None = None
) -> Sh:
    """A script that puts ``"$FILES"/content`` at ``dest`` by a rename, so that a reader sees the old or the new file.

    ``check`` runs before the rename, with the new file at ``"$temp"``; where it fails, ``dest`` stays as it was.
    """
    folder, name = posixpath.split(dest)
    # Hidden, and without the suffix of `name`: no `import sites/*.caddy` takes it up while it is there.
    temp = posixpath.join(folder, "." + name + ".provision")
    return lines(
        sh("dest={}\nfolder={}\ntemp={}", dest, folder, temp),
        _BEFORE_REPLACE,
        sh('install -T -o {} -g {} -m {} -- "$FILES"/content "$temp"', owner, group, mode),
        check or "",
        _REPLACE,
    )


_BEFORE_REPLACE = Sh("""\
if [ ! -d "$folder" ]; then
    echo "$folder is no folder: make it by a task before this one (file: with state: directory)" >&2
    exit 1
fi
if [ -d "$dest" ] && [ ! -L "$dest" ]; then
    echo "$dest is a folder where a file is wanted: move it away first" >&2
    exit 1
fi
trap 'rm -f -- "$temp"' EXIT
trap 'exit 143' HUP INT TERM # an EXIT trap alone is not run when a signal ends dash""")

_REPLACE = Sh("""\
sync -- "$temp"
mv -fT -- "$temp" "$dest\"""")


def validation(dest: str, command: str, tree: str) -> Sh | None:
    """The ``check`` of :func:`replace_file` for the fields ``validate`` and ``validate_tree``."""
    if not command:
        return None
    checked = Sh('"$tree"/tree') if tree else Sh('"$temp"')
    words = (Sh(checked.join(sh("{}", part) for part in word.split("%s"))) for word in shlex.split(command))
    validate = sh(_VALIDATE, Sh(" ".join(words)))
    if not tree:
        return validate
    folder, name = posixpath.split(posixpath.relpath(dest, tree))
    temp = posixpath.join(folder, "." + name + ".provision")
    return lines(sh(_COPY_TREE, tree, temp, posixpath.join(folder, name)), validate)


# The checker may run as another user: the folder above the copy can be passed through, and has a name nobody knows.
# driver.sh, which sets `run`, removes what a step that was killed has left there.
_COPY_TREE = """\
tree=${{run:?}}
tree=$(mktemp -d "${{tree%/*}}-check.XXXXXXXXXX")
trap 'rm -rf -- "$temp" "$tree"' EXIT
chmod 0711 -- "$tree"
cp -aT -- {} "$tree"/tree
mv -fT -- "$tree"/tree/{} "$tree"/tree/{}"""

_VALIDATE = """\
{} || {{
    echo "validate refused the new $dest (status $?); nothing was changed" >&2
    exit 1
}}"""


def check_path(field_name: str, path: str) -> None:
    """Raise ValueError unless ``path`` is absolute, normal and below the root."""
    if not path.startswith("/"):
        raise ValueError(f"{field_name} must be an absolute path, not {path!r}")
    if path != posixpath.normpath(path) or path == "/":
        raise ValueError(f"{field_name} {path!r} must name one thing: no trailing slash, no '..', no '//'")
    if "\n" in path or "\0" in path:
        raise ValueError(f"{field_name} {path!r} has a line break in it")


def check_names(**names: str | None) -> None:
    """Raise ValueError for an owner or group given by number: a host is read by name."""
    for field_name, name in names.items():
        if name is not None and (not name or name.isdigit()):
            raise ValueError(f"{field_name} takes the name of an account, not {name!r}")
