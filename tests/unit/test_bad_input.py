"""What a user gets to read for each mistake, word for word, on a terminal of 80 columns; nothing is sent to any host.

The cases lie in bad_input/: ``common`` files of all cases of a file, and for each case its own ``files`` (null takes a
common one away), the command to ``run`` (default ``up``) and what it ``says``.
"""

from __future__ import annotations

import copy
import io
import os
import random
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.cli import main
from provision.errors import ConfigError
from provision.fleet import Fleet
from provision.inventory import Inventory
from provision.report.blocks import error_block
from provision.report.lines import text_of
from provision.resources.base import Facts
from provision.resources.task import Playbook

HERE = Path(__file__).parent / "bad_input"
Files = Mapping[str, "str | dict[str, str] | None"]

SITE = "all:\n  hosts:\n    web1: {ansible_host: 127.0.0.1, ansible_port: 1}\n  vars:\n    roles: [site]\n"
DEBIAN = Facts("Debian", "bookworm", "12", "Debian", "x86_64", "web1", 2, 2048, "3.11.2")
SHOP = "all:\n  hosts:\n    web1: {ansible_host: 127.0.0.1, ansible_port: 1}\n  vars:\n    app_source: app\n"


class Screen(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


def _cases() -> dict[str, tuple[Files, str, str]]:
    found: dict[str, tuple[Files, str, str]] = {}
    for file in sorted(HERE.glob("*.yml")):
        content = yaml.load(file.read_text("utf-8"), yaml.CSafeLoader)
        for name, case in content["cases"].items():
            files = {**content.get("common", {}), **case.get("files", {})}
            found[f"{file.stem}: {name}"] = (files, case.get("run", "up"), case["says"])
    return found


CASES = _cases()


def write(folder: Path, files: Files) -> None:
    """Make ``files`` in ``folder``: text, or ``bytes`` as in Latin-1; a name that ends with / is a folder."""
    for name, content in files.items():
        if content is None:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        elif isinstance(content, dict):
            path.write_bytes(content["bytes"].encode("latin-1"))
        else:
            path.write_text(content, "utf-8")


@pytest.fixture
def provision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[int, str]]:
    """Run ``provision ...`` in an empty folder; its exit code and all it printed. Fails where a host is contacted."""

    def refuse(_self: socket.socket, address: object) -> None:
        pytest.fail(f"{address} was contacted")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))
    monkeypatch.setattr(socket.socket, "connect", refuse)

    def run(command: str) -> tuple[int, str]:
        out, err = io.StringIO(), Screen()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(shlex.split(command), prog_name="provision")
        assert isinstance(ended.value.code, int)
        return ended.value.code, out.getvalue() + err.getvalue()

    return run


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_explained(case: str, tmp_path: Path, provision: Callable[[str], tuple[int, str]]) -> None:
    files, command, says = CASES[case]
    write(tmp_path, files)
    assert provision(command) == (2, says)


@pytest.mark.parametrize("case", random.Random(1).sample(sorted(c for c in CASES if CASES[c][1] == "up"), 10))
def test_plan_says_the_same(case: str, tmp_path: Path, provision: Callable[[str], tuple[int, str]]) -> None:
    files, _, says = CASES[case]
    write(tmp_path, files)
    assert provision("plan") == (2, says)


WORKERS = "  vars: {" + ", ".join(f"variable_{n}: value_{n}" for n in range(40)) + ", app_wrokers: 2"


@pytest.mark.parametrize(("end", "shown"), [("}\n", "}"), (f", more: [{'x, ' * 50}]}}\n", ", more: [x, x, x, x...")])
def test_a_long_line_is_cut_around_the_caret(
    end: str, shown: str, tmp_path: Path, provision: Callable[[str], tuple[int, str]]
) -> None:
    write(tmp_path, {"inventory.yml": f"all:\n  hosts: {{web1: }}\n{WORKERS}{end}"})
    code, said = provision("up")
    line = f"    3 | ...value_38, variable_39: value_39, app_wrokers: 2{shown}"
    assert said.splitlines()[1:3] == [line, "      | " + " " * 36 + "^"]
    assert max(map(len, said.splitlines())) <= 80
    assert code == 2


def test_a_mistake_at_the_end_of_a_megabyte(tmp_path: Path, provision: Callable[[str], tuple[int, str]]) -> None:
    lines = [f"    variable_{n}: {'x' * 90}" for n in range(10_000)]
    write(tmp_path, {"inventory.yml": "\n".join(["all:", "  vars:", *lines, "    variable_7: y", ""])})
    code, said = provision("up")
    assert said.startswith("inventory.yml:10003:5: error: the key 'variable_7' is already in line 10\n")
    assert code == 2


@pytest.mark.parametrize("name", ["inventory.yml", "roles/site/tasks/main.yml", "roles/site/templates/motd.j2"])
def test_a_file_that_may_not_be_read(
    name: str, tmp_path: Path, provision: Callable[[str], tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = "- template: {src: motd.j2, dest: /etc/motd}\n"
    write(tmp_path, {"inventory.yml": SITE, "roles/site/tasks/main.yml": tasks, "roles/site/templates/motd.j2": ""})
    opened = io.open

    def forbid(file: Any, *rest: Any, **options: Any) -> Any:
        if str(file).endswith(name):  # root may read everything, so this cannot be tried
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, *rest, **options)

    monkeypatch.setattr(io, "open", forbid)
    code, said = provision("up")
    assert f"{name} cannot be read: Permission denied" in " ".join(said.split()).replace(f"{name}:", name)
    assert code == 2


def test_links_that_lead_in_a_circle(tmp_path: Path, provision: Callable[[str], tuple[int, str]]) -> None:
    (tmp_path / "inventory.yml").symlink_to("inventory.yml")
    assert provision("up inventory.yml")[0] == 2
    write(tmp_path, {"site.yml": SITE, "roles/site/tasks/main.yml": "- template: {src: motd.j2, dest: /etc/motd}\n"})
    (tmp_path / "roles/site/templates").symlink_to("templates")
    code, said = provision("up site.yml")
    assert said.startswith("roles/site/tasks/main.yml:1:19: error: there is no file motd.j2\n")
    assert code == 2


def test_an_app_that_git_ignores(tmp_path: Path, provision: Callable[[str], tuple[int, str]]) -> None:
    write(tmp_path, {"inventory.yml": SHOP, "app/main.py": "", "app/.gitignore": "*\n"})
    subprocess.run(["git", "init", "-q", str(tmp_path / "app")], check=True)
    code, said = provision("up")
    assert said.startswith("inventory.yml:5:17: error: app_source: the folder app holds no file to ship\n")
    assert "does git ignore all of it" in said
    assert code == 2


def test_a_tag_that_no_task_has_is_noted(tmp_path: Path) -> None:
    write(tmp_path, MUTABLE)
    fleet = Fleet(tmp_path, {})
    plays = fleet.plays(Inventory.load(tmp_path / "inventory.yml").select("all"))
    assert fleet.selection_notes([], ["motd", "all", "modt"], plays) == ["no task has the tag modt. Tags: motd."]


MUTABLE = {
    "inventory.yml": SITE.replace(
        "[site]", "[site]\n    site_names: [htop, curl]\n    site_port: 80\n    site_db: {host: x}"
    ),
    "roles/site/defaults/main.yml": 'site_owner: ann\nsite_motd: "{{ site_owner }} of {{ site_db.host }}"\n',
    "roles/site/meta/argument_specs.yml": """\
argument_specs:
  main:
    options:
      site_port: {type: int}
      site_names: {type: list, elements: str}
      site_db: {type: dict}
      site_owner: {type: str, choices: [ann, bob]}
""",
    "roles/site/meta/main.yml": "rolling: true\n",
    "roles/site/handlers/main.yml": "- name: restart site\n  service: {name: site, state: restarted}\n",
    "roles/site/templates/motd.j2": "{% for name in site_names %}\n{{ name }}: {{ site_motd | upper }}\n{% endfor %}\n",
    "roles/site/tasks/main.yml": """\
- name: Install {{ item }}
  package: {name: "{{ item }}"}
  loop: "{{ site_names }}"
- name: Greet
  template: {src: motd.j2, dest: /etc/motd, mode: "0644"}
  notify: restart site
  tags: [motd]
- command: {cmd: "run {{ site_port }}", creates: /run/x}
  when: site_port > 80 and ansible_distribution == "Debian"
- file: {path: "/srv/{{ site_owner }}", state: directory, owner: root}
- service: {name: site, state: started, enabled: true}
""",
}
TEMPLATES = ["{{", "{{ x }}", "{% if x %}", "{{ site_names }}", "{{ site_port | int }}", "{{ omit }}", "a,b", "/"]
NUMBERS = st.integers(-2, 99999) | st.floats(allow_nan=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=12) | st.sampled_from(TEMPLATES)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from _places(child, (*path, key))


def _mutated(value: Any, path: tuple[Any, ...], how: str, other: Any) -> Any:
    """``value`` with what lies at ``path`` replaced, wrapped, taken away, put in twice or under another name."""
    if not path:
        return other if how == "replace" else [value] if how == "wrap" else {"x": value}
    changed, key = copy.copy(value), path[0]
    if len(path) > 1 or how in ("replace", "wrap"):
        changed[key] = _mutated(value[key], path[1:], how, other)
    elif how == "remove":
        del changed[key]
    elif isinstance(changed, list):
        changed.insert(key, other if how == "rename" else changed[key])
    else:
        changed[other if isinstance(other, str) else f"{key}s"] = changed.pop(key)
    return changed


@st.composite
def bad_trees(draw: st.DrawFn) -> dict[str, str]:
    """The files of a good inventory and role, one of them changed in its structure or in its text."""
    name = draw(st.sampled_from(sorted(MUTABLE)))
    text = MUTABLE[name]
    if name.endswith(".j2") or draw(st.booleans()):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 6)))
        return {**MUTABLE, name: text[:start] + draw(st.text(max_size=4) | st.sampled_from("{}[]:-%|'\"")) + text[end:]}
    value = yaml.safe_load(text)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(_places(value))))
        how = draw(st.sampled_from(["replace", "wrap", "remove", "double", "rename"]))
        value = _mutated(value, path, how, draw(VALUES))
    return {**MUTABLE, name: yaml.safe_dump(value, sort_keys=False, allow_unicode=True)}


def test_the_good_tree_is_good(tmp_path: Path) -> None:
    write(tmp_path, MUTABLE)
    assert len(validate(tmp_path)) == 1


@settings(max_examples=100, deadline=None)
@given(files=bad_trees())
def test_no_mistake_ends_in_anything_but_an_explanation(
    files: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    write(folder, files)
    said: list[str] = []
    try:
        validate(folder)
    except ConfigError as error:
        said = list(map(text_of, error_block(error, width=80)))
    shutil.rmtree(folder)
    assert not any("\n" in line or "Error:" in line for line in said)


def validate(folder: Path) -> list[Playbook]:
    """All that a run does with the files before it connects, and what it does with them and a host's facts."""
    loaded = Inventory.load(folder / "inventory.yml")
    plays = [play for play, _ in Fleet(folder, {}).plays(loaded.select("all"))]
    for play in plays:
        play.reads()
    return [play.resolve(DEBIAN) for play in plays]
