"""The line about one task of a host, or of several: ``changed: [web1] caddy : Install Caddy``."""

from __future__ import annotations

from collections.abc import Sequence

from provision.report.lines import Line, Style, printable

INDENT = 9
"""Where a headline goes on, below its label, when it is wrapped."""

_NAMED = 3
"""Up to so many hosts are named."""

_STYLES: dict[str, Style] = {
    "ok": "ok",
    "change": "changed",
    "changed": "changed",
    "handler": "changed",
    "unknown": "unknown",
    "skipped": "unknown",
    "task": "dim",
}


def headline(word: str, host: str, role: str, task: str, *rest: tuple[str, Style]) -> Line:
    """``word`` in its colour, the host, the role and the task, and what else there is to say."""
    return ((f"{f'{word}:':<8} ", _STYLES[word]), *place(host, role, task), *rest)


def place(host: str, role: str, task: str) -> Line:
    """Where something happens."""
    return ((f"[{host}]", "bold"), (f" {role} : " if role else " ", "dim"), (printable(task), ""))


def together(hosts: Sequence[str]) -> str:
    """Several hosts in few words."""
    return ", ".join(hosts) if len(hosts) <= _NAMED else f"{len(hosts)} hosts"
