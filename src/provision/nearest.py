"""The nearest of the known names, for "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like ``name``, empty when none is near.

    >>> nearest("app_wrokers", ["app_workers", "app_env"])
    'app_workers'
    """
    # Two letters that changed places count for more in a word of three.
    cutoff = 0.75 if len(name) > 3 else 0.65
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return matches[0] if matches else ""


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the nearest known name, or else the sentence ``otherwise``."""
    match = nearest(name, known)
    return f"Did you mean {match}?" if match else otherwise
