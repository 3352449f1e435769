"""What is read like a page: lines on standard output, wrapped and coloured as it can take them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.report.lines import Line


def width() -> int | None:
    """Columns to wrap at; None where no terminal says how wide it is."""
    from provision.report import width_of

    return width_of(sys.stdout)


def write(lines: Iterable[Line]) -> None:
    """Write lines on standard output."""
    from provision.report import wants_color
    from provision.report.lines import ansi

    color = wants_color(sys.stdout)
    for content in lines:
        sys.stdout.write(ansi(content, color=color) + "\n")


def write_json(objects: Iterable[Mapping[str, object]]) -> None:
    """Write JSON lines on standard output."""
    for values in objects:
        sys.stdout.write(json.dumps(values) + "\n")
