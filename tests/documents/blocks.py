"""The fenced blocks of a page, with the comment that says how to try each.

A comment stands on the line before its fence; readers do not see it:

- `<!-- write: FILE -->`: what the block shows is to be written to that file;
- `<!-- edit: FILE -->`: a diff, whose lines with `-` are to be replaced by those with `+`;
- `<!-- exit: 1 -->`: the commands end with that code;
- `<!-- not run: WHY -->`: nobody runs it, and why.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.documents.markdown import ROOT

MARKS = ("write", "edit", "exit", "not run")

FENCE = re.compile(
    r"(?:^ *<!-- (?P<mark>.+?): (?P<about>.+?) -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is the first one of its text in ``page``."""

    page: Path
    line: int
    language: str
    text: str
    mark: str
    """One of MARKS; empty where there is none."""
    about: str
    """What follows the mark."""

    @property
    def name(self) -> str:
        """The place, for the id of a test."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in their order."""
    return [_block(page, found) for found in FENCE.finditer(page.read_text("utf-8"))]


def _block(page: Path, found: re.Match[str]) -> Block:
    mark = found["mark"] or ""
    assert mark in ("", *MARKS), f"{page}: what is <!-- {mark}: -->?"
    line = found.string.count("\n", 0, found.start("text")) + 1
    return Block(page, line, found["language"], textwrap.dedent(found["text"]), mark, found["about"] or "")


def written_pages() -> list[Path]:
    """The pages that users and contributors read."""
    return sorted(
        path for folder in (".", "docs", "docs/*", "roles/*", "tests/*") for path in ROOT.glob(f"{folder}/*.md")
    )


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of these languages, of all pages."""
    return [block for page in written_pages() for block in blocks_of(page) if block.language in languages]
