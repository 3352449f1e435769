"""The folders of an app whose files Caddy serves itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from provision.source import SourceTree

_PREFIX = re.compile(r"/|(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_FOLDER = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)*")


def static_tree(src: SourceTree, static: Mapping[str, str], mounts: Iterable[str]) -> dict[str, str]:
    """``static`` -> lines ``PREFIX FOLDER``, as write.sh takes them; nothing where there are none.

    ``mounts`` are the lines of :func:`provision.resources.mounts.mount_points`. Raises ValueError.
    """
    for prefix, folder in static.items():
        _check_prefix(prefix, static)
        _check_folder(src, folder)
        for line in mounts:
            _check_mount(src, folder, *line.split(" ", 1))
    lines = (f"{prefix} {folder.removesuffix('/')}\n" for prefix, folder in sorted(static.items()))
    return {"static": "".join(lines)} if static else {}


def _check_prefix(prefix: str, others: Iterable[str]) -> None:
    if not _PREFIX.fullmatch(prefix):
        wanted = "/ or such as /static, without a slash at its end; letters, digits and . _ ~ -, no dot in front"
        raise ValueError(f"static {prefix!r} is no prefix of paths: that is {wanted}")
    for other in others:
        if other != prefix and f"{other}/".startswith(f"{prefix.removesuffix('/')}/"):
            raise ValueError(f"static {other} lies in {prefix}; let one folder hold the files of both")


def _check_folder(src: SourceTree, given: str) -> None:
    folder = given.removesuffix("/")
    if not _FOLDER.fullmatch(folder):
        wanted = "of letters, digits and . _ + - alone, no dot in front"
        raise ValueError(f"static names {given!r}, which is no folder below app_source such as frontend/dist, {wanted}")
    above = [folder[: match.start()] for match in re.finditer("/|$", folder)]
    if links := [file.name for file in src.files if file.link and file.name in above]:
        raise ValueError(f"static names {links[0]}, which is a link in the source; name what it points to")
    below = [file.name for file in src.files if file.name.startswith(f"{folder}/")]
    if not below:
        built = "what git ignores, such as built files, is shipped only with app_include"
        raise ValueError(f"static names {folder}, and the source has no such folder with files; {built}")
    if code := [name for name in below if name.endswith(".py")]:
        raise ValueError(f"static names {folder}, which holds Python that everyone could then read: {code[0]}")


def _check_mount(src: SourceTree, given: str, kind: str, path: str) -> None:
    """What the app writes, and what is no part of its source, lies elsewhere: in the build is what was shipped."""
    folder, place = given.removesuffix("/"), f"{src.folder}/{path}" if src.folder else path
    if f"{folder}/".startswith(f"{place}/"):
        raise ValueError(f"static names {folder}, which the app writes ({place}), and Caddy serves what was shipped")
    shipped = kind == "f" or any(file.name.startswith(f"{place}/") for file in src.files)
    if shipped and place.startswith(f"{folder}/"):
        why = "of which Caddy would serve what was shipped, not what is there later"
        raise ValueError(f"static names {folder}, which holds {place} of app_writable or app_files, {why}")
