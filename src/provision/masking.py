"""Takes secrets out of text that is shown or written."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import quote

SECRET = "(secret)"

SHORTEST = 6
"""Characters of what is masked wherever it stands: what is shorter would take words out of everything that is shown."""

SHORTEST_WORD = 3
"""Characters of what is masked where it stands as a word, if it is sure to be a secret."""

_ALONE = r"(?<![\w./-])(?:{})(?![\w/-]|\.\w)"
"""A word is no part of a path, of a host name or of a unit's: what is left of it would tell the secret."""


class Mask:
    """Knows secrets, line by line and as JSON, Python and URLs write them. Safe to use from several threads."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._words: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Mask({len(self._forms) + len(self._words)} forms)"

    def add(self, values: Iterable[str], *, certain: bool = False) -> None:
        """Mask these, too. Of what is ``certain`` to be secret, and not only called so, also what is short."""
        values = list(values)
        with self._lock:
            forms = {form for value in values for form in _forms(value)} - self._forms
            words = {form for value in values for form in _words(value)} - self._words if certain else set()
            if forms or words:
                self._forms |= forms
                self._words |= words
                alone = [_ALONE.format(_one_of(self._words))] if self._words else []
                self._pattern = re.compile("|".join([*filter(None, [_one_of(self._forms)]), *alone]))

    def __call__(self, text: str) -> str:
        """``text`` with every secret replaced."""
        return self._pattern.sub(SECRET, text) if self._pattern else text

    def begun(self, text: str) -> int:
        """How many characters at the end of ``text`` may be the beginning of a secret."""
        with self._lock:
            return max((_overlap(text, form) for form in (*self._forms, *self._words)), default=0)


def _forms(value: str) -> Iterator[str]:
    for line in value.splitlines():
        stripped = line.strip()
        if len(stripped) >= SHORTEST:
            yield from _written(stripped)


def _words(value: str) -> Iterator[str]:
    """A short line of a longer secret, such as a bracket, is none."""
    stripped = value.strip()
    if SHORTEST_WORD <= len(stripped) < SHORTEST and len(stripped.splitlines()) == 1:
        yield from _written(stripped)


def _written(text: str) -> tuple[str, ...]:
    return text, json.dumps(text)[1:-1], repr(text)[1:-1], quote(text, safe="")


def _one_of(forms: Iterable[str]) -> str:
    # The longest first, or what begins with another would show its end.
    return "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))


def _overlap(text: str, form: str) -> int:
    longest = min(len(form) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(form[:size])), 0)
