"""What a plan would change, on all hosts: what is alike on several of them is shown once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from provision.report.headlines import INDENT, headline, together
from provision.report.lines import Line, line, wrapped


@dataclass(frozen=True)
class Planned:
    """One task or handler of a plan, of whichever host."""

    word: str
    role: str
    task: str
    reason: str = ""
    differences: tuple[Line, ...] = ()


def plans(planned: Mapping[str, Sequence[Planned]], *, width: int | None) -> Iterator[Line]:
    """The plans of all hosts, in their order; hosts without changes have an empty one."""
    alike: dict[tuple[Planned, ...], list[str]] = {}
    for host, entries in planned.items():
        if entries:
            alike.setdefault(tuple(entries), []).append(host)
    for number, (entries, hosts) in enumerate(alike.items()):
        if number:
            yield line("")
        name = together(hosts)
        if name not in (*hosts, ", ".join(hosts)) and len(hosts) < len(planned):
            yield from wrapped(((f"{name}: ", "bold"), (", ".join(hosts), "")), width, 2)
        for entry in entries:
            reason = f"  {entry.reason}" if entry.reason else ""
            yield from wrapped(headline(entry.word, name, entry.role, entry.task, (reason, "dim")), width, INDENT)
            yield from entry.differences
