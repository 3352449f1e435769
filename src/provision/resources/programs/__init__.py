"""The programs that the app's kinds run on a host, kept as files so that shellcheck, mypy and editors see them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from provision.shell import Sh, lines, sh


@cache
def source(name: str) -> bytes:
    """The text of one program, as it travels in a step's files; each host of a run asks for it anew."""
    return Path(__file__).with_name(name).read_bytes()


def program(*names: str, **variables: str | int | Iterable[str]) -> Sh:
    """The sh programs ``names`` one after the other, with ``variables`` set first; an iterable becomes words.

    >>> print(program("state.sh", NAME="notes").splitlines()[0])
    NAME=notes
    """
    assignments = (sh("{}={}", Sh(name), _scalar(value)) for name, value in variables.items())
    return lines(*assignments, *(source(name).decode() for name in names))


def _scalar(value: str | int | Iterable[str]) -> str | int:
    return value if isinstance(value, str | int) else " ".join(value)
