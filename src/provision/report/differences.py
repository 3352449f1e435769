"""How one task differs: its keys, a line per subject, and the unified diff of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from provision.events import TaskVerdict
from provision.report.lines import Line, Style, line, printable, printable_lines, wrapped

_DIGEST = re.compile(r"(?<![0-9a-f])([0-9a-f]{12})[0-9a-f]{20,}(?![0-9a-f])")


def differences(event: TaskVerdict, *, diff: bool, width: int | None) -> Iterator[Line]:
    """What the plan found different, and with ``diff`` the lines of the file, if it has some to show."""
    for text in condensed(event.keys):
        # As much of a digest as git shows of one.
        shown = _DIGEST.sub(r"\1", printable(text))
        yield from wrapped(line(f"    {shown}", "dim"), width, 8)
    for text in printable_lines(event.diff) if diff else ():
        yield line(f"    {text}", _diff_style(text))


def condensed(keys: Sequence[str]) -> Iterator[str]:
    """Neighbouring keys of one subject in one line: ``/etc/x: mode 0600 -> 0644, content``.

    Of what is not there yet only that is told: that its mode, owner and content differ too goes without saying.
    """
    for subject, group in groupby(keys, lambda key: key.partition(": ")[0]):
        rest = [after for key in group if (after := key.partition(": ")[2])]
        created = [text.removeprefix("type ") for text in rest if text.startswith("type absent -> ")]
        yield f"{subject}: {', '.join(created or rest)}" if rest else subject


def _diff_style(text: str) -> Style:
    if text.startswith(("--- ", "+++ ", "@@")):
        return "dim"
    return "added" if text.startswith("+") else "removed" if text.startswith("-") else ""
