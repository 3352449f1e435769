"""Compiled templates of the shipped roles, kept from run to run as Python keeps its own bytecode."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType

from jinja2 import Environment, FileSystemBytecodeCache
from jinja2.bccache import Bucket

from provision import __version__


class KeptCode:
    """The code of the templates in files ``below`` a folder, in a folder of its own; Jinja sees to its own version.

    Those of users are not kept: they may hold secrets, and change without end.
    """

    def __init__(self, folder: Path, below: Path) -> None:
        self._cache = _Forgiving(str(folder), "%s.cache")
        self._below = below

    def code(self, environment: Environment, file: Path, key: str, make: Callable[[], CodeType]) -> CodeType:
        """What an earlier run has kept of a template in ``file``; else what ``make`` makes of it."""
        if not file.is_relative_to(self._below):
            return make()
        bucket = self._cache.get_bucket(environment, key, None, key)
        if bucket.code is None:
            bucket.code = make()
            self._cache.set_bucket(bucket)
        return bucket.code


def kept_code(environ: Mapping[str, str], below: Path) -> KeptCode | None:
    """That of the user in whose name this runs; None where there is no folder that nobody else can write to."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "~", ".cache").expanduser()
    folder = Path(base, "provision", f"templates-{__version__}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError):
        return None
    # What is loaded is run. sudo may have left the HOME of another user in place.
    foreign = found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return None if foreign else KeptCode(folder, below)


class _Forgiving(FileSystemBytecodeCache):
    """Does without what it cannot read or write: a template can be compiled at any time."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load the code of a bucket, if it is there and whole."""
        try:
            super().load_bytecode(bucket)
        except Exception:  # whatever a cut or foreign file makes of pickle and marshal
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a bucket, if there is room for it."""
        try:
            super().dump_bytecode(bucket)
        except OSError:
            return
