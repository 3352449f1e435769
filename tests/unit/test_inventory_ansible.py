"""Ansible itself says what an inventory means; ours must say the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provision.errors import ConfigError
from provision.inventory import Inventory, listing

HERE = Path(__file__).parent / "inventories"
PATHS = [*sorted(HERE.glob("*/inventory.*")), HERE / "folder/inventory", HERE / "noextension/hosts"]
PATTERNS = HERE / "patterns/inventory.yml"

SAME_AS_ANSIBLE = [
    "all",
    "*",
    "web",
    "web1",
    "web1,web2",
    "web2,web1",
    "web2:web1",
    "web*",
    "web?",
    "w*.example.com",
    "web[0]",
    "web[-1]",
    "web[1:3]",
    "web[2:]",
    "web[0:0]",
    "web[4:99]",
    "w*[0]",
    "web:db",
    "web:&prod",
    "web,&prod",
    "web:&prod:&db",
    "all:!web",
    "all:!web1:!lone",
    "!web",
    "&prod",
    "!staging:web",
    "web:&staging:!web6",
    "~web[12]$",
    "~(web|db)1",
    "~^d",
    "~web[.]",
    "lone",
    "ungrouped",
    "web.example.com",
    "www.example.com,192.0.2.7",
    "192.0.2.7",
    "192.0.2.*",
    "2001:db8::7",
    "lone,2001:db8::7",
    " web1 , db1 ",
    "web1 db1",
    "@limit.txt",
    "empty,web1",
]

LEAVES_NOTHING = [
    "nothing",
    "web:&lone",
    "web1:!web",
    "empty",
    "web[9]",
    "web[7:9]",
    "~^nothing",
    "w3b*",
    "!all",
]

ANSIBLE_IGNORES = ["web1,nothing", "all:!db3", "all:!@limit.txt"]
"""A typo in an exclusion would change a host that the user meant to spare."""

ASKED = [*SAME_AS_ANSIBLE, *LEAVES_NOTHING, *ANSIBLE_IGNORES]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Ansible says of every inventory and pattern, asked in one process."""
    questions = [["inventory", str(path)] for path in PATHS]
    questions.append(["limit", str(PATTERNS), *ASKED])
    asked = subprocess.run(
        [sys.executable, str(HERE / "ask_ansible.py")],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=HERE / "patterns",
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path_factory.mktemp("home")), "LC_ALL": "C.UTF-8"},
    )
    assert asked.returncode == 0, asked.stderr
    *inventories, limits = json.loads(asked.stdout)
    by_path = {str(path): inventory for path, inventory in zip(PATHS, inventories, strict=True)}
    return {**by_path, **dict(zip(ASKED, limits, strict=True))}


def _sorted(value: object) -> str:
    # As text, because True == 1 and 1 == 1.0.
    return json.dumps(value, indent=1, sort_keys=True)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(HERE)))
def test_list_and_graph_are_those_of_ansible_inventory(path: Path, answers: dict[str, Any]) -> None:
    listed, graph = answers[str(path)]
    expected = json.loads(listed)
    assert expected["_meta"]["hostvars"] or len(expected) > 2, "Ansible did not read this inventory"
    inventory = Inventory.load(path)
    assert _sorted(listing.as_list(inventory)) == _sorted(expected)
    assert listing.graph(inventory) == graph


@pytest.mark.parametrize("pattern", SAME_AS_ANSIBLE)
def test_a_pattern_chooses_what_ansible_chooses(
    pattern: str, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PATTERNS.parent)
    assert [host.name for host in Inventory.load(PATTERNS).select(pattern)] == answers[pattern] != []


@pytest.mark.parametrize("pattern", LEAVES_NOTHING)
def test_a_pattern_that_leaves_nothing_is_an_error(pattern: str, answers: dict[str, Any]) -> None:
    assert answers[pattern] == []
    with pytest.raises(ConfigError):
        Inventory.load(PATTERNS).select(pattern)


@pytest.mark.parametrize("pattern", ANSIBLE_IGNORES)
def test_a_part_that_matches_nothing_is_an_error_where_ansible_goes_on(pattern: str, answers: dict[str, Any]) -> None:
    assert answers[pattern] != []
    with pytest.raises(ConfigError, match="no host and no group matches"):
        Inventory.load(PATTERNS).select(pattern)
