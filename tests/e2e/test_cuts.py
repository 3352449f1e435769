"""Some of all the cuts; `make test-cuts` makes all, which takes most of an hour."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest
from tests.cuts.bench import Bench, Outcome
from tests.cuts.points import Cut, cuts

from provision.lab.lab import Lab

SEED = os.environ.get("PROVISION_CUTS_SEED", "1")
"""Of the sample: with the number that a test's name says, the same cuts are made again."""

SAMPLE = 4
HOSTS = 4
"""At a time, beside the other tests: a silent cut takes more than a minute, in which its host does nothing."""


def sample(among: Sequence[Cut], size: int) -> dict[str, Cut]:
    """Some of the cuts, by names that say how they were chosen."""
    return {f"{cut} (seed {SEED})": cut for cut in random.Random(SEED).sample(among, size)}


FOUND = "first: the gate looks: shell"
"""The cut that has found a fault: what a first deployment had started was taken for what serves."""

CHOSEN = {
    **sample(cuts("update"), 6 * SAMPLE),
    FOUND: next(cut for cut in cuts("first") if str(cut) == FOUND),
    **sample(cuts("first"), SAMPLE),
    **sample(cuts("restart"), SAMPLE),
}


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[Cut, Outcome]:
    """What became of the cuts that are selected, in whatever order their tests come."""
    names = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    wanted = [cut for name, cut in CHOSEN.items() if name in names]
    mixed = random.Random(SEED).sample(wanted, len(wanted))
    bench = Bench(lab, tmp_path_factory.mktemp("cuts"), min(HOSTS, len(wanted)))
    bench.prepare(wanted)
    return {outcome.cut: outcome for outcome in bench.run(mixed)}


@pytest.mark.parametrize("name", CHOSEN, ids=str)
def test_a_run_that_is_cut_harms_nothing_and_the_next_completes_it(outcomes: dict[Cut, Outcome], name: str) -> None:
    assert outcomes[CHOSEN[name]].fault == ""
