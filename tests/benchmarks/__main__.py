"""Speed beside what SSH allows and beside other tools: `make bench`; writes docs/performance.md.

Every tool does the same job: packages, a user, folders, the example app, its virtual environment, two units, Caddy's
site, a look at its health. The tools take turns within each round, so that whatever else the machine does hits all.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.benchmarks.cases import DELAY, Bench, Case
from tests.benchmarks.measured import Failed
from tests.benchmarks.page import Measured, page
from tests.benchmarks.plot import plot
from tests.benchmarks.tools import Ansible, ByHand, Provision, Pyinfra, Ssh, Tool
from tests.documents.markdown import DOCS

from provision.lab.lab import Lab, base_folder

FLEET = 50
"""Hosts of the largest case."""
SURVEY = "survey"
"""The case of the host's own processor."""


def main() -> int:
    """Make the cases that are asked for; 1 where a tool fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each tool and case")
    parser.add_argument("--only", default="", help="cases whose name has this text; writes no page")
    parser.add_argument("--tools", default="", help="these tools alone, with commas; writes no page")
    options = parser.parse_args()
    lab = Lab("bench", base_folder(os.environ))
    lab.down()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
            folder = Path(temporary)
            tools, scripts = _tools(folder, base_folder(os.environ).parent / "bench", options.tools)
            bench = Bench(lab, tools, scripts, folder)
            found = _measure(bench, options.rounds, options.only)
            survey = bench.survey(options.rounds) if options.only in SURVEY else {}
            versions = {tool.name: tool.version() for tool in (*tools, *scripts, Ssh())}
            lab.down()
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        lab.down()
    measured = Measured(found, survey, versions, options.rounds, FLEET)
    if options.only or options.tools:
        print(page(measured))
    else:
        (DOCS / "performance.md").write_text(page(measured), "utf-8")
        (DOCS / "pictures/performance.svg").write_text(plot(found), "utf-8")
    return 0


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


def _measure(bench: Bench, rounds: int, only: str) -> list[Case]:
    # First, since the others begin with what it leaves.
    first = bench.first_run(rounds if only in "first run" else 1)
    cases: Mapping[str, Callable[[], Case]] = {
        "nothing to do, 1 host, 0 ms": lambda: bench.nothing_to_do(rounds, 1),
        "nothing to do, 1 host, 80 ms": lambda: bench.nothing_to_do(rounds, 1, delay=DELAY),
        "one changed template, 1 host, 0 ms": lambda: bench.one_template(rounds, delay=0),
        "one changed template, 1 host, 80 ms": lambda: bench.one_template(rounds, delay=DELAY),
        "nothing to do, 10 hosts, 0 ms": lambda: bench.nothing_to_do(rounds, 10),
        f"nothing to do, {FLEET} hosts, 0 ms": lambda: bench.nothing_to_do(rounds, FLEET),
    }
    found = [first]
    for name, make in cases.items():
        if only in name:
            print(f"{name}:")
            found.append(make())
    return found


if __name__ == "__main__":
    sys.exit(main())
