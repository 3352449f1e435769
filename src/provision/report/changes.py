"""What a run has changed, by role: what is left of the tree when it goes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from provision.report.headlines import together
from provision.report.lines import WIDEST, Line, printable

Changed = Mapping[str, Mapping[str, Sequence[str]]]
"""Role -> task -> the hosts where it changed something."""

_LABEL = "changed: "


def changes(changed: Changed, hosts: Sequence[str], *, width: int | None) -> Iterator[Line]:
    """A paragraph per role, and per set of hosts where a task did not change something on all of ``hosts``."""
    names = max(map(len, changed), default=0)
    room = max(1, min(width or WIDEST, WIDEST) - len(_LABEL) - names - 2)
    label = _LABEL
    for role, tasks in changed.items():
        name = role
        for paragraph in _paragraphs(tasks, hosts):
            for text in textwrap.wrap(paragraph, room, break_long_words=False, break_on_hyphens=False):
                yield ((label, "changed"), (f"{name:<{names}}  ", "bold"), (text, ""))
                label, name = " " * len(_LABEL), ""


def _paragraphs(tasks: Mapping[str, Sequence[str]], hosts: Sequence[str]) -> Iterator[str]:
    for on, group in groupby(tasks.items(), lambda item: [host for host in hosts if host in item[1]]):
        where = "" if len(on) == len(hosts) else f"{together(on)}: "
        yield where + "; ".join(printable(task) for task, _ in group)
