"""pack: the same content gives the same digest and the same archive, wherever and whenever it is packed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.errors import ConfigError
from provision.source import Sources, SourceTree, filters, pack

NOTES = Path(__file__).parents[1] / "apps" / "notes"
APP = {"main.py": "app = 1\n", "requirements.txt": "fastapi\n", "static/logo.svg": "<svg/>\n"}


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def git(root: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.com", *words],
        check=True,
        capture_output=True,
    )


def names(tree: SourceTree) -> list[str]:
    return [file.name for file in tree.files]


def test_digest_is_of_content_alone(tmp_path: Path) -> None:
    first = write(tmp_path / "first", APP)
    before = os.umask(0o077)
    try:
        second = write(tmp_path / "second", dict(reversed(APP.items())))
    finally:
        os.umask(before)
    os.utime(second / "main.py", (1, 1))
    assert pack(first).digest == pack(second).digest
    assert pack(first).archive == pack(second).archive


def test_digest_is_known(tmp_path: Path) -> None:
    """A release's id must not change with our version or Python's."""
    tree = pack(write(tmp_path, {"a.py": "x = 1\n"}))
    assert tree.digest == "92d5f5537f4537b1741b9cab5ac6d625349b80acc81c9094e0e639f58ea45111"


@pytest.mark.parametrize("change", ["content", "name", "mode", "more"])
def test_digest_tells_a_change(tmp_path: Path, change: str) -> None:
    root = write(tmp_path, APP)
    before = pack(root).digest
    match change:
        case "content":
            (root / "main.py").write_text("app = 2\n")
        case "name":
            (root / "main.py").rename(root / "app.py")
        case "mode":
            (root / "main.py").chmod(0o755)
        case "more":
            (root / "empty.py").touch()
    assert pack(root).digest != before


def test_git_and_a_plain_folder_give_the_same_tree(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", APP)
    repository = write(tmp_path / "repository", APP)
    git(repository, "init", "-q")
    git(repository, "add", "main.py")
    assert pack(plain).digest == pack(repository).digest


def test_archive_holds_the_files_normalised(tmp_path: Path) -> None:
    root = write(tmp_path, APP)
    (root / "main.py").chmod(0o700)
    (root / "static" / "latest.svg").symlink_to("logo.svg")
    with tarfile.open(fileobj=io.BytesIO(pack(root).archive)) as archive:
        found = {entry.name: entry for entry in archive}
        main = archive.extractfile("main.py")
        assert main is not None
        assert main.read() == b"app = 1\n"
    assert {name: entry.mode for name, entry in found.items()} == {
        "main.py": 0o755,
        "requirements.txt": 0o644,
        "static/latest.svg": 0o777,
        "static/logo.svg": 0o644,
    }
    assert found["static/latest.svg"].linkname == "logo.svg"
    assert {(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in found.values()} == {(0, 0, "", 0)}


file_names = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=60)
    .filter(lambda name: name not in {".", ".."} and not name.startswith(".env") and len(name.encode()) < 200)
    .map(lambda name: f"files/_{name}"),
    min_size=1,
    max_size=8,
    unique_by=str.casefold,
)


@settings(max_examples=40, deadline=None)
@given(file_names)
def test_any_name_of_a_file_travels(tmp_path_factory: pytest.TempPathFactory, chosen: list[str]) -> None:
    root = write(tmp_path_factory.mktemp("names"), {name: name for name in chosen if not name.endswith(".pyc")} | APP)
    plain = pack(root)
    with tarfile.open(fileobj=io.BytesIO(plain.archive)) as archive:
        assert archive.getnames() == names(plain)
    git(root, "init", "-q")
    assert pack(root).digest == plain.digest
    shutil.rmtree(root)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    write(tmp_path, APP)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).touch()
    with pytest.raises(ConfigError, match=r"caf\\xe9.txt' is not UTF-8"):
        pack(tmp_path)


def test_a_file_that_changes_after_packing_is_noticed(tmp_path: Path) -> None:
    tree = pack(write(tmp_path, APP))
    (tmp_path / "main.py").write_text("app = 2\n")
    with pytest.raises(ConfigError, match=r"main\.py changed while it was being packed"):
        assert tree.archive


@pytest.mark.parametrize(
    ("target", "inside"),
    [
        ("main.py", True),
        ("../main.py", True),
        ("missing", True),
        ("../../outside", False),
        ("/etc/passwd", False),
        ("up/../../outside", False),
    ],
)
def test_links_must_stay_inside(tmp_path: Path, target: str, inside: bool) -> None:
    root = write(tmp_path / "app", APP)
    (root / "static" / "up").symlink_to("..")
    (root / "static" / "link").symlink_to(target)
    if inside:
        assert {file.name: file.link for file in pack(root).files}["static/link"] == target
    else:
        with pytest.raises(ConfigError, match="static/link is a symbolic link to"):
            pack(root)


def test_an_unreadable_file_is_named() -> None:
    """Root reads everything, so this runs as nobody."""
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    former = os.geteuid()
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        write(folder, APP)
        (folder / "main.py").chmod(0)
        folder.chmod(0o755)
        (folder / "static").chmod(0o755)
        os.seteuid(owner)
        with pytest.raises(ConfigError, match=r"cannot read .*main\.py: Permission denied"):
            pack(folder)
    finally:
        os.seteuid(former)
        shutil.rmtree(folder)


def test_what_is_no_app_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no .*nowhere"):
        pack(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"file\.txt is not a folder"):
        pack(write(tmp_path, {"file.txt": ""}) / "file.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty holds no file to ship"):
        pack(tmp_path / "empty")


def test_the_example_app() -> None:
    asked = filters(NOTES.parent)
    assert asked.pop("project_python")("notes", "bookworm") == ""
    answers = {name: ask("notes") for name, ask in asked.items()}
    assert answers == {
        "project_name": "notes",
        "project_entrypoint": "notes.main:app",
        "project_python_path": "",
        "project_folder": "",
        "project_dependency_source": "uv-lock",
        "project_requires_python": ">=3.11",
        "project_migrate_commands": ["alembic upgrade head"],
    }
    assert pack(NOTES).project.warnings == ()


def test_the_folder_on_the_python_path_is_the_apps(tmp_path: Path) -> None:
    """Where `fastapi run` finds nothing, a given entrypoint says it, or else the likeliest candidate."""
    app = "from fastapi import FastAPI\napp = FastAPI()\n"
    write(tmp_path / "app", {"src/shop/web.py": app, "src/shop/__init__.py": "", "lib/api/tools/web.py": app})
    python_path = filters(tmp_path)["project_python_path"]
    assert (python_path("app"), python_path("app", "tools.web:app")) == ("src", "lib/api")
    write(tmp_path / "bare", {"README.md": ""})
    assert python_path("bare") == ""


def test_notes_name_what_is_missing_from_app_env(tmp_path: Path) -> None:
    tree = pack(write(tmp_path, APP | {".env": "A=1\nB=2\n", "alembic.ini": "[alembic]\n"}))
    assert [note.split(":")[-1] for note in tree.notes({"A"})] == [" `alembic upgrade head` will do nothing", " B"]
    assert len(tree.notes({"A", "B"})) == 1


def test_a_folder_is_read_once_a_run(tmp_path: Path) -> None:
    write(tmp_path / "app", APP)
    sources = Sources(tmp_path)
    first = sources.tree("app")
    (tmp_path / "app" / "main.py").write_text("app = 2\n")
    assert sources.tree("app") is first
    assert sources.tree(str(tmp_path / "app")) is first
    assert Sources(tmp_path).tree("app").digest != first.digest


def test_a_file_of_variables_stays_here(tmp_path: Path) -> None:
    write(tmp_path, {"app/main.py": "app = 1\n", "app/secrets.yml": "password: x\n", "app/settings.yml": "a: 1\n"})
    kept = [Path("--set password"), tmp_path / "inventories/../app/secrets.yml"]
    assert [file.name for file in Sources(tmp_path, kept).tree("app").files] == ["main.py", "settings.yml"]
    asked_for = {"path": "app", "include": ["secrets.yml"]}
    assert "secrets.yml" in {file.name for file in Sources(tmp_path, kept).tree(asked_for).files}
