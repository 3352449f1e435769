"""What a deployment lays over the read-only tree of its build: paths the app may write to, and files of its slot.

Both are bind mounts, and a mount needs something to lie on, so the build makes a place for what the source has not.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from provision.resources.base import LocalFile, Rendered
from provision.source import SourceTree

FileText = LocalFile | Rendered | str
"""The content of a file: of one of the controller, of a template, or the text itself."""

_PATH = re.compile(r"[A-Za-z0-9._+-]+(?:/[A-Za-z0-9._+-]+)*")


def writable_places(src: SourceTree, paths: Iterable[str]) -> dict[str, str]:
    """Each path without its slash at the end -> ``d`` for a folder, ``f`` for a single file.

    A slash at the end says folder; what the source has says for itself; of a new name an extension says file. Raises
    ValueError, with ``writable`` as its first word.
    """
    places: dict[str, str] = {}
    for path in paths:
        name = path.removesuffix("/")
        _check("writable", name)
        kind = _in_source("writable", src, name)
        if kind == "f" and path.endswith("/"):
            raise ValueError(f"writable: {name} is a file in the source, not a folder")
        new = "d" if path.endswith("/") or not posixpath.splitext(name)[1] else "f"
        places[name] = kind or new
    return places


def mount_points(src: SourceTree, writable: Iterable[str], files: Iterable[str]) -> tuple[str, ...]:
    """Lines ``d PATH`` and ``f PATH``, sorted: what must exist in the tree. Raises ValueError."""
    places = writable_places(src, writable)
    for name in files:
        _check("files", name)
        if _in_source("files", src, name) == "d":
            raise ValueError(f"files: {name} is a folder in the source")
        if name in places:
            raise ValueError(f"files: {name} is in writable, too")
        places[name] = "f"
    for name in places:
        for above in _above(name):
            if above in places:
                raise ValueError(f"writable and files cannot lie in each other, as {name} in {above}")
    return tuple(sorted(f"{kind} {name}" for name, kind in places.items()))


def content_of(file: FileText) -> bytes:
    """The bytes of a file, whatever they were given as."""
    match file:
        case LocalFile(_, data):
            return data
        case Rendered(_, text):
            return text.encode()
        case text:
            return text.encode()


def carried_files(files: Mapping[str, FileText]) -> dict[str, bytes]:
    """The files of a slot as they travel: ``files``, a list of lines ``NUMBER PATH``, and ``file-NUMBER`` for each."""
    if not files:
        return {}
    numbered = list(enumerate(sorted(files), start=1))
    listing = "".join(f"{number} {name}\n" for number, name in numbered)
    return {"files": listing.encode()} | {f"file-{number}": content_of(files[name]) for number, name in numbered}


def _check(field: str, name: str) -> None:
    """Narrow on purpose: the name becomes a word of a unit and of a program."""
    if not _PATH.fullmatch(name) or {".", ".."} & set(name.split("/")):
        raise ValueError(
            f"{field} holds paths below the app's folder, of letters, digits and . _ + - alone, not {name!r}"
        )


def _in_source(field: str, src: SourceTree, name: str) -> str:
    """``d`` or ``f`` where the source has it, else empty. Raises ValueError for a link, or a file above it."""
    found = {file.name: file for file in src.app_files}
    for above in (*_above(name), name):
        if above in found and found[above].link:
            raise ValueError(f"{field}: {above} is a link in the source; name what it points to")
        if above in found and above != name:
            raise ValueError(f"{field}: {above} is a file in the source, so there can be no {name}")
    if name in found:
        return "f"
    return "d" if any(file.name.startswith(f"{name}/") for file in src.app_files) else ""


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]
