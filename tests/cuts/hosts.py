"""Hosts that begin where another one stood: a saved state is one more layer below the host's own."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from tests.cuts.points import Base

from provision.lab.lab import Lab
from provision.lab.nspawn import Nspawn
from provision.lab.provider import Host, Image


class Hosts:
    """``count`` hosts of ``lab``, each made anew for every use."""

    def __init__(self, lab: Lab, base: Path, folder: Path, count: int) -> None:
        self._lab, self._provider, self._folder = lab, Nspawn(base, lab.name), folder
        self._free: SimpleQueue[Host] = SimpleQueue()
        self._layers: dict[Base, list[Path]] = {"bare": []}
        # Ten hosts that end and boot at a time take longer than the lab waits for one.
        self._changing = threading.Lock()
        for _ in range(count):
            self._free.put(lab.add())

    @contextmanager
    def take(self, base: Base) -> Iterator[Host]:
        """A host in this state; waits until one is free."""
        host = self._free.get()
        try:
            with self._changing:
                fresh = self._made_anew(host, base)
            self._lab.wait(fresh)
            yield fresh
        finally:
            self._free.put(host)

    def save(self, host: Host, base: Base, below: Base) -> None:
        """Keep the state of ``host``, which began with the state ``below`` and is stopped for it."""
        self._provider.stop(host)
        layer = self._folder / base
        # With its extended attributes: they say which folders replace those below.
        subprocess.run(["cp", "-a", self._lab.root(host).parent / "upper", layer], check=True)
        self._layers[base] = [layer, *self._layers[below]]

    def _made_anew(self, host: Host, base: Base) -> Host:
        if base == "bare":
            return self._lab.reset(host)
        self._provider.remove(host)
        fresh = self._provider.create(host.number, Image())
        root = self._lab.root(fresh)
        folder = root.parent
        subprocess.run(["umount", root], check=True)
        shutil.rmtree(folder / "work")
        (folder / "work").mkdir()
        below = ":".join(map(str, [*self._layers[base], (folder / "image").resolve()]))
        layers = f"lowerdir={below},upperdir={folder / 'upper'},workdir={folder / 'work'}"
        # What makes it this host, its name, address and keys, is in its own layer already.
        subprocess.run(["mount", "-t", "overlay", f"lab-{fresh.name}", "-o", layers, root], check=True)
        self._provider.start(fresh)
        return fresh
