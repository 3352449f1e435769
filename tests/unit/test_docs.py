"""The generated pages, and what they and the program have in common with Ansible."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from tests.documents.modules import OWN
from tests.documents.pages import pages

from provision import filters, refusals, tasks
from provision.errors import ConfigError
from provision.resources.kinds import KINDS
from provision.role import Modules
from provision.yamlfile import load


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
