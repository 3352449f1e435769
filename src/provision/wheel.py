"""A wheel as an app: what it is called, which Python it needs, and what lies in it."""

from __future__ import annotations

import re
import zipfile
from email.parser import BytesParser
from pathlib import Path

from provision.content import Content
from provision.dependencies import Dependencies
from provision.errors import ConfigError

_NAME = re.compile(r"(?P<name>[A-Za-z0-9._]+?)-(?P<version>[^-]+)(?:-\d[^-]*)?-(?P<tags>[^-]+-[^-]+-[^-]+)\.whl")


def read_wheel(path: Path) -> tuple[Content, str, Dependencies]:
    """The modules in the wheel ``path``, its name, and how it is installed. Raises ConfigError."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        raise ConfigError(
            f"app_source: {path.name} is not named as a wheel", hint="NAME-VERSION-py3-none-any.whl is what builds make"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            files = {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"app_source: {path} cannot be read as a wheel: {error}") from error
    metadata = next((data for name, data in files.items() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)), b"")
    requires = str(BytesParser().parsebytes(metadata).get("Requires-Python", ""))
    # As an import finds them: a wheel can bring modules for platform folders, too.
    names = frozenset(name for name in files if ".dist-info/" not in name)
    dependencies = Dependencies("wheel", "", requires_python=requires, wheel=path.name)
    return Content(path, names, files.__getitem__), found["name"], dependencies
