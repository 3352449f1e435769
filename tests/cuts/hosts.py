"""Hosts that begin where another one stood: a saved state is one more layer below the host's own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from provision.lab.lab import Lab
from provision.lab.nspawn import Nspawn
from provision.lab.provider import Host, Image


class Hosts:
    """``count`` hosts of ``lab``, each made anew for every use."""

    def __init__(self, lab: Lab, base: Path, folder: Path, count: int) -> None:
        self._lab, self._provider, self._folder = lab, Nspawn(base, lab.name), folder
        self._free: SimpleQueue[Host] = SimpleQueue()
        for _ in range(count):
            self._free.put(lab.add())

    @contextmanager
    def take(self, saved: str = "") -> Iterator[Host]:
        """A host in the state that was saved under this name, or a bare one; waits until one is free."""
        host = self._free.get()
        try:
            yield self._made_anew(host, saved)
        finally:
            self._free.put(host)

    def save(self, host: Host, name: str) -> None:
        """Keep the state of ``host``, which is stopped for it, for good."""
        self._provider.stop(host)
        # With its extended attributes: they say which folders replace those below.
        subprocess.run(["cp", "-a", self._root(host).parent / "upper", self._folder / name], check=True)

    def _made_anew(self, host: Host, saved: str) -> Host:
        if not saved:
            return self._lab.reset(host)
        self._provider.remove(host)
        fresh = self._provider.create(host.number, Image())
        root = self._root(fresh)
        folder = root.parent
        subprocess.run(["umount", root], check=True)
        shutil.rmtree(folder / "work")
        (folder / "work").mkdir()
        layers = (
            f"lowerdir={self._folder / saved}:{(folder / 'image').resolve()},"
            f"upperdir={folder / 'upper'},workdir={folder / 'work'}"
        )
        # What makes it this host, its name, address and keys, is in its own layer already.
        subprocess.run(["mount", "-t", "overlay", f"lab-{fresh.name}", "-o", layers, root], check=True)
        self._provider.start(fresh)
        self._lab.wait(fresh)
        return fresh

    def _root(self, host: Host) -> Path:
        return self._lab.root(host)
