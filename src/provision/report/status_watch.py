"""The state of hosts as it changes: drawn anew on a terminal, printed again elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from provision.ops.status_run import Seen
from provision.report import can_move_cursor, wants_color
from provision.report.lines import Line, ansi, line
from provision.report.status import age, as_json, block, print_status, write

_LATE = 10.0
"""Seconds more than the interval after which it is said how old a look is."""


def watch_status(hosts: Sequence[str], looks: Iterable[Seen], *, interval: float, json: bool) -> None:
    """Show each of ``looks`` as it comes, to their end; ``interval`` in seconds is what a host is looked at in."""
    if json:
        for seen in looks:
            sys.stdout.write(as_json(seen) + "\n")
            sys.stdout.flush()
    elif can_move_cursor(sys.stdout):
        _draw(hosts, looks, interval)
    else:
        for seen in looks:
            write((line(time.strftime("%H:%M:%S"), "dim"), *block(seen, None), line("")))
            sys.stdout.flush()


def _draw(hosts: Sequence[str], looks: Iterable[Seen], interval: float) -> None:
    """Draw the last look at each host over the one before; what was seen last stays on the screen at the end."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    # What a TERM of fewer colours stands for knows these too; rich would take others in their place.
    console = Console(highlight=False, markup=False, emoji=False, color_system="256")
    color = wants_color(sys.stdout)
    seen: dict[str, Seen] = {}
    times: dict[str, float] = {}
    with Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    ) as live:
        for look in looks:
            seen[look.host], times[look.host] = look, time.monotonic()
            # Before the first look at each somebody may be asked about a host's key.
            if len(seen) == len(hosts):
                # At Ctrl-C the terminal writes ^C behind the last line; if that wrapped, the frame would not go away.
                frame = _frame(hosts, seen, times, interval, console.width - 3)
                text = "\n".join(ansi(part, color=color) for part in frame)
                live.update(Text.from_ansi(text, no_wrap=True, end="\n"), refresh=True)
    print_status(hosts, seen, json=False)


def _frame(
    hosts: Sequence[str], seen: Mapping[str, Seen], times: Mapping[str, float], interval: float, width: int
) -> Iterator[Line]:
    yield line(f"{time.strftime('%H:%M:%S')}  every {interval:g} s, Ctrl-C ends", "dim")
    for host in hosts:
        yield line("")
        yield from block(seen[host], width)
        old = time.monotonic() - times[host]
        if old > interval + _LATE:
            yield line(f"  seen {age(old)} ago", "changed")
