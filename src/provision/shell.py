"""The only way a value gets into shell text."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


class Sh(str):
    """Shell text that is already safe. Made by :func:`sh`, or from a literal of our own."""

    __slots__ = ()


def sh(template: str, *values: str | int | Sh | Iterable[str]) -> Sh:
    """Fill each ``{}`` of ``template`` with a quoted value; an iterable of strings becomes quoted words.

    A value that is :class:`Sh` is inserted as it stands. Literal braces are doubled, as in ``str.format``.

    >>> print(sh("stat -c %a -- {}", "/etc/motd of today"))
    stat -c %a -- '/etc/motd of today'
    >>> print(sh("rm -f -- {}", ["/a b", "/c"]))
    rm -f -- '/a b' /c
    """
    return Sh(template.format(*(_word(value) for value in values)))


def lines(*parts: str) -> Sh:
    """Join commands of one script, one per line; empty ones are left out."""
    return Sh("\n".join(part for part in parts if part))


def _word(value: str | int | Sh | Iterable[str]) -> str:
    if isinstance(value, Sh):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a NUL byte cannot be passed to a shell")
        return shlex.quote(value)
    return " ".join(_word(item) for item in value)
