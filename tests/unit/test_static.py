"""The folders whose files Caddy serves: what a deployment carries of them, and which are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from provision.resources.mounts import mount_points
from provision.resources.static import static_tree
from provision.source import SourceTree, pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("main.py", "static/app.js", "static/img/a.svg", "static/up/first.png", "frontend/dist/index.html"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "linked").symlink_to("static")
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend/main.py").touch()
    (tmp_path / "backend/public").mkdir()
    (tmp_path / "backend/public/a.css").touch()
    return tmp_path


@pytest.fixture
def src(folder: Path) -> SourceTree:
    return pack(folder)


@pytest.mark.parametrize(
    ("static", "text"),
    [
        ({"/": "frontend/dist/"}, "/ frontend/dist\n"),
        ({"/static": "static", "/a/b": "frontend/dist"}, "/a/b frontend/dist\n/static static\n"),
        ({"/static": "static", "/static2": "static"}, "/static static\n/static2 static\n"),
    ],
)
def test_a_deployment_carries_prefixes_and_folders(src: SourceTree, static: Mapping[str, str], text: str) -> None:
    assert static_tree(src, static, ()) == {"static": text}


def test_nothing_is_carried_where_there_are_none(src: SourceTree) -> None:
    assert static_tree(src, {}, ("d static",)) == {}


@pytest.mark.parametrize(
    ("static", "message"),
    [
        ({"static": "static"}, "static 'static' is no prefix of paths: that is / or such as /static, without"),
        ({"/static/": "static"}, "static '/static/' is no prefix of paths: .* without a slash at its end"),
        ({"/static/*": "static"}, "is no prefix of paths"),
        ({"/a b": "static"}, "is no prefix of paths"),
        ({"/{x}": "static"}, "is no prefix of paths"),
        ({"/../x": "static"}, "is no prefix of paths"),
        ({"/.well-known": "static"}, "no dot in front"),
        ({"": "static"}, "is no prefix of paths"),
        ({"/": "static", "/assets": "frontend/dist"}, "static /assets lies in /; let one folder hold"),
        ({"/a/b": "static", "/a": "frontend/dist"}, "static /a/b lies in /a; "),
        ({"/static": "."}, r"static names '\.', which is no folder below app_source such as"),
        ({"/static": "../static"}, "is no folder below app_source"),
        ({"/static": "/srv"}, "is no folder below app_source"),
        ({"/static": ""}, "is no folder below app_source"),
        ({"/static": "frontend/.next"}, "no dot in front"),
        ({"/static": "static/app.js"}, "static names static/app.js, and the source has no such folder with files"),
        ({"/static": "statik"}, "static names statik, .* app_include"),
        ({"/static": "linked"}, "static names linked, which is a link in the source; name what it points to"),
        (
            {"/static": "backend"},
            r"static names backend, which holds Python that everyone could then read: backend/main\.py",
        ),
    ],
)
def test_what_cannot_be_served_is_refused(src: SourceTree, static: Mapping[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        static_tree(src, static, ())


@pytest.mark.parametrize("writable", [["media/"], ["static/made/"], ["static-2/"]])
def test_what_the_app_makes_there_is_its_own_to_serve(src: SourceTree, writable: list[str]) -> None:
    assert static_tree(src, {"/static": "static"}, mount_points(src, writable, []))


@pytest.mark.parametrize(
    ("static", "writable", "files", "message"),
    [
        ("static", ["static/"], [], r"static names static, which the app writes \(static\)"),
        ("static/img", ["static/"], [], r"static names static/img, which the app writes \(static\)"),
        ("static", ["static/up/"], [], "static names static, which holds static/up of app_writable or app_files"),
        ("static", [], ["static/config.js"], "static names static, which holds static/config.js of app_writable"),
    ],
)
def test_what_a_deployment_lays_over_the_build_is_refused(
    src: SourceTree, static: str, writable: list[str], files: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        static_tree(src, {"/static": static}, mount_points(src, writable, files))


def test_folders_are_those_of_the_whole_source_and_writable_ones_those_of_the_app(folder: Path) -> None:
    src = pack(folder, subdir="backend")
    assert static_tree(src, {"/public": "backend/public"}, mount_points(src, ["static/"], []))
    with pytest.raises(ValueError, match=r"static names backend/public, which the app writes \(backend/public\)"):
        static_tree(src, {"/public": "backend/public"}, mount_points(src, ["public/"], []))
