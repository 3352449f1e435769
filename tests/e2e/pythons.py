"""A mirror with one Python, for hosts whose distribution has another."""

from __future__ import annotations

import platform
import tarfile
from pathlib import Path

import testinfra.host

from provision.lab.lab import Lab
from provision.lab.provider import Host

VERSION = "3.11.2"
"""Of Debian 12."""
INSTALL_PYTHON = "apt-get update -q && apt-get install -qy python3"
MIRROR_URL = "file:///opt/mirror/list.json"
"""For ``python_downloads_url``."""

_FILES = ("usr/bin/python3.11", "usr/lib/python3.11")
_DOWNLOADS = """{"cpython-3.11.2-linux-ARCH-gnu": {"name": "cpython", "arch": {"family": "ARCH", "variant": null},
"os": "linux", "libc": "gnu", "major": 3, "minor": 11, "patch": 2, "prerelease": "", "variant": null, "build": "1",
"url": "file:///opt/mirror/cpython-3.11.2.tar.gz", "sha256": null}}"""


def give_mirror(lab: Lab, bookworm: Host, view: testinfra.host.Host, host: Host) -> None:
    """Put what Debian 12 has on ``host``, in the shape that uv downloads."""
    view.check_output(INSTALL_PYTHON)
    folder = lab.root(host) / "opt" / "mirror"
    folder.mkdir()
    _pack(lab.root(bookworm), folder / "cpython-3.11.2.tar.gz")
    (folder / "list.json").write_text(_DOWNLOADS.replace("ARCH", platform.machine()))


def _pack(root: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        for name in _FILES:
            packed.add(root / name, name.replace("usr/", "python/"), filter=_without_bytecode)
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.11"
        packed.addfile(link)


def _without_bytecode(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name.endswith("__pycache__") or not (entry.isfile() or entry.isdir()) else entry
