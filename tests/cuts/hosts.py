"""Hosts that begin where another one stood."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cuts.points import Base

from provision.lab.lab import Lab
from provision.lab.provider import Host


class Hosts:
    """``count`` hosts of ``lab`` at a time, each made for one use; their saved states lie in ``folder``."""

    def __init__(self, lab: Lab, folder: Path, count: int) -> None:
        self._lab, self._folder = lab, folder
        self._free = threading.Semaphore(count)
        self._layers: dict[Base, list[Path]] = {"bare": []}

    @contextmanager
    def take(self, base: Base) -> Iterator[Host]:
        """A host in this state; waits while there are too many."""
        with self._free:
            host = self._lab.add(layers=self._layers[base])
            try:
                yield host
            finally:
                self._lab.remove(host)

    def save(self, host: Host, base: Base, below: Base) -> None:
        """Keep the state of ``host``, which began with the state ``below`` and is stopped for it."""
        layer = self._folder / base
        self._lab.save(host, layer)
        self._layers[base] = [layer, *self._layers[below]]
