"""docs/tutorial.md, step by step: its files are written, its commands run, their output compared with the page's."""

from __future__ import annotations

from pathlib import Path

from tests.documents.blocks import blocks_of
from tests.documents.tutorial import TUTORIAL, Reader, agrees

from provision.lab.lab import Lab
from provision.lab.provider import Host


def test_the_tutorial(fresh_host: Host, lab: Lab, tmp_path: Path) -> None:
    """After a change of what is printed `make tutorial` writes the page anew."""
    reader = Reader(tmp_path, fresh_host, lab.root(fresh_host))
    seen = 0

    for block, shown in reader.follow(blocks_of(TUTORIAL)):
        assert agrees(block.text, shown), f"{block.name} says\n{block.text}\nand this was shown\n{shown}"
        seen += 1

    assert seen > 15
