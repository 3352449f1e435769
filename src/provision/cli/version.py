"""``provision version``: what to say in a bug report."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from provision import __version__

_SURROUNDINGS = ("paramiko", "cryptography", "fabric", "jinja2", "pyyaml", "click", "rich")


@click.command()
def version() -> None:
    """Print the version of provision, of Python and of the libraries it uses."""
    click.echo(f"provision {__version__}")
    click.echo(f"python {platform.python_version()} on {platform.system()} {platform.machine()}")
    click.echo(", ".join(f"{name} {metadata.version(name)}" for name in _SURROUNDINGS))
