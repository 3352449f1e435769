"""docs/cuts.md: what was cut where, and what became of it."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence

from tests.cuts.bench import Outcome
from tests.cuts.points import WAYS, Scenario, points
from tests.cuts.state import MAY_DIFFER, NAMES_ONLY
from tests.documents.markdown import commit

from provision import __version__

HEAD = """\
# Cut everywhere

What becomes of a run that is cut, tried on real hosts at every step and at named points inside the switch. Written by
`make test-cuts`; of `make test`, tests/e2e/test_cuts.py makes a sample of each kind, the same in every run.

A cut **held** when all of this was seen:

- From before the cut to the end of the next run the site answered every request over HTTPS: with the old release, from
  the switch on with the new one, never with an error. (A first deployment may answer as soon as it runs, before its
  switch: there is nothing else to serve.)
- The next `provision up` ended with 0, and the one after it found nothing to do: 0 changes, 1 trip.
- The host was then as after an undisturbed run: the same files (type, mode, owner, content), packages, units that run
  or start at boot, configuration in Caddy, tables in the database; nothing left in /run or /tmp.

Four ways:

- **killed**: SIGKILL of `provision`. The running step completes by itself, the next never starts.
- **silent**: every packet of the connection is dropped, in both directions. Both ends notice by themselves; the step
  completes.
- **shell**: SIGKILL of the shell that runs the step. What it has called, such as apt, goes on beside the next run.
- **session**: SIGKILL of all that the step has started, dpkg at its work too. For the long steps only.

A run is held at its point by a wrapper of the command that is called there, placed first in the host's PATH
(tests/cuts/hook.sh): no cut depends on luck. A run that loses its controller anywhere in a step completes that step, so
killed and silent are tried within a step where there are points, else at its beginning. A cut late in a run begins
with the disk of a host where another run was cut at an earlier step: so Caddy need not be installed anew each time.
"""

TITLES: dict[Scenario, str] = {
    "first": "A first deployment, on a bare host",
    "update": "An update: new source, migration, environment and site",
    "restart": "The same on a machine too small for two copies (`app_strategy: restart`)",
}


def page(outcomes: Sequence[Outcome], minutes: float, hosts: int) -> str:
    """The page, from the outcomes of all cuts."""
    return "\n".join([HEAD, *_made(outcomes, minutes, hosts), *_tables(outcomes), *_faults(outcomes), *_exceptions()])


def _made(outcomes: Sequence[Outcome], minutes: float, hosts: int) -> Iterator[str]:
    held = sum(not outcome.fault for outcome in outcomes)
    today = datetime.datetime.now(datetime.UTC).date()
    yield (
        f"**{held} of {len(outcomes)} cuts held**, {today}, provision {__version__} ({commit()}), "
        f"Debian 12, {hosts} hosts at a time on {os.cpu_count()} cores, {minutes:.0f} minutes."
    )
    yield ""


def _tables(outcomes: Sequence[Outcome]) -> Iterator[str]:
    found = {(outcome.cut.scenario, outcome.cut.point, outcome.cut.way): outcome for outcome in outcomes}
    for scenario, title in TITLES.items():
        yield f"## {title}\n"
        yield "Seconds from the host's boot to the end of all checks; - is a way that adds nothing there.\n"
        yield f"| point | {' | '.join(WAYS)} |"
        yield f"|---|{'---|' * len(WAYS)}"
        for point in points(scenario):
            cells = (found.get((scenario, point, way)) for way in WAYS)
            yield f"| {point.name} | {' | '.join(map(_cell, cells))} |"
        yield ""


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return "-"
    return f"{'**NOT held**' if outcome.fault else 'held'} {outcome.seconds:.0f} s"


def _faults(outcomes: Sequence[Outcome]) -> Iterator[str]:
    faults = [outcome for outcome in outcomes if outcome.fault]
    if faults:
        yield "## What did not hold\n"
    for outcome in faults:
        yield f"{outcome.cut}\n\n```\n{outcome.fault}\n```\n"


def _exceptions() -> Iterator[str]:
    yield "## What may differ from an undisturbed run\n"
    yield "Left out of the comparison, as regular expressions over paths:\n"
    yield "| path | why |\n|---|---|"
    for path, why in MAY_DIFFER.items():
        yield f"| `{path.replace('|', '&#124;')}` | {why} |"
    yield "\nOf these only type, mode and owner are compared:\n"
    yield "| path | why |\n|---|---|"
    for path, why in NAMES_ONLY.items():
        yield f"| `{path.replace('|', '&#124;')}` | {why} |"
    yield "\nDeployments are numbered as they begin, so a run that was cut may have taken a number: they are compared"
    yield "by their order, and so are the numbers in their records. Elsewhere than in /etc, /srv, /opt, /usr/local,"
    yield "/root and the app's and provision's folders in /var/lib, files are the packages'; their size is compared."
    yield ""
