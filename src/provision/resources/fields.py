"""What a field of a kind can say about itself beyond its annotation; schema.py reads it.

Annotations a kind may use: str, int, bool, float, ``tuple[T, ...]``, ``Mapping[str, T]``, ``Literal[...]``,
``X | None``, :data:`Mode`, :class:`Expression`, and ``LocalFile`` and ``Rendered`` of base.py. ``LocalFile | str`` is a
file of the controller, or with a field ``remote_src`` that says so a path of the host; ``LocalFile | Rendered | str``
is a text, ``{src: FILE}`` or ``{template: FILE}``. ``__post_init__`` may raise ValueError with a sentence about fields
that do not go together; the loader adds the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NewType

Mode = NewType("Mode", str)
"""Permissions as four octal digits, ``0644``; YAML may say ``0644``, ``"0644"``, ``644`` or ``"644"``."""


@dataclass(frozen=True)
class Expression:
    """A field of this type takes an expression without braces, as ``when`` does; the loader evaluates it."""

    text: str
    value: Any
    place: str = ""


def option(*, aliases: tuple[str, ...] = (), required: bool = False, no_log: bool = False) -> Mapping[str, Any]:
    """The ``metadata`` of a dataclass field, in the words of Ansible's module options.

    ``aliases`` are other YAML names. ``required`` marks a field that must be given although it has a default (one
    without a default must be given anyway). ``no_log`` marks a secret: a task that gives it shows no values.

    >>> from dataclasses import dataclass, field
    >>> @dataclass(frozen=True)
    ... class Apt:
    ...     name: tuple[str, ...] = field(metadata=option(aliases=("pkg", "package")))
    """
    return {"aliases": aliases, "required": required, "no_log": no_log}
