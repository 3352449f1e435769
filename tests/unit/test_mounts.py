"""What is laid over the read-only tree: paths the app may write to, and files of its slot."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.resources.base import LocalFile, Rendered
from provision.resources.mounts import FileText, carried_files, mount_points, writable_places
from provision.source import SourceTree, pack


@pytest.fixture
def src(tmp_path: Path) -> SourceTree:
    for name in ("main.py", "media/logo.txt", "data.d/x", "config/app.ini"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "requirements.txt").write_text("fastapi\n")
    (tmp_path / "link").symlink_to("media")
    return pack(tmp_path)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("media", ("media", "d")),
        ("media/", ("media", "d")),
        ("media/logo.txt", ("media/logo.txt", "f")),
        ("data.d", ("data.d", "d")),
        ("error.log", ("error.log", "f")),
        ("new.d/", ("new.d", "d")),
        ("logs", ("logs", "d")),
        (".cache", (".cache", "d")),
        ("a/b/c", ("a/b/c", "d")),
    ],
)
def test_a_slash_the_source_or_an_extension_say_folder_or_file(
    src: SourceTree, path: str, place: tuple[str, str]
) -> None:
    assert writable_places(src, [path]) == dict([place])


def test_both_need_a_place_in_the_tree(src: SourceTree) -> None:
    assert mount_points(src, ["logs", "error.log"], ["config/secrets.toml"]) == (
        "d logs",
        "f config/secrets.toml",
        "f error.log",
    )


@pytest.mark.parametrize(
    ("writable", "files", "message"),
    [
        (["/var/log"], [], "writable holds paths below the app's folder"),
        (["../x"], [], "writable holds paths"),
        ([""], [], "writable holds paths"),
        (["a b"], [], "writable holds paths"),
        (["x@slot@"], [], "writable holds paths"),
        (["main.py/"], [], "writable: main.py is a file in the source, not a folder"),
        (["main.py/x"], [], "writable: main.py is a file in the source, so there can be no main.py/x"),
        (["link"], [], "writable: link is a link in the source"),
        (["link/x"], [], "writable: link is a link in the source"),
        ([], ["media"], "files: media is a folder in the source"),
        ([], ["./x"], "files holds paths"),
        (["error.log"], ["error.log"], "files: error.log is in writable, too"),
        (["media"], ["media/secret"], "cannot lie in each other, as media/secret in media"),
        (["media", "media/logo.txt"], [], "cannot lie in each other"),
    ],
)
def test_a_path_that_cannot_be_meant_is_refused(
    src: SourceTree, writable: list[str], files: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=r"^(writable|files)") as caught:
        mount_points(src, writable, files)
    assert message in str(caught.value)


def test_files_travel_by_number() -> None:
    files: dict[str, FileText] = {"b/c": "text", "a": LocalFile("/x", b"\xff"), "d": Rendered("t", "rendered")}
    assert carried_files(files) == {
        "files": b"1 a\n2 b/c\n3 d\n",
        "file-1": b"\xff",
        "file-2": b"text",
        "file-3": b"rendered",
    }
    assert carried_files({}) == {}
