"""A start without what paramiko imports and a run has no use for, and which takes as long to load as paramiko itself.

That is invoke, which paramiko needs for ``Match exec`` alone, and importlib.metadata, of which it asks its own version.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


@contextmanager
def lean() -> Iterator[None]:
    """Import paramiko in the block, and it gets stand-ins, of which invoke's loads invoke when used; for one thread."""
    missing = [name for name in ("invoke", _Metadata.NAME) if name not in sys.modules]
    if "paramiko" in sys.modules or "invoke" not in missing:
        yield
        return
    sys.modules |= {name: _Metadata() if name == _Metadata.NAME else _StandIn(name) for name in missing}
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


class _StandIn(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            # What the import system looks for, and can do without.
            raise AttributeError(attribute)
        return getattr(import_module(self.__name__), attribute)


class _Metadata(ModuleType):
    NAME = "importlib.metadata"

    def __init__(self) -> None:
        super().__init__(self.NAME)

    def version(self, name: str) -> str:
        """Nobody's: nothing of paramiko's but its banner has it, and ours is another."""
        return ""
