"""The controller's git, asked about the repository that an app lies in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``git WORDS`` in ``folder``, in English. Raises FileNotFoundError where there is no git."""
    # A git hook that calls us has set these for its own repository.
    foreign = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}
    environment = {name: value for name, value in os.environ.items() if name not in foreign} | {"LC_ALL": "C"}
    return subprocess.run(["git", "-C", str(folder), *words], env=environment, capture_output=True, check=False)


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """What git said against it."""
    return done.stderr.decode(errors="replace").strip()
