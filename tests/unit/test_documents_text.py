"""What the documents show as printed: produced by the code that prints it, or looked up in what it prints from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from tests.documents.blocks import all_blocks, blocks_of
from tests.documents.markdown import DOCS, ROOT
from tests.documents.tutorial import TUTORIAL, agrees, edited, masked

from provision.cli import main
from provision.events import HostFinished
from provision.report.lines import text_of
from provision.report.recap import recap
from provision.role import SHIPPED
from provision.transport.ssh_hostkeys import HostKey
from provision.yamlfile import load

README = ROOT / "README.md"
PRINTED = [
    (block, line)
    for block in all_blocks("text")
    if block.page in (README, TUTORIAL)
    for line in block.text.splitlines()
]
RECAPS = [line for _, line in PRINTED if re.search(r" : ok=\d", line)]
TASKS = [found for _, line in PRINTED if (found := re.match(r"(\w+): +\[\S+] (\w+) : (.+?)(  .*)?$", line))]


def shown_in(page: Path, beginning: str) -> str:
    """The one block of text that begins so."""
    (found,) = [
        block.text for block in blocks_of(page) if block.language == "text" and block.text.startswith(beginning)
    ]
    return found


def test_the_error_in_the_readme_is_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "tests/apps/notes", tmp_path / "notes", ignore=shutil.ignore_patterns(".venv"))
    (first,) = [block for block in blocks_of(README) if block.text.startswith("all:\n")]
    (tmp_path / "notes/inventory.yml").write_text(f"{first.text}    app_worker: 4\n")
    monkeypatch.chdir(tmp_path / "notes")

    done = CliRunner().invoke(main, ["up"], prog_name="provision")

    assert (done.exit_code, done.output) == (2, shown_in(README, "inventory.yml:"))


def test_the_question_in_the_readme_is_what_is_asked() -> None:
    shown = shown_in(README, "The authenticity of host")
    key = HostKey("203.0.113.10", "ssh-ed25519", b"any")

    assert shown.strip() == re.sub(r"SHA256:\S+(?=\.)", re.findall(r"SHA256:\S{43}", shown)[0], key.question).strip()


@pytest.mark.parametrize("line", sorted(set(RECAPS)))
def test_a_recap_has_the_form_of_today(line: str) -> None:
    host, _, rest = line.partition(" : ")
    numbers: dict[str, Any] = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", rest)}
    seconds = re.findall(r"([\d.]+)s$", rest)
    event = HostFinished(host, seconds=float(seconds[0]), **numbers)

    assert [text_of(part) for part in recap([event])] == [line]


def test_tasks_that_are_shown_exist() -> None:
    names = {
        (path.parents[1].name, str(task["name"]))
        for path in [*SHIPPED.glob("*/tasks/main.yml"), *SHIPPED.glob("*/handlers/main.yml")]
        for task in load(path).plain()
        if "name" in task
    }
    assert len(TASKS) > 10
    assert [found[0] for found in TASKS if (found[2], found[3]) not in names] == []


def test_the_picture_shows_what_the_tutorial_does() -> None:
    """Two runs of the same roles; `make picture` draws it anew."""
    drawn = ElementTree.parse(DOCS / "pictures" / "up.svg").iter("{http://www.w3.org/2000/svg}text")
    text = " ".join("".join(part.itertext()).replace("\xa0", " ") for part in drawn)
    counts = r"(ok=\d+) +(changed=\d+) +(failed=0) +(unreachable=0) +(skipped=\d+) +(trips=\d+)"
    of_the_tutorial = [found for block in blocks_of(TUTORIAL) for found in re.findall(counts, block.text)]

    # Before them stands what the plan counts.
    assert re.findall(counts, text) == of_the_tutorial[1:3]


def test_the_inventory_of_the_tutorial_is_what_init_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks_of(TUTORIAL)[:2]:
        (tmp_path / block.about).write_text(block.text)
    monkeypatch.chdir(tmp_path)
    (command,) = [block.text for block in blocks_of(TUTORIAL) if block.text.startswith("provision init")]

    done = CliRunner().invoke(main, command.splitlines()[0].split()[1:], prog_name="provision")

    assert shown_in(TUTORIAL, "Wrote ") == done.output + (tmp_path / "inventory.yml").read_text()


def test_output_is_compared_but_for_what_differs_from_run_to_run() -> None:
    written = "web1 : ok=14 changed=0 0.4s\nblue[12]: 51 MB\n"

    assert agrees(written, "web1 : ok=14 changed=0 1m20s\nblue[4]:  7 MB")
    assert not agrees(written, "web1 : ok=14 changed=1 0.4s\nblue[12]: 51 MB")
    assert not agrees(written, "web1 : ok=14 changed=0 0.4s\nblue[12]: 51 MB\nmore")
    assert masked("  4  2026-11-24 11:35:34  8c66de8e9228  2 x 49 MB") == "4 TIME DIGEST 2 x MEMORY"


def test_a_diff_is_applied_where_it_fits_once() -> None:
    text = "a: 1\nb: 2\na: 1\nc: 3\n"

    assert edited(text, " b: 2\n-a: 1\n+a: 4\n+d: 5\n") == "a: 1\nb: 2\na: 4\nd: 5\nc: 3\n"
    with pytest.raises(AssertionError, match="2 places"):
        edited(text, "-a: 1\n+a: 4\n")


def test_blocks_are_found_with_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# P\n\n<!-- not run: no VM -->\n```sh\nssh x\n```\n\n- item\n\n  ```yaml\n  a: 1\n  ```\n")

    shell, yaml = blocks_of(page)

    assert (shell.mark, shell.about, shell.line, shell.text) == ("not run", "no VM", 5, "ssh x\n")
    assert (yaml.mark, yaml.language, yaml.line, yaml.text) == ("", "yaml", 11, "a: 1\n")
    page.write_text("<!-- skip: lazy -->\n```sh\ntrue\n```\n")
    with pytest.raises(AssertionError, match="skip"):
        blocks_of(page)
