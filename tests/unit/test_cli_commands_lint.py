"""lint: every mistake at once."""

from __future__ import annotations

import io
import json
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from tests.unit.cli_site import ROLE, SITE, invoke, write
from tests.unit.test_bad_input import CASES
from tests.unit.test_bad_input import write as write_files

from provision.cli import main

UNLOADABLE = """
all:
  hosts:
    web1: {ansible_port: x, ansible_user: root}
    web2: [a]
    web[9:1]:
  hots:
    x:
  children:
    db:
      hosts: {x: }
      host: {x: }
    web:
      vars: [b]
      children:
        deep: {vars: {ansible_group_priority: high}}
vars: {a: b}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write(tmp_path, {"inventory.yml": SITE, **ROLE})
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_lint_of_what_is_right() -> None:
    result = invoke("lint")
    assert (result.exit_code, result.stdout) == (0, "inventory.yml: nothing is wrong (2 hosts)\n")


def test_lint_names_all_mistakes_once(folder: Path) -> None:
    """Of names, types, logins, tasks and roles; those of two hosts, and none twice."""
    write(
        folder,
        {
            "inventory.yml": """
                all:
                  hosts:
                    web1: {site_prt: 1, ansible_port: "{{ 'x' }}"}
                    web2: {site_port: eighty}
                    web3: {roles: [nosuch]}
                  vars:
                    roles: [site]
                    site_title: x
                    site_mode: medium
                """,
            "roles/site/tasks/main.yml": """
                - copy: {dest: /a, content: "{{ missing }}"}
                - service: {name: x, state: restrted}
                - template: {src: nosuch.j2, dest: /b}
                - copy: {dest: /c, content: "{{ site_port }}"}
                """,
        },
    )
    result = invoke("lint")
    found = re.findall(r"^(\S+: )?error: (.*)$", result.stdout, re.M)
    assert result.exit_code == 2
    assert found == [
        ("inventory.yml:3:12: ", "the role site has no variable site_prt"),
        ("inventory.yml:3:39: ", "web1: ansible_port must be a port between 1 and 65535"),
        ("inventory.yml:4:23: ", "site_port must be a whole number, not 'eighty'"),
        ("inventory.yml:5:20: ", "there is no role nosuch"),
        ("inventory.yml:9:16: ", "site_mode must be one of fast, slow, not 'medium'"),
        ("roles/site/tasks/main.yml:1:33: ", "the variable missing is not defined on web1"),
        ("roles/site/tasks/main.yml:2:29: ", "state of service must be one of started, stopped, not 'restrted'"),
        ("roles/site/tasks/main.yml:3:19: ", "there is no file nosuch.j2"),
    ]
    assert result.stdout.endswith("inventory.yml: 8 errors (3 hosts)\n")


def test_lint_names_all_tasks_that_cannot_be_read(folder: Path) -> None:
    write(folder, {"roles/site/tasks/main.yml": "- nosuch: {}\n- copy: {dst: /a}\n- file: {path: /b}\n  wen: x\n"})
    result = invoke("lint")
    assert re.findall(r"^roles/site/tasks/main.yml:(\d+)", result.stdout, re.M) == ["1", "2", "4"]


@pytest.mark.parametrize("use", ["tasks/main.yml", "templates/x.j2", "handlers/main.yml", ""])
def test_lint_warns_of_what_nothing_uses(folder: Path, use: str) -> None:
    """Used is what a role's texts mention, or another variable."""
    write(folder, {"group_vars/all.yml": "mine: 1\n"})
    if use:
        file = folder / "roles/site" / use
        file.parent.mkdir(exist_ok=True)
        before = file.read_text() if file.exists() else ""
        file.write_text(f"{before}# {{{{ mine }}}}\n")
    result = invoke("lint")
    assert result.exit_code == 0
    assert ("group_vars/all.yml:1:1: warning: nothing uses the variable mine" in result.stdout) is (not use)


def test_lint_has_the_notes_of_the_inventory_and_the_app(folder: Path) -> None:
    app = {"pyproject.toml": "[project]\nname = 'x'\nversion = '1'\ndependencies = ['fastapi']\n", ".env": "KEY=1\n"}
    write(folder, {"app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n"})
    write(folder, {f"app/{name}": text for name, text in app.items()})
    write(folder, {"app.yml": "all: {hosts: {a: {ansible_python_interpreter: /x}}, vars: {app_source: app}}\n"})
    result = invoke("lint", "app.yml")
    assert "notice:  app.yml:1:47: ansible_python_interpreter is ignored" in result.stdout
    assert "notice:  .env is never shipped; what the app needs of it belongs into app_env: KEY" in result.stdout


def test_lint_of_broken_yaml(folder: Path) -> None:
    """Nothing after it can be read."""
    write(folder, {"inventory.yml": "all: [\n"})
    result = invoke("lint")
    assert result.exit_code == 2
    assert result.stdout.splitlines()[0] == "inventory.yml:2:1: error: a value is missing here"
    assert result.stdout.splitlines()[-1] == "inventory.yml: 1 error"


def test_lint_of_an_inventory_that_cannot_be_loaded(folder: Path) -> None:
    """Each mistake that does not hide another, of all its files, in reading order."""
    write(folder, {"inventory.yml": UNLOADABLE, "group_vars/db.yml": "- a\n"})
    result = invoke("lint")
    found = re.findall(r"^(\S+): error: (.*)$", result.stdout, re.M)
    assert result.exit_code == 2
    assert found == [
        ("group_vars/db.yml:1:1", "a file of variables must be a mapping, not a list"),
        ("inventory.yml:3:26", "ansible_port must be a port between 1 and 65535"),
        ("inventory.yml:4:11", "the variables of web2 must be a mapping, not a list"),
        ("inventory.yml:5:5", "the range [9:1] ends before it begins"),
        ("inventory.yml:6:3", "unknown key 'hots' in the group all"),
        ("inventory.yml:11:7", "unknown key 'host' in the group db"),
        ("inventory.yml:13:13", "the variables of web must be a mapping, not a list"),
        ("inventory.yml:15:47", "ansible_group_priority must be a whole number, not high"),
        ("inventory.yml:16:1", "`vars:` stands at the top of the file, where groups are named"),
    ]
    assert result.stdout.splitlines()[-1] == "inventory.yml: 9 errors"


def test_lint_as_json(folder: Path) -> None:
    """An object for each finding, with its place."""
    write(folder, {"inventory.yml": SITE.replace("site_title:", "site_titel:")})
    found = [json.loads(text) for text in invoke("lint", "--json").stdout.splitlines()]
    assert [(one["event"], one["severity"], one["message"]) for one in found] == [
        ("finding", "error", "the role site needs the variable site_title"),
        ("finding", "error", "the role site has no variable site_titel"),
    ]
    assert (found[1]["line"], found[1]["column"], found[1]["hint"]) == (7, 5, "Did you mean site_title?")
    write(folder, {"inventory.yml": SITE.replace("web2:", "web2: {ansible_usr: a}")})
    (notice,) = [json.loads(text) for text in invoke("lint", "--json").stdout.splitlines()]
    assert notice["severity"] == "notice"


class Screen(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


@pytest.mark.parametrize("case", [case for case, (_, command, _) in CASES.items() if command == "up"])
def test_lint_says_what_up_says(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word, whatever else it finds."""
    files, _, says = CASES[case]
    write_files(tmp_path, files)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))
    screen = Screen()
    with redirect_stdout(screen), redirect_stderr(screen), pytest.raises(SystemExit) as ended:
        main(["lint"], prog_name="provision")
    assert ended.value.code == 2
    assert says in screen.getvalue()
