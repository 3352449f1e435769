"""Runs this machine's own tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from provision.errors import ProvisionError


def run(*argv: str) -> str:
    """Standard output of ``argv``. Raises ProvisionError with the tool's own words if it fails."""
    result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        said = (result.stderr or result.stdout).strip()
        raise ProvisionError(f"`{' '.join(argv)}` ended with status {result.returncode}: {said}")
    return result.stdout


def succeeds(*argv: str) -> bool:
    """Whether ``argv`` ends with status 0; what it prints is dropped."""
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def require_root() -> None:
    """Raise ProvisionError unless we are root."""
    if os.geteuid() != 0:
        raise ProvisionError("a lab of containers needs root", hint="run it again with sudo")


def require_tools(packages: Mapping[str, str]) -> None:
    """Raise ProvisionError naming every missing tool; ``packages`` maps a tool to the Debian package that has it."""
    missing = [tool for tool in packages if shutil.which(tool) is None]
    if missing:
        needed = sorted({packages[tool] for tool in missing})
        raise ProvisionError(
            f"this machine lacks {', '.join(missing)}", hint=f"apt-get install --yes {' '.join(needed)}"
        )
