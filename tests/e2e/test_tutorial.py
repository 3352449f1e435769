"""docs/tutorial.md, step by step: its files are written, its commands run, their output compared with the page's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from tests.documents.blocks import Block, blocks_of
from tests.documents.markdown import DOCS
from tests.documents.tutorial import TUTORIAL, Reader, agrees

from provision.lab.lab import Lab
from provision.lab.provider import Host


@dataclass(frozen=True)
class Followed:
    """The tutorial, done."""

    reader: Reader
    shown: Sequence[tuple[Block, str]]
    """The blocks of output, and what was really shown."""


@pytest.fixture(scope="module")
def followed(host: Host, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    reader = Reader(tmp_path_factory.mktemp("tutorial"), host, lab.root(host))
    return Followed(reader, list(reader.follow(blocks_of(TUTORIAL))))


def test_the_tutorial_shows_what_is_shown(followed: Followed) -> None:
    """After a change of what is printed `make tutorial` writes the page anew."""
    assert len(followed.shown) > 15
    for block, shown in followed.shown:
        assert agrees(block.text, shown), f"{block.name} says\n{block.text}\nand this was shown\n{shown}"


def test_the_commands_of_the_concepts_show_something(followed: Followed) -> None:
    shell = [block for block in blocks_of(DOCS / "concepts.md") if block.language == "sh"]
    lines = [line for block in shell for line in block.text.splitlines()]
    assert len(lines) > 7
    for line in lines:
        shown, code = followed.reader.run(line)
        assert (code, shown != "") == (0, True), f"{line}\n{shown}"
