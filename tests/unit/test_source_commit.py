"""app_source_ref: what a commit ships, whatever the work tree looks like."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from provision.errors import ConfigError
from provision.source import Sources, SourceTree, pack

APP = "from fastapi import FastAPI\napp = FastAPI()\n"
PROJECT = '[project]\nname = "shop"\ndependencies = []\n'


def git(root: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", "-C", str(root), *identity, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An app at v1.0, and work that is not committed."""
    root = tmp_path / "repository"
    (root / "backend" / "static").mkdir(parents=True)
    (root / "backend" / "main.py").write_text(APP)
    (root / "backend" / "run.sh").write_text("#!/bin/sh\n")
    (root / "backend" / "run.sh").chmod(0o755)
    (root / "backend" / "static" / "latest").symlink_to("../main.py")
    (root / "backend" / ".env").write_text("SECRET=1\n")
    (root / "pyproject.toml").write_text(PROJECT)
    (root / ".gitignore").write_text("dist/\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "--force", ".")
    git(root, "commit", "-qm", "first")
    git(root, "tag", "v1.0")
    return root


def names(tree: SourceTree) -> list[str]:
    return [file.name for file in tree.files]


@pytest.mark.parametrize("folder", ["", "backend"])
def test_a_commit_is_its_work_tree_to_the_last_bit(repository: Path, folder: str) -> None:
    clean = pack(repository / folder)
    committed = pack(repository / folder, ref="v1.0")
    assert committed.digest == clean.digest
    assert committed.archive == clean.archive


def test_the_work_tree_is_of_no_matter(repository: Path) -> None:
    before = pack(repository)
    (repository / "backend" / "main.py").write_text("broken(")
    (repository / "backend" / "new.py").touch()
    (repository / "pyproject.toml").unlink()
    for ref in ("v1.0", "main", "HEAD", git(repository, "rev-parse", "--short", "HEAD")):
        tree = pack(repository, subdir="backend", ref=ref)
        assert tree.digest == before.digest
        assert (tree.project.name, tree.project.entrypoint.target) == ("shop", "main:app")
        assert tree.dependencies.source == "pyproject"


def test_what_is_built_comes_from_the_work_tree(repository: Path) -> None:
    (repository / "dist").mkdir()
    (repository / "dist" / "app.js").write_text("js")
    tree = pack(repository, include=["dist"], ref="v1.0")
    assert "dist/app.js" in names(tree)
    with tarfile.open(fileobj=io.BytesIO(tree.archive)) as archive:
        built = archive.extractfile("dist/app.js")
        assert built is not None
        assert built.read() == b"js"


def test_env_files_and_inventories_of_a_commit_stay(repository: Path) -> None:
    (repository / "inventory.yml").write_text("all:\n  hosts:\n    web1:\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "inventory")
    tree = pack(repository, ref="main")
    assert not {"backend/.env", "inventory.yml"} & set(names(tree))
    assert tree.left_out == ("backend/.env",)
    assert tree.notes()[-1] == "never shipped, as they may hold secrets: backend/.env"
    assert pack(repository, subdir="backend", ref="main").left_out_env_keys == ("SECRET",)


@pytest.mark.parametrize(
    ("ref", "hint"),
    [
        ("v1.1", "did you mean v1.0?"),
        ("mian", "did you mean main?"),
        ("release", "its newest: "),
        ("--help", "its newest"),
    ],
)
def test_a_ref_that_is_not_there(repository: Path, ref: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"has no branch, tag or commit {ref}") as caught:
        pack(repository, ref=ref)
    assert caught.value.hint.startswith(hint)


def test_a_folder_without_a_repository(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is in no git repository"):
        pack(tmp_path, ref="main")


def test_a_folder_that_the_commit_does_not_have(repository: Path) -> None:
    (repository / "later").mkdir()
    with pytest.raises(ConfigError, match=r"later cannot be read at v1\.0"):
        pack(repository / "later", ref="v1.0")


def test_a_submodule_of_a_commit_is_refused(repository: Path, tmp_path: Path) -> None:
    git(repository, "submodule", "add", "-q", str(repository), "vendor/lib")
    git(repository, "commit", "-qm", "vendor")
    with pytest.raises(ConfigError, match="vendor/lib is a git submodule"):
        pack(repository, ref="main")


def test_two_refs_of_one_folder_are_two_apps(repository: Path) -> None:
    (repository / "backend" / "main.py").write_text(f"{APP}#\n")
    git(repository, "commit", "-qam", "second")
    sources = Sources(repository)
    assert sources.tree({"path": ".", "ref": "v1.0"}).digest != sources.tree({"path": ".", "ref": "main"}).digest
    assert sources.tree({"path": ".", "ref": "main"}) is sources.tree({"path": ".", "ref": "main", "include": []})
