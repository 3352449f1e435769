"""YAML in the documents: inventories, variables and tasks that the real loader takes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.documents.blocks import Block, all_blocks, written_pages
from tests.documents.markdown import ROOT

from provision import tasks
from provision.argument_specs import parse
from provision.errors import ConfigError, Position, ProvisionError
from provision.fleet import DEFAULT_ROLES, Fleet
from provision.inventory import Inventory
from provision.resources.kinds import CHECKS, KINDS
from provision.role import SHIPPED, Modules
from provision.yamlfile import from_plain, load

BLOCKS = [block for block in all_blocks("yaml") if block.page.name not in ("CONTRIBUTING.md", "vagrant.md")]
"""Those two have tests of their own: test_contributing.py and test_inventory_vagrant.py."""

TASKS = [block for block in BLOCKS if block.text.startswith("- ")]
COMPARISONS = [block for block in all_blocks("diff") if block.page.name == "ansible.md"]
INVENTORIES = [block for block in BLOCKS if block not in TASKS]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example app and files for its site, in no git work tree."""
    folder = tmp_path_factory.mktemp("documents") / "notes"
    shutil.copytree(ROOT / "tests" / "apps" / "notes", folder, ignore=shutil.ignore_patterns(".venv", "__pycache__"))
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    for name in ("static/logo.svg", "frontend/dist/assets/app-3f2a.js"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    return folder


def validate(path: Path, text: str = "") -> None:
    """All that `provision up` checks before it connects; variables called shop_... are the reader's own."""
    own = {name: from_plain("x", Position(path, 1, 1)) for name in re.findall(r"{{ (shop_\w+)", text)}
    loaded = Inventory.load(path)
    assert list(loaded.notes) == []
    Fleet(loaded.base, own).plays(loaded.select("all"))


def inventory(text: str) -> str:
    """A block as an inventory; one without `all:` shows variables."""
    if re.search(r"^all:", text, re.MULTILINE):
        return text
    if not re.search(r"^roles:", text, re.MULTILINE):
        others = [path.name for path in SHIPPED.iterdir() if f"{path.name}_" in text and path.name not in DEFAULT_ROLES]
        text += f"roles: [{', '.join([*others, *DEFAULT_ROLES])}]\n"
    return "all:\n  hosts: {203.0.113.10: }\n  vars:\n" + re.sub("^", "    ", text, flags=re.MULTILINE)


@pytest.mark.parametrize("block", INVENTORIES, ids=lambda block: block.name)
def test_every_inventory_is_valid(block: Block, app: Path) -> None:
    (app / "inventory.yml").write_text(inventory(block.text))
    validate(app / "inventory.yml", block.text)


@pytest.mark.parametrize("block", TASKS, ids=lambda block: block.name)
def test_every_task_is_valid(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "main.yml"
    file.write_text(block.text)
    assert tasks.parse_tasks(load(file), Modules(CHECKS if block.about == "tests/verify.yml" else KINDS))


@pytest.mark.parametrize("block", COMPARISONS, ids=lambda block: block.name)
def test_a_comparison_with_ansible_ends_in_valid_tasks(block: Block, tmp_path: Path) -> None:
    """And begins with a task that lint would refuse."""
    for kinds, valid in ((" +", True), (" -", False)):
        file = tmp_path / "main.yml"
        file.write_text("".join(f"{line[1:]}\n" for line in block.text.splitlines() if line[:1] in kinds))
        if valid:
            assert len(tasks.parse_tasks(load(file), Modules(KINDS))) == 3
        else:
            with pytest.raises(ConfigError):
                tasks.parse_tasks(load(file), Modules(KINDS))


def test_the_check_of_inventories_finds_what_is_wrong(app: Path) -> None:
    (app / "inventory.yml").write_text(inventory("app_worker: 4\n"))
    with pytest.raises(ProvisionError, match="app_worker"):
        validate(app / "inventory.yml")


def test_the_inventory_of_the_first_screen_has_five_lines() -> None:
    first = next(block for block in BLOCKS if block.page.name == "README.md" and block.page.parent == ROOT)
    assert first.line < 35
    assert len(first.text.splitlines()) == 5


def test_the_example_inventory_is_valid() -> None:
    validate(ROOT / "inventories" / "example.yml")


def test_every_variable_named_is_a_variable_of_a_role() -> None:
    known = {name for path in SHIPPED.glob("*/meta/argument_specs.yml") for name in parse(load(path))}
    prefixes = "|".join(path.name for path in SHIPPED.iterdir())
    examples = {"app_worker"}  # The misspelling that README and docs/ansible.md show.
    strangers = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in written_pages()
        for name in re.findall(rf"\b(?:{prefixes})_[a-z]+(?:_[a-z]+)*\b", page.read_text("utf-8"))
        if name not in known | examples | set(KINDS)
    ]
    assert strangers == []
