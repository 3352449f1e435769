"""docs/performance.md: what was measured, when, with which versions, and how to measure it again."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.cases import Case
from tests.benchmarks.measured import median
from tests.benchmarks.targets import Target, targets

HEAD = """\
# Performance

`make bench` measures `provision` beside Ansible (pipelining on, 50 forks), Ansible with Mitogen, pyinfra, a script by
hand and OpenSSH's own client. All do the same job on hosts of their own: packages, a user, folders, the example app
with its virtual environment, two units, Caddy's site, a template, and a look at its health. Playbook, deploy and script
are in tests/benchmarks/. The tools take turns within each round; the numbers are medians.

![Wall clock of each tool](pictures/performance.svg)
"""

NOTES = """\
- *first run*: on a bare host. `provision` also checks the app before it serves, keeps the release for a rollback, and
  reads the host again as proof; the others stop when the app answers.
- Mitogen needs Python and python3-apt on the host: they were put there before, and are not in its time.
- *80 ms*: behind a proxy that delays every byte by 40 ms each way. Connecting itself is not delayed.
- Ansible keeps its SSH connections open between runs (ControlPersist), as it does by default; its first run is not
  among the rounds. The others log in anew each time.
- CPU and memory are the controller's: the command and all that it started. Memory is the most at a time (PSS);
  of what takes less than four seconds it is that of a further run, since looking at it holds up what is looked at.
"""


@dataclass(frozen=True)
class Measured:
    """All that one run of the benchmarks has found."""

    cases: Sequence[Case]
    survey: Mapping[int, float]
    """Number of resources -> seconds of the host's processor."""
    survey_made: str
    """When, and at which commit."""
    versions: Mapping[str, str]
    fleet: int
    """Hosts of the largest case."""


def page(measured: Measured) -> str:
    """The page; its picture is made by plot.py."""
    promised = _targets(list(targets(measured.cases, measured.survey, measured.fleet)))
    tables = (*_tables(measured.cases), *_survey(measured.survey, measured.survey_made))
    return "\n".join([HEAD, *_with(measured.versions), *promised, *tables, NOTES])


def _with(versions: Mapping[str, str]) -> Iterator[str]:
    where = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    yield f"{where}; test hosts are containers of the same machine, Debian 12.\n"
    yield (
        "Each table says when it was measured: `make bench` measures all, `python -m tests.benchmarks --only TEXT`\n"
        "what has TEXT in its name. Every single run stands in [performance.json](performance.json). A commit that\n"
        "the history does not have was joined with others into a later one.\n"
    )
    yield from (f"- {name}: {version}" for name, version in versions.items())
    yield ""


def _targets(found: Sequence[Target]) -> Iterator[str]:
    yield "## What is promised\n"
    yield "| | found | promised | |"
    yield "|---|---|---|---|"
    for target in found:
        bound = "at least" if target.least else "at most"
        word = "met" if target.met else "**missed**"
        yield f"| {target.what} | {target.found:.3g} {target.unit} | {bound} {target.limit:g} {target.unit} | {word} |"
    yield ""


def _survey(found: Mapping[int, float], made: str) -> Iterator[str]:
    if not found:
        return
    yield "## What reading a host costs it\n"
    yield f"{made}. Of ten resources six are files with a content, two folders, one a package, one a\nservice.\n"
    yield "| resources | CPU of the host |"
    yield "|---|---|"
    yield from (f"| {count} | {seconds * 1000:.0f} ms |" for count, seconds in found.items())
    yield ""


def _tables(cases: Sequence[Case]) -> Iterator[str]:
    for case in cases:
        yield f"## {case.name[0].upper()}{case.name[1:]}\n"
        yield case.made.replace("\n", ".\n") + ".\n"
        yield "| | seconds | (from - to) | beside provision | CPU seconds | MiB |"
        yield "|---|---|---|---|---|---|"
        ours = median(case.costs["provision"]).wall if "provision" in case.costs else 0.0
        for name, costs in case.costs.items():
            middle = median(costs)
            walls = [cost.wall for cost in costs]
            ratio = f"{middle.wall / ours:.1f} x" if ours and name != "provision" else ""
            spread = f"{min(walls):.2f} - {max(walls):.2f}"
            yield f"| {name} | {middle.wall:.2f} | {spread} | {ratio} | {middle.cpu:.2f} | {middle.memory:.0f} |"
        yield ""
