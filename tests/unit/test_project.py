"""Project: what the files of a tree say, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from provision.content import folder_content
from provision.errors import ConfigError, Position
from provision.project import Project, read_project


def project(root: Path, files: Mapping[str, str]) -> Project:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return read_project(folder_content(root, frozenset(files)))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("notes", "notes"),
        ("My_App.API", "my-app-api"),
        ("  Über  App ", "ber-app"),
        ("a-very-long-name-of-an-app-with-words", "a-very-long-name-of-an-a"),
        ("exactly-at-the-hyphen-it-ends", "exactly-at-the-hyphen-it"),
        ("twenty-three-letters-ab-c", "twenty-three-letters-ab"),
        ("--x--", "x"),
    ],
)
def test_name_is_reduced(tmp_path: Path, written: str, name: str) -> None:
    assert project(tmp_path, {"pyproject.toml": f'[project]\nname = "{written}"\n'}).name == name


def test_name_is_the_folders_without_a_pyproject(tmp_path: Path) -> None:
    (tmp_path / "Shop Backend").mkdir()
    assert project(tmp_path / "Shop Backend", {"main.py": ""}).name == "shop-backend"
    assert project(tmp_path / "Shop Backend", {"pyproject.toml": "[tool.ruff]\n"}).name == "shop-backend"


def test_no_name_can_be_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no app name can be made of 'привет'") as caught:
        assert project(tmp_path, {"pyproject.toml": '[project]\nname = "привет"\n'}).name
    assert "app_name" in caught.value.hint


BARE = '[project]\nname = "x"\n'


@pytest.mark.parametrize(
    ("files", "folder", "name"),
    [
        ({"backend/pyproject.toml": BARE, "pyproject.toml": BARE.replace("x", "y")}, "backend", "x"),
        ({"backend/main.py": "", "pyproject.toml": BARE.replace("x", "y")}, "backend", "y"),
        ({"backend/main.py": ""}, "backend", "shop"),
        ({"pyproject.toml": '[tool.poetry]\nname = "z"\n'}, "", "z"),
    ],
)
def test_an_app_in_a_sub_folder_is_called_as_the_whole(
    tmp_path: Path, files: Mapping[str, str], folder: str, name: str
) -> None:
    content = project(tmp_path / "shop", files).content
    assert read_project(content, folder, "shop").name == name


def test_broken_toml_is_shown_where_it_breaks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid TOML") as caught:
        project(tmp_path, {"pyproject.toml": '[project]\nname = "x\n'})
    assert caught.value.position == Position(tmp_path / "pyproject.toml", 2, 10)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('project = "x"\n', "project is not a table"),
        ("[project]\nname = 1\n", "project.name is not a string"),
        ('[tool]\nfastapi = "main:app"\n', "tool.fastapi is not a table"),
        ('[tool.fastapi]\nentrypoint = ["main:app"]\n', "tool.fastapi.entrypoint is not a string"),
        ('[tool.fastapi]\nentrypoint = "main.py"\n', "'main.py' is not of the form"),
    ],
)
def test_a_wrong_type_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    found = project(tmp_path, {"pyproject.toml": text})
    with pytest.raises(ConfigError, match=complaint):
        assert [found.name, found.entrypoint]


def test_a_pyproject_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b'[project]\nname = "caf\xe9"\n')
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_project(folder_content(tmp_path, frozenset({"pyproject.toml"})))


@pytest.mark.parametrize(
    ("ini", "revision", "warns"),
    [
        ("[alembic]\nscript_location = migrations\n", "migrations/versions/0001.py", False),
        ("[alembic]\nscript_location = migrations\n", "migrations/versions/README", True),
        ("[alembic]\nscript_location = ./migrations/\n", "migrations/versions/0001.py", False),
        ("[alembic]\nscript_location = %(here)s/db\n", "db/versions/0001.py", False),
        ("[alembic]\nscript_location = %(here)s/db\n", "db/env.py", True),
        ("[alembic]\nscript_location = db\nversion_locations = %(here)s/revisions\n", "revisions/1.py", False),
        ("[alembic]\nscript_location = db\nversion_locations = a b\n", "db/env.py", False),
        ("[alembic]\nscript_location = app:migrations\n", "x.py", False),
        ("[alembic]\n", "alembic/versions/1.py", False),
        ("[alembic]\n", "alembic/env.py", True),
        ("not an ini", "x.py", False),
    ],
)
def test_alembic_without_a_revision_is_warned_about(tmp_path: Path, ini: str, revision: str, warns: bool) -> None:
    found = project(tmp_path, {"alembic.ini": ini, revision: ""})
    assert found.has_alembic
    assert bool(found.warnings) is warns
    assert all("holds no revision" in warning for warning in found.warnings)


def test_no_alembic(tmp_path: Path) -> None:
    found = project(tmp_path, {"main.py": ""})
    assert (found.has_alembic, found.warnings) == (False, ())
