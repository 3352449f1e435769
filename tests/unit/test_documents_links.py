"""Links of the documents lead somewhere, every page can be reached, and pictures hold all they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.documents.blocks import FENCE, written_pages
from tests.documents.markdown import DOCS, ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PICTURES = sorted((DOCS / "pictures").glob("*.svg"))


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Each link to a file of this repository, as it is written, with the file and the anchor it means."""
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if not re.match(r"[a-z]+:", target):
            name, _, anchor = target.partition("#")
            yield target, (page.parent / name).resolve() if name else page, anchor


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    found = [(page, *link) for page in written_pages() for link in links(page)]
    assert len(found) > 60
    assert [
        f"{page.relative_to(ROOT)}: {target}"
        for page, target, file, anchor in found
        if not file.exists() or (anchor and anchor not in anchors(file))
    ] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    due = [DOCS / "README.md"]
    while due:
        page = due.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            due += [file for _, file, _ in links(page) if file.exists()]
    assert [str(page) for page in DOCS.rglob("*.md") if page not in reached] == []


def test_the_index_names_every_page_itself() -> None:
    named = {file for _, file, _ in links(DOCS / "README.md")}
    assert [str(page) for page in DOCS.rglob("*.md") if page not in {*named, DOCS / "README.md"}] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_needs_nothing_from_elsewhere(picture: Path) -> None:
    """GitHub shows an SVG as an image, which may fetch nothing: no fonts, no styles, no scripts."""
    text = picture.read_text("utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"')]+", re.sub(r">[^<]*<", "><", text)) == []
    assert not re.search(r"<script|@import|@font-face|xlink:href|href=", text)


def test_every_picture_is_shown_somewhere() -> None:
    shown = {file for page in written_pages() for _, file, _ in links(page)}
    assert len(PICTURES) > 1
    assert [picture.name for picture in PICTURES if picture not in shown] == []


def test_lines_are_not_too_long() -> None:
    """A terminal shows a page as it is; tables, and what was printed, cannot be folded."""
    long = [
        f"{page.relative_to(ROOT)}:{number}"
        for page in written_pages()
        for number, line in enumerate(
            FENCE.sub(lambda f: "\n" * f[0].count("\n"), page.read_text("utf-8")).split("\n"), 1
        )
        if len(line) > 120 and not line.startswith("|")
    ]
    assert long == []
