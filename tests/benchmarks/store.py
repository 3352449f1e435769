"""docs/performance.json: every run of every case as it was measured last, from which the page is made."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.cases import Case
from tests.benchmarks.measured import Cost


@dataclass
class Store:
    """What has been measured; a case that is measured again takes the place of what it was."""

    path: Path
    cases: dict[str, Case] = field(default_factory=dict)
    survey: Mapping[int, float] = field(default_factory=dict)
    """Number of resources -> seconds of the host's processor."""
    survey_made: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Store:
        """From the file, empty where there is none."""
        if not path.exists():
            return cls(path)
        found: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
        cases = {
            name: Case(
                name, {tool: [Cost(*cost) for cost in costs] for tool, costs in case["costs"].items()}, case["made"]
            )
            for name, case in found["cases"].items()
        }
        survey = {int(count): seconds for count, seconds in found["survey"]["seconds"].items()}
        return cls(path, cases, survey, found["survey"]["made"], found["versions"])

    def keep(self, case: Case) -> None:
        """Add a case, and write the file."""
        self.cases[case.name] = case
        self.save()

    def merge(self, case: Case) -> None:
        """Add what some tools took, beside what the others took before; the case says which is which."""
        before = self.cases.get(case.name)
        others = {tool: costs for tool, costs in before.costs.items() if tool not in case.costs} if before else {}
        if before is None or not others:
            return self.keep(case)
        made = "\n".join([f"{case.made}: {', '.join(case.costs)}", *_made_before(before.made, others)])
        return self.keep(Case(case.name, {tool: {**others, **case.costs}[tool] for tool in before.costs}, made))

    def save(self) -> None:
        """Write the file: seconds, seconds of processor and MiB of each run."""
        cases = {
            name: {
                "made": case.made,
                "costs": {tool: [_rounded(cost) for cost in costs] for tool, costs in case.costs.items()},
            }
            for name, case in self.cases.items()
        }
        survey = {"made": self.survey_made, "seconds": {str(count): round(s, 4) for count, s in self.survey.items()}}
        text = json.dumps({"versions": dict(self.versions), "survey": survey, "cases": cases}, indent=1)
        # A run in a line.
        text = _one_line_lists(text)
        self.path.write_text(text + "\n", "utf-8")


def _made_before(made: str, others: Collection[str]) -> Iterator[str]:
    """The lines of ``made`` that are about any of these tools, and about no other: "when: tool, tool"."""
    for line in made.splitlines():
        when, _, tools = line.partition(": ")
        if left := [tool for tool in (tools.split(", ") if tools else others) if tool in others]:
            yield f"{when}: {', '.join(left)}"


def _rounded(cost: Cost) -> list[float]:
    return [round(value, 3) for value in astuple(cost)]


def _one_line_lists(text: str) -> str:
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda match: "[" + re.sub(r"\s+", " ", match[1]) + "]", text)
