"""Cut everywhere: `make test-cuts`. Makes every cut of a first deployment and of an update, and writes docs/cuts.md."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.cuts.bench import Bench, Outcome
from tests.cuts.points import SCENARIOS, Cut, cuts
from tests.cuts.report import page
from tests.documents.markdown import ROOT
from tests.e2e.held import end_silence

from provision.lab.lab import Lab, base_folder


def main(arguments: Sequence[str]) -> int:
    """Make the cuts, say how each ended; 1 where one did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.cuts", description=__doc__)
    parser.add_argument("--hosts", type=int, default=10, help="hosts at a time")
    parser.add_argument("--name", default="cuts", help="of the lab")
    parser.add_argument("--only", default="", help="cuts whose line has this text; writes no page")
    options = parser.parse_args(arguments)
    chosen = [cut for scenario in SCENARIOS for cut in cuts(scenario) if options.only in str(cut)]
    began = time.monotonic()
    outcomes = _make(chosen, options.name, options.hosts)
    faults = [outcome for outcome in outcomes if outcome.fault]
    minutes = (time.monotonic() - began) / 60
    print(f"{len(outcomes) - len(faults)} of {len(outcomes)} cuts held, in {minutes:.0f} minutes")
    if not options.only:
        (ROOT / "docs/cuts.md").write_text(page(outcomes, minutes, options.hosts), "utf-8")
    return 1 if faults else 0


def _make(chosen: Sequence[Cut], name: str, count: int) -> list[Outcome]:
    lab = Lab(name, base_folder(os.environ))
    lab.down()
    end_silence(name)
    # Silent cuts wait for a minute and need no processor: mixed with the others they cost no time.
    mixed = random.Random(1).sample(chosen, len(chosen))
    outcomes: list[Outcome] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(lab, Path(folder), min(count, len(chosen)))
            bench.prepare(chosen)
            for outcome in bench.run(mixed):
                outcomes.append(outcome)
                word = "NOT held" if outcome.fault else "held"
                print(f"{outcome.cut}: {word}, {outcome.seconds:.0f} s", outcome.fault, flush=True)
            # Overlays of the saved state go first.
            lab.down()
    finally:
        lab.down()
    return sorted(outcomes, key=lambda outcome: chosen.index(outcome.cut))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
