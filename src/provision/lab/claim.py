"""A name for a lab of one's own, while other processes use labs on this machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provision.errors import ProvisionError
from provision.lab.lab import base_folder


@contextmanager
def claimed(name: str, usable: Callable[[str], bool] = lambda name: True) -> Iterator[str]:
    """``name``, or ``name-b``, ``name-c``, ... where others hold it or it is not ``usable``.

    The claim ends with the process, however that ends: what a killed one has left of its lab is the next one's to
    remove. Raises ProvisionError where all eight names are taken.
    """
    folder = _folder()
    for candidate in (name, *(f"{name}-{letter}" for letter in "bcdefgh")):
        with (folder / f"provision-{candidate}.session").open("w") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if usable(candidate):
                yield candidate
                return
    raise ProvisionError(
        f"the labs {name}, {name}-b, ... {name}-h of this machine are all in use",
        hint=f"see `provision lab list`; `provision lab down --name {name}` ends one that nobody needs",
    )


def _folder() -> Path:
    if os.geteuid() == 0:
        # Not in the folder of labs: the names of root's hosts belong to the machine, whoever's HOME is used.
        return Path("/run")
    # Others have hosts of Vagrant alone, whose names belong to a folder of labs.
    folder = base_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
