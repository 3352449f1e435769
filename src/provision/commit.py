"""The files of an app as a commit has them, whatever the work tree looks like (``app_source_ref``)."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.archive import SourceFile, described
from provision.content import Content
from provision.errors import ConfigError
from provision.git import complaint, git
from provision.listing import submodule
from provision.nearest import nearest

_SUBMODULE = b"160000"


@dataclass(frozen=True)
class Commit:
    """What ``git archive`` gives of one folder."""

    content: Content
    files: Mapping[str, SourceFile]


def read_commit(root: Path, ref: str) -> Commit:
    """The folder ``root`` at ``ref``: a branch, a tag or a commit. Raises ConfigError."""
    try:
        found = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except FileNotFoundError:
        raise ConfigError("app_source_ref needs git, which is not installed here") from None
    if "not a git repository" in complaint(found):
        raise ConfigError(f"app_source_ref: {root} is in no git repository", hint="leave app_source_ref empty")
    if found.returncode:
        raise _unknown(root, ref)
    commit = found.stdout.decode().strip()
    listed = git(root, "ls-tree", "-r", "-z", commit).stdout
    if not listed:  # an older git archive complains of it, a newer one gives an archive that tarfile cannot open
        raise ConfigError(f"app_source_ref: {root} cannot be read at {ref}: that commit has no file there")
    for line in listed.split(b"\0"):
        if line.startswith(_SUBMODULE):
            raise submodule(f"{root}@{ref}: {os.fsdecode(line.partition(bytes([9]))[2])}")
    archive = git(root, "archive", "--format=tar", commit)
    if archive.returncode:
        raise ConfigError(f"app_source_ref: {root} cannot be read at {ref}: {complaint(archive)}")
    return _read(Path(f"{root}@{ref}"), archive.stdout)


def _read(place: Path, data: bytes) -> Commit:
    texts: dict[str, bytes] = {}
    files: dict[str, SourceFile] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            if not (entry.isfile() or entry.issym()):
                continue
            file = archive.extractfile(entry) if entry.isfile() else None
            texts[entry.name] = file.read() if file else b""
            files[entry.name] = described(place, entry.name, texts[entry.name], entry.mode, entry.linkname)
    return Commit(Content(place, frozenset(texts), texts.__getitem__), files)


def _unknown(root: Path, ref: str) -> ConfigError:
    listed = git(root, "for-each-ref", "--sort=-creatordate", "--format=%(refname:short)", "refs/heads", "refs/tags")
    known = listed.stdout.decode(errors="replace").split()
    match = nearest(ref, known)
    newest = f"its newest: {', '.join(known[:5])}" if known else "it has no branch and no tag"
    return ConfigError(
        f"app_source_ref: the repository of {root} has no branch, tag or commit {ref}",
        hint=f"did you mean {match}?" if match else newest,
    )
