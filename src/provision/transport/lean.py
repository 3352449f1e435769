"""A start without invoke, which paramiko imports for ``Match exec`` alone and which is as much to load as paramiko."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


@contextmanager
def without_invoke() -> Iterator[None]:
    """Import paramiko in the block, and it gets a stand-in, which loads invoke when it is used; for one thread."""
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        yield
        return
    sys.modules["invoke"] = _StandIn("invoke")
    try:
        yield
    finally:
        del sys.modules["invoke"]


class _StandIn(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            # What the import system looks for, and can do without.
            raise AttributeError(attribute)
        return getattr(import_module(self.__name__), attribute)
