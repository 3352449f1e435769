"""``unarchive``: the files of an archive, in a folder of the host."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Digest, Facts, LocalFile, Read, Shell, State, Step
from provision.resources.filecontent import check_names, check_path
from provision.resources.get_url import check_checksum
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class Unarchive:
    """A tar archive, compressed or not, or a zip, unpacked into the folder ``dest`` unless the path ``creates`` exists.

    ``src`` is a file of the role, or with ``remote_src`` one of the host, where get_url may have put it. Without
    ``creates`` a hidden file in ``dest`` keeps the archive's checksum, so a new archive is unpacked again; for one of
    the host ``checksum`` must be given, as for get_url. Files that only the old archive had stay. ``extra_opts`` are
    further words for tar or unzip. The host needs unzip, xz, ... for such archives.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("src", "remote_src", "dest", "creates")

    src: LocalFile | str
    dest: str
    remote_src: bool = False
    checksum: str | None = None
    creates: str | None = None
    owner: str = "root"
    group: str = "root"
    extra_opts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_path("dest", self.dest)
        check_names(owner=self.owner, group=self.group)
        if self.creates is not None:
            check_path("creates", self.creates)
        if isinstance(self.src, LocalFile):
            if self.checksum is not None:
                raise ValueError("checksum goes with remote_src: of a file of the controller it is known")
            return
        if "://" in self.src:
            raise ValueError("src is no URL here: download it with get_url, then give its dest and the same checksum")
        check_path("src", self.src)
        if self.checksum is not None:
            check_checksum(self.checksum)
        elif self.creates is None:
            raise ValueError(
                "remote_src needs checksum (that of get_url) or creates (a path in dest): "
                "without one it could not be known whether the archive has been unpacked"
            )

    @property
    def _path(self) -> str:
        return self.src.path if isinstance(self.src, LocalFile) else self.src

    @property
    def _marker(self) -> str:
        return posixpath.join(self.dest, "." + posixpath.basename(self._path) + ".unarchived")

    @property
    def _read(self) -> Read:
        if self.creates is None:
            return Digest(self._marker)
        return Shell(sh("if [ -e {} ] || [ -L {} ]; then echo exists=yes; fi", self.creates, self.creates))

    def reads(self) -> Iterable[Read]:
        """The marker, or whether ``creates`` exists."""
        return (self._read,)

    def desired(self, facts: Facts) -> State:
        """The marker of this archive, owner and options, or that ``creates`` exists."""
        if self.creates is not None:
            return {self._read["exists"]: "yes"}
        return {self._read["sha256"]: hashlib.sha256(self._mark().encode()).hexdigest()}

    def change(self, diff: Diff) -> list[Step]:
        """One step: unpack into a folder of its own, then move into ``dest``, so a broken archive changes nothing."""
        archive = Sh('"$FILES"/archive') if isinstance(self.src, LocalFile) else sh("{}", self.src)
        head = sh("src={} archive={} dest={} marker={}", self._path, archive, self.dest, self._marker)
        program = _UNZIP if self._path.lower().endswith(".zip") else _UNTAR
        unpack = lines(sh(program, self.extra_opts), sh('chown -R -h -- {} "$temp"', f"{self.owner}:{self.group}"))
        finish = sh('printf %s {} >"$marker"', self._mark()) if self.creates is None else sh(_CREATES, self.creates)
        verify = sh(_VERIFY, self.checksum.removeprefix("sha256:").lower()) if self.checksum else ""
        files = {"archive": self.src.data} if isinstance(self.src, LocalFile) else {}
        return [Step(lines(head, _BEFORE, verify, unpack, _MOVE, finish), files=files)]

    def _mark(self) -> str:
        digest = hashlib.sha256(self.src.data).hexdigest() if isinstance(self.src, LocalFile) else self.checksum or ""
        return "\n".join((digest.removeprefix("sha256:").lower(), self.owner, self.group, *self.extra_opts, ""))


_BEFORE = Sh("""\
if [ ! -d "$dest" ]; then
    echo "$dest is no folder: make it by a task before this one (file: with state: directory)" >&2
    exit 1
fi
if [ ! -f "$archive" ]; then
    echo "there is no archive $src on the host: download it by a task before this one (get_url)" >&2
    exit 1
fi
temp=$marker.new
trap 'rm -rf -- "$temp"' EXIT
trap 'exit 143' HUP INT TERM # an EXIT trap alone is not run when a signal ends dash
rm -rf -- "$temp"
mkdir -m 0700 -- "$temp\"""")

_VERIFY = """\
printf '%s  %s\\n' {} "$archive" | sha256sum --check --status || {{
    echo "$src has another checksum: sha256:$(sha256sum <"$archive" | cut -d ' ' -f 1)" >&2
    exit 1
}}"""

_UNTAR = """\
tar -x -f "$archive" -C "$temp" --no-same-owner {}"""

_UNZIP = """\
command -v unzip >/dev/null || {{
    echo 'unzip is not installed: install it by a package task before this one' >&2
    exit 1
}}
unzip -q {} "$archive" -d "$temp\""""

# Hard links: the files are in one file system, and every path is complete when it appears.
_MOVE = Sh("""\
find "$temp" -mindepth 1 -maxdepth 1 -exec cp -a -l --remove-destination -t "$dest" -- {} +
sync -f -- "$dest\"""")

_CREATES = """\
creates={}
if [ ! -e "$creates" ] && [ ! -L "$creates" ]; then
    echo "$src was unpacked into $dest, and still there is no $creates" >&2
    exit 1
fi"""
