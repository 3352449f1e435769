"""list_files: what ships and what stays on the controller."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from provision.cli.options import variables
from provision.errors import ConfigError
from provision.listing import env_keys, list_files
from provision.ops.targets import Targets
from provision.vault import Vault


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", "-C", str(root), *identity, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = write(tmp_path / "repository", {"main.py": "", "gone.py": "", ".gitignore": "dist/\n*.log\n"})
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


def test_git_tracked_and_new_files_but_neither_ignored_nor_deleted(repository: Path) -> None:
    write(repository, {"new.py": "", "dist/app.js": "", "error.log": ""})
    (repository / "gone.py").unlink()
    assert list_files(repository) == [".gitignore", "main.py", "new.py"]


def test_git_lists_a_sub_folder_alone(repository: Path) -> None:
    write(repository, {"backend/app/main.py": "", "backend/x.log": "", "frontend/index.js": ""})
    assert list_files(repository / "backend") == ["app/main.py"]


def test_git_leaves_out_caches_that_nobody_ignored_but_not_what_is_tracked(repository: Path) -> None:
    write(repository, {"venv/__init__.py": ""})
    git(repository, "add", "venv")
    write(repository, {"node_modules/x/y.js": "", "a/__pycache__/z.pyc": "", ".venv/pyvenv.cfg": ""})
    assert list_files(repository) == [".gitignore", "gone.py", "main.py", "venv/__init__.py"]


def test_a_folder_that_git_ignores_is_taken_as_it_is(repository: Path) -> None:
    write(repository, {"dist/main.py": "", "dist/x.log": ""})
    assert list_files(repository / "dist") == ["main.py", "x.log"]


def test_a_repository_that_ignores_all_of_itself_has_no_files(repository: Path) -> None:
    """Taking it for a plain folder would ship what .gitignore keeps back."""
    for name in ("top", "top/below"):
        write(repository, {f"{name}/secret.txt": ""})
        git(repository / name, "init", "-q")
        write(repository, {f"{name}/.gitignore": "*\n"})
        assert list_files(repository / name) == []


def test_a_submodule_is_refused_by_name(repository: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", {"lib.py": ""})
    git(other, "init", "-q")
    git(other, "add", ".")
    git(other, "commit", "-qm", "first")
    git(repository, "submodule", "add", "-q", str(other), "vendor/lib")
    with pytest.raises(ConfigError, match="vendor/lib is a git submodule"):
        list_files(repository)


def test_a_repository_inside_is_refused_by_name(repository: Path) -> None:
    write(repository, {"tools/x.py": ""})
    git(repository / "tools", "init", "-q")
    git(repository / "tools", "add", ".")
    git(repository / "tools", "commit", "-qm", "first")
    with pytest.raises(ConfigError, match=r"tools/? is a git submodule or a repository of its own"):
        list_files(repository)


def test_a_repository_that_git_cannot_read_is_no_plain_folder(repository: Path) -> None:
    (repository / ".git" / "index").write_bytes(b"broken")
    with pytest.raises(ConfigError, match=r"git cannot list the files of .*: .*index"):
        list_files(repository)


def test_a_repository_without_the_git_command(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = write(tmp_path / "plain", {"main.py": ""})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="git is not installed"):
        list_files(repository)
    assert list_files(plain) == ["main.py"]


def test_a_git_hook_that_calls_us_does_not_mislead(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = write(tmp_path / "plain", {"app.py": ""})
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert list_files(plain) == ["app.py"]


def test_a_plain_folder_less_caches_venvs_and_sockets(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "main.py": "",
            "package/module.py": "",
            "package/__pycache__/module.pyc": "",
            ".venv/lib/x.py": "",
            "environment/pyvenv.cfg": "",
            "environment/lib/x.py": "",
            "node_modules/x.js": "",
            ".pytest_cache/v": "",
            ".github/workflow.yml": "",
        },
    )
    (tmp_path / "linked").symlink_to("package")
    os.mkfifo(tmp_path / "pipe")
    assert list_files(tmp_path) == [".github/workflow.yml", "linked", "main.py", "package/module.py"]


@pytest.mark.parametrize("name", [".env", ".env.local", ".env.production", "backend/.env"])
def test_env_files_never_ship(repository: Path, name: str) -> None:
    write(repository, {name: "PASSWORD=x\n"})
    git(repository, "add", "--force", name)
    assert name not in list_files(repository)
    assert name not in list_files(repository, include=[name])


@pytest.mark.parametrize("name", [".env.example", ".env.sample", ".env.local.example", "env.py", ".envelope"])
def test_examples_of_env_files_ship(tmp_path: Path, name: str) -> None:
    assert list_files(write(tmp_path, {name: ""})) == [name]


def test_env_keys_are_names_only(tmp_path: Path) -> None:
    text = "# SECRET=1\nA=1\n  export B = 'x'\nC=\nA=2\nnot a line\n"
    text += "KEY=\"-----BEGIN\nLine==\nLAST=x\n\"\nD='a\nE=b'\n"
    write(tmp_path, {".env": text})
    assert env_keys(tmp_path / ".env") == ("A", "B", "C", "KEY", "D")
    assert env_keys(tmp_path / "elsewhere" / ".env") == ()


INVENTORY = "all:\n  hosts:\n    web1: {ansible_user: root}\n  vars:\n    token: !vault |\n      $ANSIBLE_VAULT;1.1\n"
ENCRYPTED = "$ANSIBLE_VAULT;1.1;AES256\n6162\n"
GROUPS = "web:\n  hosts:\n    web1:\nold:\n"


@pytest.mark.parametrize("text", [INVENTORY, GROUPS, ENCRYPTED])
@pytest.mark.parametrize("folder", ["", "deploy/"])
def test_inventories_and_their_variables_stay(tmp_path: Path, folder: str, text: str) -> None:
    write(
        tmp_path,
        {
            "main.py": "",
            f"{folder}inventory.yml": text,
            f"{folder}group_vars/all.yml": "password: x\n",
            f"{folder}host_vars/web1/secrets.yml": "password: x\n",
        },
    )
    assert list_files(tmp_path) == ["main.py"]
    assert list_files(tmp_path, include=[f"{folder}inventory.yml"]) == sorted(["main.py", f"{folder}inventory.yml"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "services:\n  web:\n    image: x\n",
        "config:\n  hosts: [a]\n  port: 1\n",
        "hosts:\n  - a\n",
        "- hosts: all\n  tasks: []\n",
        "all: {hosts: {\n",
        "all:\n  vars: {x: 1}  # hosts: none\n",
    ],
)
def test_other_yaml_ships(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"settings.yml": text, "group_vars/x.py": ""})
    assert list_files(tmp_path) == ["group_vars/x.py", "settings.yml"]


@pytest.mark.parametrize(
    ("pattern", "added"),
    [
        ("dist", ["dist/app.js", "dist/css/a.css"]),
        ("dist/**", ["dist/app.js", "dist/css/a.css"]),
        ("dist/*.js", ["dist/app.js"]),
        ("error.log", ["error.log"]),
        ("*.py", []),
    ],
)
def test_include_adds_what_git_ignores(repository: Path, pattern: str, added: list[str]) -> None:
    write(repository, {"dist/app.js": "", "dist/css/a.css": "", "error.log": ""})
    assert list_files(repository, include=[pattern]) == sorted([".gitignore", "gone.py", "main.py", *added])


@pytest.mark.parametrize("pattern", ["../x", "/etc/passwd", "", "a/../../b"])
def test_include_stays_inside(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ConfigError, match="is not a path below"):
        list_files(write(tmp_path, {"main.py": ""}), include=[pattern])


def test_include_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="matches 'static/dist'"):
        list_files(write(tmp_path, {"main.py": ""}), include=["static/dist"])
    with pytest.raises(ConfigError, match=r"app_include: .*'none/\*\*\*'"):  # from Python 3.13 on it is like none/*
        list_files(tmp_path, include=["none/***"])


def test_the_file_of_set_stays_here(tmp_path: Path) -> None:
    """It mostly holds secrets; git takes it for the app's where nobody has told it otherwise."""
    inventory = "all: {hosts: {web1: }}\n"
    own = {"inventory.yml": inventory, "secrets.yml": "shop_secret_key: x\n", "settings.yml": "a: 1\n"}
    write(tmp_path, {"main.py": "", **own})
    extra = variables([f"@{tmp_path / 'secrets.yml'}"], Vault())
    tree = Targets(tmp_path / "inventory.yml", extra=extra).app({"path": "."})
    assert [file.name for file in tree.files] == ["main.py", "settings.yml"]
