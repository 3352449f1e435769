"""What the hosts of a lab are made from, as `lab` and `test` are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import click

from provision.lab.image import DISTROS, USERS

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def distro_option(parameter: str, more: str = "", *, multiple: bool = False) -> Decorator:
    """``--distro``, which arrives as ``parameter``; ``more`` of its help."""
    return click.option(
        "--distro",
        parameter,
        type=click.Choice(DISTROS),
        multiple=multiple,
        default=DISTROS[:1] if multiple else DISTROS[0],
        show_default=True,
        help=f"Debian's codename{more}.",
    )


def flavour_option(name: str, more: str = "") -> Decorator:
    """Who logs in; each command has its own ``name`` for it; ``more`` of its help."""
    return click.option(
        name,
        type=click.Choice(list(USERS)),
        default="minimal",
        show_default=True,
        help=f"minimal: root logs in; cloud: debian logs in and has sudo, as on cloud images.{more}",
    )
