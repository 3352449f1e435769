"""What the command line asks of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.yamlfile import Node


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    check: bool = False
    diff: bool = False
    limit: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    extra: Mapping[str, Node] = field(default_factory=dict)
    forks: int = 32
    lock_timeout: int = 0
    """Seconds to wait for another run that holds a host."""
    silence: float | None = None
    """Seconds for what a host does at once; None for what its reads may take, and SILENCE of transport.session."""
    command: str = ""
    """The command line without secrets, for the lock and the audit."""
