"""What a run has changed, by role: what is left of the tree when it goes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from provision.report.lines import Line, printable

Changed = Mapping[str, Mapping[str, Sequence[str]]]
"""Role -> task -> the hosts where it changed something."""

_LABEL = "changed: "


def changes(changed: Changed, hosts: Sequence[str], *, width: int | None) -> Iterator[Line]:
    """A paragraph per role; tasks are followed by the names of their hosts where those are not all ``hosts``."""
    names = max(map(len, changed), default=0)
    indent = " " * (len(_LABEL) + names + 2)
    label = _LABEL
    for role, tasks in changed.items():
        room = (width or 100) - len(indent)
        for number, text in enumerate(textwrap.wrap(_told(tasks, hosts), room, break_on_hyphens=False)):
            if number:
                yield ((indent, ""), (text, ""))
            else:
                yield ((label, "changed"), (f"{role:<{names}}  ", "bold"), (text, ""))
        label = " " * len(_LABEL)


def _told(tasks: Mapping[str, Sequence[str]], hosts: Sequence[str]) -> str:
    """Neighbours that changed on the same hosts share the names of these."""
    groups = groupby(tasks.items(), lambda item: tuple(host for host in hosts if host in item[1]))
    return "; ".join(", ".join(printable(task) for task, _ in group) + _on(on, len(hosts)) for on, group in groups)


def _on(hosts: Sequence[str], total: int) -> str:
    if len(hosts) == total:
        return ""
    return f" ({', '.join(hosts)})" if len(hosts) <= 3 else f" ({len(hosts)} hosts)"
