"""Passphrases of keys: asked for once in a run, whichever host needs the key first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRIES = 3
"""OpenSSH's NumberOfPasswordPrompts."""


@dataclass(frozen=True)
class Passphrases:
    """Opens the keys of one run. ``ask`` is called for one key at a time, from the thread of a host; without it, never.

    An empty answer means that the key is not to be used.
    """

    ask: Callable[[Path], str] | None = None
    _opened: dict[Path, Any] = field(default_factory=dict, repr=False, compare=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def open(self, path: Path, load: Callable[[str], Any | None]) -> Any | None:
        """What ``load`` makes of the key at ``path``, None where it stays closed; ``load`` returns None if it is wrong.

        The key is kept rather than its passphrase.
        """
        if self.ask is None:
            return None
        with self._turn:
            if path not in self._opened:
                self._opened[path] = self._tried(path, self.ask, load)
            return self._opened[path]

    @staticmethod
    def _tried(path: Path, ask: Callable[[Path], str], load: Callable[[str], Any | None]) -> Any | None:
        for _ in range(TRIES):
            passphrase = ask(path)
            if not passphrase:
                return None
            if (key := load(passphrase)) is not None:
                return key
        return None
