"""The file system of a container: layers over each other, of which only the topmost is written.

A snapshot begins a new topmost layer, and so does the return to it: nothing is copied, then or later.

    layers/DIGITS/upper     what was written while this was the topmost, work beside it
    layers.json             the layers that make the file system, from the top; the last is the image
    snapshots/NAME          layers.json as it was
    root                    where all is mounted
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from provision.errors import ProvisionError
from provision.lab.commands import run
from provision.lab.files import replace_file

_MOST_LAYERS = 12
"""The kernel takes their names on one page of memory (mount(2)), and a folder's name may be long."""


class Overlay:
    """The overlay of the host whose folder is ``folder``; a cut anywhere leaves it as it was, or changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "root"
        self._layers = folder / "layers"
        self._record = folder / "layers.json"
        self._snapshots = folder / "snapshots"

    def create(self, lower: Sequence[Path]) -> None:
        """Make it over these layers, the topmost first, and mount it."""
        self.root.mkdir(parents=True)
        self._begin_layer(lower)
        self.mount()

    def mount(self) -> None:
        """Mount it, unless it is."""
        if os.path.ismount(self.root):
            return
        top, *lower = self._stack()
        options = f"lowerdir={':'.join(map(str, lower))},upperdir={top},workdir={top.with_name('work')}"
        run("mount", "-t", "overlay", f"lab-{self._folder.name}", "-o", options, str(self.root))

    def unmount(self) -> None:
        """Unmount it, if it is."""
        if os.path.ismount(self.root):
            run("umount", "--lazy", str(self.root))  # Lazy: somebody's shell may stand in it.

    def save(self, layer: Path) -> None:
        """Copy what was written; nothing may run in it."""
        if self.snapshots():
            raise ProvisionError(f"{self._folder.name} has snapshots, so what it has written lies in several layers")
        # With its extended attributes: they say which folders replace those below.
        run("cp", "-a", str(self._stack()[0]), str(layer))

    def require_room(self) -> None:
        """Raise ProvisionError where a snapshot would be one layer too many."""
        stack = self._stack()
        if len(stack) > _MOST_LAYERS:
            raise ProvisionError(
                f"{self._folder.name} has {len(stack)} layers, and a snapshot would be one too many",
                hint="restore one that was made earlier and has another name, or begin anew: provision lab down",
            )

    def snapshot(self, name: str) -> None:
        """Keep what is written so far; nothing may run in it, and afterwards it is not mounted."""
        self.require_room()
        before = self._record.read_text()
        self.unmount()
        # First, so that what is kept is never written to.
        self._begin_layer(self._stack())
        self._snapshots.mkdir(exist_ok=True)
        replace_file(self._snapshots / name, before)
        self._forget_unused()

    def restore(self, name: str) -> None:
        """Drop what was written since the snapshot; nothing may run in it, and afterwards it is not mounted."""
        self.unmount()
        self._begin_layer(_stack(self._snapshots / name))
        self._forget_unused()

    def snapshots(self) -> list[str]:
        """The names of the snapshots, in the order of their making."""
        found = [path for path in self._snapshots.glob("*") if not path.name.startswith(".")]
        return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    def _stack(self) -> list[Path]:
        if not self._record.exists():
            raise ProvisionError(
                f"{self._folder} was made by another version of provision", hint="provision lab down, then up"
            )
        return _stack(self._record)

    def _begin_layer(self, lower: Sequence[Path]) -> None:
        """Put a new topmost layer over these."""
        numbers = [int(layer.name) for layer in self._layers.glob("*")]
        layer = self._layers / f"{max(numbers, default=0) + 1:06}"
        for part in ("upper", "work"):
            (layer / part).mkdir(parents=True)
            (layer / part).chmod(0o755)  # The mode of upper is the mode of the host's /.
        replace_file(self._record, json.dumps([str(layer / "upper"), *map(str, lower)]))

    def _forget_unused(self) -> None:
        """Delete the layers that neither the file system nor a snapshot is made of."""
        records = [self._record, *(self._snapshots / name for name in self.snapshots())]
        used = {path for record in records for path in _stack(record)}
        for layer in self._layers.glob("*"):
            if layer / "upper" not in used:
                shutil.rmtree(layer)


def _stack(record: Path) -> list[Path]:
    return [Path(layer) for layer in json.loads(record.read_text())]
