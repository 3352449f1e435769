"""``file``: a folder, a link, the owner and mode of a file, or nothing at a path of the host."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.resources.base import Diff, Facts, Read, Stat, State, Step
from provision.resources.fields import Mode, option
from provision.resources.filecontent import check_names, check_path
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class File:
    """What is at ``path``. Owner, group and mode that are not given are left as they are (new: root, 0755).

    Ansible's ``state: touch`` and ``recurse`` are left out: they change something at every run, or read a whole tree.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("path",)

    path: str = field(metadata=option(aliases=("dest", "name")))
    state: Literal["file", "directory", "link", "absent"] = "file"
    src: str | None = None
    owner: str | None = None
    group: str | None = None
    mode: Mode | None = None

    def __post_init__(self) -> None:
        check_path("path", self._path)
        check_names(owner=self.owner, group=self.group)
        if (self.src is not None) != (self.state == "link"):
            raise ValueError("src, where a link points, goes with state: link and only with it")
        if self.state == "link" and self.mode is not None:
            raise ValueError("a link has no mode of its own")
        if self.state == "absent" and posixpath.dirname(self._path) == "/":
            raise ValueError(f"path {self.path} is a top-level folder of the host: it will not be removed")

    @property
    def _path(self) -> str:
        # A trailing slash is usual for a folder, and would make stat follow a link.
        return self.path.rstrip("/") or "/"

    def reads(self) -> Iterable[Read]:
        """The inode, not following a link."""
        return (Stat(self._path),)

    def desired(self, facts: Facts) -> State:
        """The type, and what of owner, group, mode and target is given."""
        stat = Stat(self._path)
        wanted = {
            "type": self.state,
            "target": self.src,
            "owner": self.owner,
            "group": self.group,
            "mode": None if self.mode is None else self.mode.zfill(4),
        }
        if self.state == "absent":
            return {stat["type"]: "absent"}
        return {stat[name]: value for name, value in wanted.items() if value is not None}

    def change(self, diff: Diff) -> list[Step]:
        """One step; what is in the way is never removed, except a file where a link is wanted."""
        return [Step(lines(sh("path={}", self._path), self._make(), self._attributes()))]

    def _make(self) -> Sh:
        match self.state:
            case "absent":
                return Sh('rm -rf --one-file-system -- "$path"')
            case "link":
                folder, name = posixpath.split(self._path)
                temp = posixpath.join(folder, "." + name + ".provision")
                return sh(_LINK, temp, self.src or "")
            case "directory":
                return sh(_DIRECTORY, self.mode or "0755")
            case "file":
                return _FILE

    def _attributes(self) -> Sh:
        if self.state == "absent":
            return Sh("")
        account = (self.owner or "") + (":" + self.group if self.group else "")
        return lines(
            sh('chown -h -- {} "$path"', account) if account else "",
            # After chown, which clears the set-user-ID bit. With four digits chmod leaves that of a folder as it is.
            sh('chmod -- {} "$path"', self.mode.zfill(5)) if self.mode else "",
        )


_DIRECTORY = """\
if [ -L "$path" ] || {{ [ -e "$path" ] && [ ! -d "$path" ]; }}; then
    echo "$path is in the way of a folder: $(stat -c %F -- "$path"); move it away first" >&2
    exit 1
fi
[ -d "$path" ] || mkdir -p -m {} -- "$path\""""

_LINK = """\
if [ -d "$path" ] && [ ! -L "$path" ]; then
    echo "$path is a folder where a link is wanted: move it away first" >&2
    exit 1
fi
temp={}
rm -f -- "$temp"
ln -s -- {} "$temp"
mv -fT -- "$temp" "$path\""""

_FILE = Sh("""\
if [ -L "$path" ] || [ ! -f "$path" ]; then
    echo "$path is no regular file, and state: file makes none: copy and template do; a folder is state: directory" >&2
    exit 1
fi""")
