"""The files of a tree, their digest, and the tar that carries them; alike on every machine and at every time."""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from provision.content import Content
from provision.errors import ConfigError


@dataclass(frozen=True)
class SourceFile:
    """One file or symbolic link. ``name`` is relative with ``/``; ``mode`` is 0o644 or 0o755; ``link`` is a target."""

    name: str
    mode: int
    sha256: str
    link: str = ""


def describe(root: Path, name: str) -> SourceFile:
    """Read the file ``name`` below ``root`` (resolved). Raises ConfigError for what cannot be shipped."""
    path = root / name
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"the name of {os.fsencode(path)!r} is not UTF-8", hint="rename the file") from error
    try:
        if path.is_symlink():
            return _describe_link(root, name)
        with path.open("rb") as file:
            mode = 0o755 if os.fstat(file.fileno()).st_mode & stat.S_IXUSR else 0o644
            return SourceFile(name, mode, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise _unreadable(path, error) from error


def described(place: Path, name: str, data: bytes, mode: int, link: str = "") -> SourceFile:
    """The file ``name`` of a folder ``place`` that lies in no file system. Raises ConfigError as :func:`describe`."""
    if not link:
        return SourceFile(name, 0o755 if mode & stat.S_IXUSR else 0o644, hashlib.sha256(data).hexdigest())
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
    if os.path.isabs(link) or target == ".." or target.startswith("../"):
        raise _foreign_link(place / name, link)
    return SourceFile(name, 0o777, hashlib.sha256(link.encode()).hexdigest(), link)


def digest(files: Iterable[SourceFile]) -> str:
    """SHA-256, in hex, of the names, modes and bytes of ``files``; not of the tar, whose bytes Python may change."""
    lines = (f"{'link' if file.link else 'file'} {file.mode:04o} {file.sha256} {file.name}\0" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def tar(content: Content, files: Iterable[SourceFile]) -> bytes:
    """An uncompressed tar of ``files``, owned by root and dated 1970. Raises ConfigError if one has changed since."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(file.name)
            entry.mode = file.mode
            if file.link:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.link
                archive.addfile(entry)
            else:
                data = _read_again(content, file)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _describe_link(root: Path, name: str) -> SourceFile:
    path = root / name
    target = os.readlink(path)
    if os.path.isabs(target) or not Path(os.path.realpath(path)).is_relative_to(root):
        raise _foreign_link(path, target)
    return SourceFile(name, 0o777, hashlib.sha256(os.fsencode(target)).hexdigest(), target)


def _foreign_link(path: Path, target: str) -> ConfigError:
    return ConfigError(
        f"{path} is a symbolic link to {target}, which the host will not have",
        hint="make it a relative link to a file of the app, or leave it out with .gitignore",
    )


def _read_again(content: Content, file: SourceFile) -> bytes:
    path = content.place / file.name
    try:
        data = content.load(file.name)
    except OSError as error:
        raise _unreadable(path, error) from error
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise ConfigError(f"{path} changed while it was being packed", hint="run the command again")
    return data


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot read {path}: {error.strerror}", hint="correct it, or leave it out with .gitignore")
