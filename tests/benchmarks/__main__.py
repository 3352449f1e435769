"""Speed beside what SSH allows and beside other tools: `make bench`; writes docs/performance.md.

Every tool does the same job: packages, a user, folders, the example app, its virtual environment, two units, Caddy's
site, a look at its health. The tools take turns within each round, so that whatever else the machine does hits all.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.cases import DELAY, Bench, Case
from tests.benchmarks.measured import Failed
from tests.benchmarks.page import Measured, page
from tests.benchmarks.plot import plot
from tests.benchmarks.store import Store
from tests.benchmarks.tools import Ansible, ByHand, Provision, Pyinfra, Ssh, Tool
from tests.documents.markdown import DOCS, commit

from provision.lab.lab import Lab, base_folder

FLEET = 50
"""Hosts of the largest case."""
FIRST = "first run"
SURVEY = "survey"
"""The case of the host's own processor."""


def main() -> int:
    """Make the cases that are asked for; 1 where a tool fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each tool and case")
    only = "cases whose name has this text; the others stay as they were; repeatable"
    parser.add_argument("--only", action="append", default=[], help=only)
    parser.add_argument("--tools", default="", help="these tools alone, with commas; keeps no result without --merge")
    parser.add_argument("--merge", action="store_true", help="keep it beside what the other tools took before")
    options = parser.parse_args()
    lab = Lab("bench", base_folder(os.environ))
    lab.down()
    passing = options.tools and not options.merge
    store = Store(Path(os.devnull)) if passing else Store.load(DOCS / "performance.json")
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
            folder = Path(temporary)
            tools, scripts = _tools(folder, base_folder(os.environ).parent / "bench", options.tools)
            bench = Bench(lab, tools, scripts, folder)
            store.versions = {**store.versions, **{tool.name: tool.version() for tool in (*tools, *scripts, Ssh())}}
            for case in _measure(bench, options.rounds, options.only):
                keep = store.merge if options.merge else store.keep
                keep(replace(case, made=_made(options.rounds)))
            if _asked(SURVEY, options.only):
                store.survey, store.survey_made = bench.survey(options.rounds), _made(options.rounds)
                store.save()
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        lab.down()
    cases = [store.cases[name] for name in (FIRST, *_cases(bench, 0)) if name in store.cases]
    measured = Measured(cases, store.survey, store.survey_made, store.versions, FLEET)
    if passing:
        print(page(measured))
    else:
        (DOCS / "performance.md").write_text(page(measured), "utf-8")
        (DOCS / "pictures/performance.svg").write_text(plot(cases), "utf-8")
    return 0


def _made(rounds: int) -> str:
    return f"{datetime.datetime.now(datetime.UTC).date()} at commit {commit()}, {rounds} rounds"


def _tools(folder: Path, environments: Path, only: str) -> tuple[list[Tool], list[Tool]]:
    """The tools, each with a folder of its own, and the script."""
    makers: Mapping[str, Callable[[Path], Tool]] = {
        "provision": Provision,
        "ansible": lambda own: Ansible(own, environments, mitogen=False),
        "ansible+mitogen": lambda own: Ansible(own, environments, mitogen=True),
        "pyinfra": lambda own: Pyinfra(own, environments),
        "by_hand": ByHand,
    }
    made = {}
    for name, make in makers.items():
        if not only or name in only.split(","):
            (folder / name).mkdir()
            made[name] = make(folder / name)
    scripts = [tool for name, tool in made.items() if name == "by_hand"]
    return [tool for name, tool in made.items() if name != "by_hand"], scripts


def _asked(name: str, only: Sequence[str]) -> bool:
    return not only or any(text in name for text in only)


def _measure(bench: Bench, rounds: int, only: Sequence[str]) -> Iterator[Case]:
    # First, since the others begin with what it leaves.
    first = bench.first_run(rounds if _asked(FIRST, only) else 1)
    if _asked(FIRST, only):
        yield first
    for name, make in _cases(bench, rounds).items():
        if _asked(name, only):
            print(f"{name}:")
            yield make()


def _cases(bench: Bench, rounds: int) -> Mapping[str, Callable[[], Case]]:
    return {
        "nothing to do, 1 host, 0 ms": lambda: bench.nothing_to_do(rounds, 1),
        "nothing to do, 1 host, 80 ms": lambda: bench.nothing_to_do(rounds, 1, delay=DELAY),
        "one changed template, 1 host, 0 ms": lambda: bench.one_template(rounds, delay=0),
        "one changed template, 1 host, 80 ms": lambda: bench.one_template(rounds, delay=DELAY),
        "nothing to do, 10 hosts, 0 ms": lambda: bench.nothing_to_do(rounds, 10),
        f"nothing to do, {FLEET} hosts, 0 ms": lambda: bench.nothing_to_do(rounds, FLEET),
    }


if __name__ == "__main__":
    sys.exit(main())
