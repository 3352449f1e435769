"""Project: what the files of a tree say, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from provision.errors import ConfigError, Position
from provision.project import Project, read_project


def project(root: Path, files: Mapping[str, str]) -> Project:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return read_project(root, frozenset(files))


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


LISTED = '[project]\nname = "x"\ndependencies = ["fastapi"]\n'
BARE = '[project]\nname = "x"\n'
DYNAMIC = '[project]\nname = "x"\ndynamic = ["dependencies"]\n'
TOOLS_ONLY = "[tool.ruff]\nline-length = 100\n"


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({"pyproject.toml": LISTED, "uv.lock": ""}, "uv-lock"),
        ({"pyproject.toml": LISTED, "uv.lock": "", "poetry.lock": "", "requirements.txt": ""}, "uv-lock"),
        ({"pyproject.toml": LISTED}, "pyproject"),
        ({"pyproject.toml": LISTED, "requirements.txt": ""}, "pyproject"),
        ({"pyproject.toml": BARE, "requirements.txt": ""}, "requirements"),
        ({"pyproject.toml": TOOLS_ONLY, "requirements.txt": ""}, "requirements"),
        ({"pyproject.toml": DYNAMIC, "requirements.txt": ""}, "requirements"),
        ({"pyproject.toml": DYNAMIC}, "pyproject"),
        ({"requirements.txt": ""}, "requirements"),
        ({"requirements.txt": "", "uv.lock": ""}, "requirements"),
        ({"pyproject.toml": LISTED, "poetry.lock": "", "requirements.txt": ""}, "requirements"),
    ],
)
def test_dependency_source(tmp_path: Path, files: Mapping[str, str], source: str) -> None:
    assert project(tmp_path, files).dependency_source == source


@pytest.mark.parametrize("files", [{"pyproject.toml": BARE}, {"pyproject.toml": TOOLS_ONLY}, {"main.py": ""}])
def test_nothing_says_what_to_install(tmp_path: Path, files: Mapping[str, str]) -> None:
    with pytest.raises(ConfigError, match="says what to install") as caught:
        assert project(tmp_path, files).dependency_source
    assert "uv.lock, pyproject.toml with [project] dependencies, and requirements.txt" in caught.value.hint


@pytest.mark.parametrize("pyproject", [LISTED, "[tool.poetry]\n"])
def test_a_poetry_lock_alone_is_refused(tmp_path: Path, pyproject: str) -> None:
    with pytest.raises(ConfigError, match=r"poetry\.lock is not supported yet") as caught:
        assert project(tmp_path, {"pyproject.toml": pyproject, "poetry.lock": ""}).dependency_source
    assert "poetry export" in caught.value.hint


def test_requires_python_and_the_pin(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.12,<4"\n',
        ".python-version": "#\n3.12.4\n",
    }
    found = project(tmp_path, files)
    assert (found.requires_python, found.pinned_python) == (">=3.12,<4", "3.12.4")
    silent = project(tmp_path, {"main.py": ""})
    assert (silent.requires_python, silent.pinned_python) == ("", "")


@pytest.mark.parametrize("versions", [">=3.8, !=3.9.7", "~=3.11", "==3.12.*", ">3.10,<3.14.0a1", "===3.12.1"])
def test_versions_that_requires_python_may_name(tmp_path: Path, versions: str) -> None:
    found = project(tmp_path, {"pyproject.toml": f'[project]\nrequires-python = "{versions}"\n'})
    assert found.requires_python == versions


@pytest.mark.parametrize("versions", ["3.11 or later", "^3.11", "3.11", ">=", ">=3.11;<4"])
def test_versions_that_it_may_not(tmp_path: Path, versions: str) -> None:
    found = project(tmp_path, {"pyproject.toml": f'[project]\nname = "x"\nrequires-python = "{versions}"\n'})
    with pytest.raises(ConfigError, match="is not a list of versions such as") as caught:
        assert found.requires_python
    assert caught.value.position == Position(tmp_path / "pyproject.toml", 3, 1)


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
        read_project(tmp_path, {"pyproject.toml"})


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
