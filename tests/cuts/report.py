"""docs/cuts.md: what was cut where, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.cuts.bench import Outcome


def page(outcomes: Sequence[Outcome], minutes: float, hosts: int) -> str:
    """The page, from the outcomes of all cuts."""
    return "\n".join(_lines(outcomes))


def _lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "x"
