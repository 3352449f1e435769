"""What the documents say exists: commands, options, targets, variables, inventories, links, and the generated pages."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import click
import pytest
import yaml
from tests.documents.markdown import ROOT
from tests.documents.modules import OWN
from tests.documents.pages import pages

from provision import filters, refusals, tasks
from provision.argument_specs import parse
from provision.cli import main
from provision.errors import ConfigError, ProvisionError
from provision.fleet import Fleet
from provision.inventory import Inventory
from provision.resources.kinds import KINDS
from provision.role import SHIPPED, Modules
from provision.yamlfile import load

FOLDERS = (".", "docs", "docs/*", "roles/*", "tests/*")
DOCUMENTS = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md"))
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: Path
    language: str
    text: str
    line: int

    @property
    def name(self) -> str:
        """The place, for a test's id."""
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(language: str) -> list[Block]:
    found = []
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(document, match[2], textwrap.dedent(match[3]), line))
    return [block for block in found if block.language == language]


def yaml_blocks(*beginnings: str) -> list[Block]:
    return [block for block in blocks("yaml") if block.text.startswith(beginnings)]


def commands(program: str) -> Iterator[tuple[str, list[str]]]:
    """Place and words of every call of ``program`` in a block of shell or in running text."""
    for block in blocks("sh"):
        for number, line in enumerate(block.text.splitlines(), block.line):
            words = shlex.split(line, comments=True)
            if words[:1] == [program]:
                yield f"{block.document.relative_to(ROOT)}:{number}", words[1:]
    for document in DOCUMENTS:
        for number, line in enumerate(FENCE.sub(_blank, document.read_text("utf-8")).splitlines(), 1):
            for code in INLINE.findall(line):
                if code.startswith(f"{program} "):
                    yield f"{document.relative_to(ROOT)}:{number}", shlex.split(code)[1:]


def _blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def check(words: list[str]) -> None:
    """Parse a command line of provision as the command would, without running it."""
    command: click.Command = main
    context = click.Context(main, info_name="provision")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]}"
        context = click.Context(found, parent=context, info_name=words[0], **found.context_settings)
        command, words = found, words[1:]
    # A command may be named without its arguments.
    if words not in ([], ["--help"]) and not isinstance(command, click.Group):
        command.parse_args(context, list(words))


@pytest.mark.parametrize(("place", "words"), [pytest.param(*found, id=found[0]) for found in commands("provision")])
def test_every_command_exists(place: str, words: list[str]) -> None:
    check(words)


def test_the_check_of_commands_finds_what_is_wrong() -> None:
    for wrong in (["rollbak"], ["up", "--chek"], ["lab", "upp"], ["up", "--forks", "many"], ["up", "a", "b"]):
        with pytest.raises((AssertionError, click.UsageError)):
            check(wrong)
    assert len(list(commands("provision"))) > 15


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    used = [(place, word) for place, words in commands("make") for word in words if "=" not in word]
    assert len(used) > 4
    assert [found for found in used if found[1] not in targets] == []


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example app, in no git work tree."""
    folder = tmp_path_factory.mktemp("documents") / "notes"
    shutil.copytree(ROOT / "tests" / "apps" / "notes", folder, ignore=shutil.ignore_patterns(".venv", "__pycache__"))
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    return folder


def validate(inventory: Path) -> None:
    """All that `provision up` checks before it connects."""
    loaded = Inventory.load(inventory)
    assert list(loaded.notes) == []
    Fleet(loaded.base, {}).plays(loaded.select("all"))


@pytest.mark.parametrize("block", yaml_blocks("all:", "app_"), ids=lambda block: block.name)
def test_every_inventory_is_valid(block: Block, app: Path) -> None:
    """A block without `all:` shows variables."""
    text = block.text
    if not re.search(r"^all:", text, re.MULTILINE):
        text = "all:\n  hosts: {203.0.113.10: }\n  vars:\n" + re.sub("^", "    ", text, flags=re.MULTILINE)
    (app / "inventory.yml").write_text(text)
    validate(app / "inventory.yml")


@pytest.mark.parametrize("block", yaml_blocks("- name:"), ids=lambda block: block.name)
def test_every_task_is_valid(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "main.yml"
    file.write_text(block.text)
    assert tasks.parse_tasks(load(file), Modules(KINDS))


def test_the_check_of_inventories_finds_what_is_wrong(app: Path) -> None:
    (app / "inventory.yml").write_text("all:\n  hosts: {web1: }\n  vars:\n    app_worker: 4\n")
    with pytest.raises(ProvisionError, match="app_worker"):
        validate(app / "inventory.yml")


def test_the_inventory_of_the_first_screen_has_five_lines() -> None:
    first = blocks("yaml")[[block.document.name for block in blocks("yaml")].index("README.md")]
    assert first.line < 30
    assert len(first.text.splitlines()) == 5


def test_the_example_inventory_is_valid() -> None:
    validate(ROOT / "inventories" / "example.yml")


def test_every_variable_named_is_a_variable_of_a_role() -> None:
    known = {name for path in SHIPPED.glob("*/meta/argument_specs.yml") for name in parse(load(path))}
    prefixes = "|".join(path.name for path in SHIPPED.iterdir())
    examples = {"app_worker"}  # The misspelling that README and docs/ansible.md show.
    strangers = [
        f"{document.relative_to(ROOT)}: {name}"
        for document in DOCUMENTS
        for name in re.findall(rf"\b(?:{prefixes})_[a-z]+(?:_[a-z]+)*\b", document.read_text("utf-8"))
        if name not in known | examples | set(KINDS)
    ]
    assert strangers == []


def anchors(document: Path) -> set[str]:
    """The headings of a document, as a renderer of GitHub's kind links to them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    wrong, seen = [], 0
    for document in DOCUMENTS:
        for target in LINK.findall(FENCE.sub("", document.read_text("utf-8"))):
            if re.match(r"[a-z]+:", target):
                continue
            seen += 1
            name, _, anchor = target.partition("#")
            file = (document.parent / name).resolve() if name else document
            if not file.exists() or (anchor and anchor not in anchors(file)):
                wrong.append(f"{document.relative_to(ROOT)}: {target}")
    assert seen > 20
    assert wrong == []


def test_lines_are_not_too_long() -> None:
    """A terminal shows a README as it is; tables and generated pages cannot be folded."""
    long = [
        f"{document.relative_to(ROOT)}:{number}"
        for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")
        for number, line in enumerate(document.read_text("utf-8").splitlines(), 1)
        if len(line) > 120 and not line.startswith("|")
    ]
    assert long == []


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_generated_pages_are_fresh(path: Path) -> None:
    """Run `make docs` where this fails."""
    assert path.read_text("utf-8") == pages()[path]


ASK = """
import json
from ansible.playbook.task import Task
from ansible.playbook.handler import Handler
print(json.dumps(sorted({*Task.fattributes, *Handler.fattributes})))
"""


def test_every_keyword_of_ansible_is_used_or_refused_by_name(tmp_path: Path) -> None:
    answer = subprocess.run([sys.executable, "-c", ASK], cwd=tmp_path, capture_output=True, text=True, check=True)
    keywords = yaml.safe_load(answer.stdout)
    ours = {*tasks._TASK_KEYWORDS, *tasks._HANDLER_KEYWORDS, *refusals.TASK_KEYWORDS}
    unspoken = {"async_val", "loop_with"}  # Never written; `async` and `with_...` are.
    rare = {"become_exe", "become_flags"}  # Told only that there is no such keyword.
    assert len(keywords) > 30
    assert sorted(set(keywords) - ours - unspoken - rare) == []


def test_nothing_is_both_used_and_refused() -> None:
    assert not set(KINDS) & set(refusals.MODULES)
    assert not tasks._TASK_KEYWORDS & set(refusals.TASK_KEYWORDS)


def test_modules_are_named_as_in_ansible() -> None:
    folder = Path(str(distribution("ansible-core").locate_file("ansible/modules")))
    collections = set(tasks._ELSEWHERE.values())
    assert {name for name in KINDS if not (folder / f"{name}.py").exists()} - collections == set(OWN)


def test_filters_are_named_as_in_ansible(tmp_path: Path) -> None:
    script = (
        "import json; from ansible.plugins.filter import core, mathstuff, urls, encryption\n"
        "names = [n for m in (core, mathstuff, urls, encryption) for n in m.FilterModule().filters()]\n"
        "print(json.dumps(names))"
    )
    answer = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(filters.filters()) - set(yaml.safe_load(answer.stdout)) == set()


def test_a_refused_module_is_told_what_to_do_instead(tmp_path: Path) -> None:
    for name, hint in refusals.MODULES.items():
        file = tmp_path / "main.yml"
        file.write_text(f"- {name}: {{}}\n")
        with pytest.raises(ConfigError) as refusal:
            tasks.parse_tasks(load(file), Modules(KINDS))
        assert refusal.value.hint == hint
