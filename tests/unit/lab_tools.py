"""Executables that stand for the tools of a machine that builds images."""

from __future__ import annotations

from pathlib import Path

import pytest

_INDEXES = """\
echo 'http://mirror.test/debian Debian'
echo 'http://mirror.test/debian-security Debian-Security'
echo 'cdrom://disc Debian'
echo 'https://packages.test/app Other'
"""
_SETTINGS = """\
echo 'Acquire::http::Proxy "http://proxy.test:3142";'
echo 'Acquire::GzipIndexes "true";'
echo 'Acquire::Check-Date "false";'
"""


def stand_ins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``folder`` at the front of PATH, with the tools that an image of containers needs."""
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    tool(folder / "unshare", 'shift; exec "$@"')
    tool(folder / "apt-config", _SETTINGS)
    tool(folder / "apt-get", _INDEXES)
    # Its target is the first argument that is a path.
    tool(folder / "mmdebstrap", 'for a; do case $a in /*) mkdir "$a"; echo "$@" >"$a/made-with"; esac; done')
    return folder


def tool(path: Path, script: str) -> None:
    """An executable that does this."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
