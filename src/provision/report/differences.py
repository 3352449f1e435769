"""How one task differs: its keys, a line per subject, and the unified diff of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from provision.events import TaskVerdict
from provision.report.lines import Line, Style, line, printable, printable_lines


def differences(event: TaskVerdict, *, diff: bool) -> Iterator[Line]:
    """What the plan found different, and with ``diff`` the lines of the file, if it has some to show."""
    for text in condensed(event.keys):
        yield line(f"    {printable(text)}", "dim")
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
