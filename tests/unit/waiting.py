"""Waiting for what happens at a time of its own."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds for what is there at once on a machine that has time; one that others are busy with may take many more."""


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` is true; fails after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)
