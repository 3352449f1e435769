"""The files of an app by their names, whether they lie in a folder, a commit or a wheel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Content:
    """Names are relative to ``place``, with ``/``; ``load`` gives the bytes of one, or raises OSError."""

    place: Path
    """What messages call it: a folder, or ``FOLDER@REF``."""
    names: frozenset[str]
    load: Callable[[str], bytes]

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def read(self, name: str) -> bytes:
        """The bytes of a file; empty where there is none or it cannot be read."""
        try:
            return self.load(name) if name in self.names else b""
        except OSError:
            return b""

    def text(self, name: str) -> str:
        """The text of a file; empty where there is none."""
        return self.read(name).decode("utf-8", errors="replace")

    def below(self, folder: str) -> Content:
        """What lies in ``folder``, by its names there; the same for an empty ``folder``."""
        if not folder:
            return self
        prefix = f"{folder}/"
        names = frozenset(name.removeprefix(prefix) for name in self.names if name.startswith(prefix))
        return Content(self.place / folder, names, lambda name: self.load(prefix + name))


def folder_content(root: Path, names: frozenset[str]) -> Content:
    """The files ``names`` of the folder ``root``."""
    return Content(root, names, lambda name: (root / name).read_bytes())
