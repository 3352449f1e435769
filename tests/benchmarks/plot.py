"""docs/pictures/performance.svg: the wall clock of each tool, a group of bars for each case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from tests.benchmarks.cases import Case
from tests.benchmarks.measured import median

_WIDTH, _NAMES, _NUMBERS = 860, 170, 130
"""Pixels: of all, and left and right of the bars."""
_ROW, _TITLE = 22, 38

_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>Wall clock of each tool</title>
<style>
text {{ font: 14px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 }}
.case {{ font-weight: bold }}
.other {{ fill: #8c959f }}
.ours {{ fill: #1a7f37 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .other {{ fill: #656d76 }} .ours {{ fill: #3fb950 }} }}
</style>
"""


def plot(cases: Sequence[Case]) -> str:
    """The picture; each case has a scale of its own, up to its slowest tool."""
    height = sum(_TITLE + _ROW * len(case.costs) for case in cases) + 10
    return "".join([_HEAD.format(width=_WIDTH, height=height), *_groups(cases), "</svg>\n"])


def _groups(cases: Sequence[Case]) -> Iterator[str]:
    top = 0
    for case in cases:
        yield f'<text class="case" x="0" y="{top + 26}">{escape(case.name)}</text>\n'
        top += _TITLE
        walls = {name: median(costs).wall for name, costs in case.costs.items()}
        for name, wall in walls.items():
            width = max(1.0, (_WIDTH - _NAMES - _NUMBERS) * wall / max(walls.values()))
            kind = "ours" if name == "provision" else "other"
            yield f'<text x="{_NAMES - 10}" y="{top + 15}" text-anchor="end">{escape(name)}</text>\n'
            yield f'<rect class="{kind}" x="{_NAMES}" y="{top + 3}" width="{width:.1f}" height="{_ROW - 6}" rx="2"/>\n'
            yield f'<text x="{_NAMES + width + 8:.1f}" y="{top + 15}">{wall:.2f} s</text>\n'
            top += _ROW
