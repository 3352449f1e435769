"""``provision init role``: a role that is right from the start, and nothing overwritten."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.unit.cli_site import invoke, write

from provision.bench.scenario import read_scenario
from provision.scaffold import role_files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_role_is_lint_clean_and_its_test_can_be_read(folder: Path) -> None:
    done = invoke("init", "role", "my_role", "--testinfra")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "provision test roles/my_role" in done.stdout
    write(folder, {"inventory.yml": "all: {hosts: {a: }, vars: {roles: [my_role], my_role_greeting: Hi}}\n"})
    linted = invoke("lint")
    assert (linted.exit_code, linted.stdout) == (0, "inventory.yml: nothing is wrong (1 host)\n")
    assert "my_role_greeting" in invoke("roles", "docs", "my_role").stdout
    scenario = read_scenario(folder / "roles" / "my_role")
    assert len(scenario.checks) == 2
    assert [test.name for test in scenario.tests] == ["test_my_role.py"]
    assert ast.get_docstring(ast.parse(scenario.tests[0].read_text()))


def test_pytest_is_for_those_who_ask_for_it() -> None:
    assert {path for path in role_files("a", testinfra=True)} - set(role_files("a")) == {"tests/test_a.py"}
    assert not any("NAME" in path + text for path, text in role_files("a", testinfra=True).items())


def test_another_folder(folder: Path) -> None:
    assert invoke("init", "role", "mine", "--path", "deploy/roles").exit_code == 0
    assert (folder / "deploy/roles/mine/tasks/main.yml").is_file()


def test_what_is_there_stays(folder: Path) -> None:
    write(folder, {"roles/mine/tasks/main.yml": "mine\n"})
    done = invoke("init", "role", "mine")
    assert done.exit_code == 2
    assert "roles/mine exists already, and init overwrites nothing" in done.stderr
    assert [path.name for path in (folder / "roles/mine").rglob("*")] == ["tasks", "main.yml"]


@pytest.mark.parametrize("name", ["my-role", "1a", "A", "a/b", "../a", ""])
def test_names_that_no_variable_can_begin_with(name: str) -> None:
    done = invoke("init", "role", name)
    assert done.exit_code == 2
    assert f"a role cannot be called {name!r}" in done.stderr


def test_a_folder_that_cannot_be_made(folder: Path) -> None:
    (folder / "roles").write_text("a file\n")
    done = invoke("init", "role", "mine")
    assert done.exit_code == 2
    assert "roles" in done.stderr


def test_options_of_the_inventory_are_not_for_a_role(folder: Path) -> None:
    done = invoke("init", "--domain", "example.com", "role", "mine")
    assert done.exit_code == 2
    assert "--domain is for an inventory, not for init role" in done.stderr
    assert not (folder / "roles").exists()
