"""find_dependencies: which file says what to install, and which Python, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from provision.content import Content, folder_content
from provision.dependencies import find_dependencies
from provision.errors import ConfigError, Position
from provision.python_versions import accepts, choose

LISTED = '[project]\nname = "x"\ndependencies = ["fastapi"]\n'
BARE = '[project]\nname = "x"\n'
DYNAMIC = '[project]\nname = "x"\ndynamic = ["dependencies"]\n'
TOOLS_ONLY = "[tool.ruff]\nline-length = 100\n"
WORKSPACE = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
POETRY = '[tool.poetry.dependencies]\npython = "^3.9"\nfastapi = "*"\n'


def content(root: Path, files: Mapping[str, str]) -> Content:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return folder_content(root, frozenset(files))


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
        ({"pyproject.toml": POETRY, "poetry.lock": ""}, "poetry-lock"),
        ({"pyproject.toml": LISTED, "poetry.lock": ""}, "poetry-lock"),
    ],
)
def test_which_file_says_it(tmp_path: Path, files: Mapping[str, str], source: str) -> None:
    assert find_dependencies(content(tmp_path, files), "").source == source


@pytest.mark.parametrize("files", [{"pyproject.toml": BARE}, {"pyproject.toml": TOOLS_ONLY}, {"main.py": ""}])
@pytest.mark.parametrize("folder", ["", "backend"])
def test_nothing_says_it(tmp_path: Path, files: Mapping[str, str], folder: str) -> None:
    with pytest.raises(ConfigError, match="says what to install") as caught:
        find_dependencies(content(tmp_path, files), folder)
    assert "poetry.lock, pyproject.toml with [project] dependencies, and requirements.txt" in caught.value.hint


@pytest.mark.parametrize(
    ("files", "folder", "found"),
    [
        # A lock above the app, with and without a workspace.
        ({"pyproject.toml": LISTED, "uv.lock": "", "app/main.py": ""}, "app", ("uv-lock", "")),
        (
            {"pyproject.toml": WORKSPACE, "uv.lock": "", "packages/api/pyproject.toml": LISTED},
            "packages/api",
            ("uv-lock", "packages/api"),
        ),
        (
            {
                "pyproject.toml": WORKSPACE,
                "uv.lock": "",
                "packages/api/pyproject.toml": BARE,
                "packages/api/web/m.py": "",
            },
            "packages/api/web",
            ("uv-lock", "packages/api"),
        ),
        ({"pyproject.toml": LISTED, "uv.lock": "", "app/pyproject.toml": LISTED}, "app", ("uv-lock", "")),
        # What lies nearer comes first.
        ({"pyproject.toml": LISTED, "uv.lock": "", "app/requirements.txt": ""}, "app", ("requirements", "app")),
        (
            {"pyproject.toml": LISTED, "uv.lock": "", "app/pyproject.toml": LISTED, "app/uv.lock": ""},
            "app",
            ("uv-lock", "app"),
        ),
        ({"requirements.txt": "", "app/pyproject.toml": LISTED}, "app", ("pyproject", "app")),
        ({"requirements.txt": "", "app/main.py": ""}, "app", ("requirements", "")),
        ({"pyproject.toml": POETRY, "poetry.lock": "", "src/app/main.py": ""}, "src/app", ("poetry-lock", "")),
    ],
)
def test_a_lock_may_lie_above_the_app(
    tmp_path: Path, files: Mapping[str, str], folder: str, found: tuple[str, str]
) -> None:
    dependencies = find_dependencies(content(tmp_path, files), folder)
    assert (dependencies.source, dependencies.folder) == found


@pytest.mark.parametrize(
    ("pyproject", "pin", "expected", "notes"),
    [
        (LISTED + 'requires-python = ">=3.12,<4"\n', "#\n3.12.4\n", (">=3.12,<4", "3.12"), 0),
        (LISTED + 'requires-python = "<3.13"\n', "3.14\n", ("<3.13", "3.14"), 1),
        (LISTED, "cpython@3.13.1\n", ("", "3.13"), 0),
        (LISTED, "pypy3.10\n", ("", ""), 0),
        (LISTED, "", ("", ""), 0),
        (LISTED + '[tool.poetry.dependencies]\npython = "^3.11"\n', "", (">=3.11,<4", ""), 0),
    ],
)
def test_which_python_it_needs(tmp_path: Path, pyproject: str, pin: str, expected: tuple[str, str], notes: int) -> None:
    found = find_dependencies(content(tmp_path, {"pyproject.toml": pyproject, ".python-version": pin}), "")
    assert (found.requires_python, found.pinned_python) == expected
    assert len(found.notes) == notes


def test_a_workspace_and_its_member_both_say_which_python(tmp_path: Path) -> None:
    member = LISTED + 'requires-python = ">=3.11"\n'
    whole = '[project]\nname = "w"\nrequires-python = "<3.14"\n' + WORKSPACE
    files = {"pyproject.toml": whole, "uv.lock": "", "packages/a/pyproject.toml": member, ".python-version": "3.12"}
    found = find_dependencies(content(tmp_path, files), "packages/a")
    assert (found.requires_python, found.pinned_python) == (">=3.11,<3.14", "3.12")


@pytest.mark.parametrize("versions", [">=3.8, !=3.9.7", "~=3.11", "==3.12.*", ">3.10,<3.14.0a1", "===3.12.1"])
def test_versions_that_requires_python_may_name(tmp_path: Path, versions: str) -> None:
    found = find_dependencies(content(tmp_path, {"pyproject.toml": LISTED + f'requires-python = "{versions}"\n'}), "")
    assert found.requires_python == versions


@pytest.mark.parametrize("versions", ["3.11 or later", "^3.11", "3.11", ">=", ">=3.11;<4"])
def test_versions_that_it_may_not(tmp_path: Path, versions: str) -> None:
    files = {"pyproject.toml": LISTED + f'requires-python = "{versions}"\n'}
    with pytest.raises(ConfigError, match="is not a list of versions such as") as caught:
        find_dependencies(content(tmp_path, files), "")
    assert caught.value.position == Position(tmp_path / "pyproject.toml", 4, 1)


@pytest.mark.parametrize(
    ("requires", "version", "expected"),
    [
        ("", "3.11", True),
        (">=3.11", "3.11", True),
        (">=3.11.3", "3.11", True),
        (">=3.11.3", "3.11.2", False),
        (">=3.11.3", "3.13.5", True),
        (">=3.12,<4", "3.11", False),
        ("<3.13", "3.13", False),
        ("<3.13.4", "3.13", True),
        ("<4.0", "3.13", True),
        ("<=3.12", "3.13", False),
        ("==3.11.*", "3.11.2", True),
        ("==3.11.*", "3.13", False),
        ("==3.11.3", "3.11.2", True),
        ("~=3.11", "3.13", True),
        ("~=3.11.4", "3.13", False),
        ("~=3.11.4", "3.11.2", False),
        (">3.10", "3.10", True),
        (">3", "3.10", False),
        (">=3", "3.11.2", True),
        ("!=3.11.*", "3.11", False),
        ("!=3.11.0", "3.11", True),
        ("what is this", "3.11", True),
    ],
)
def test_a_version_is_accepted(requires: str, version: str, expected: bool) -> None:
    assert accepts(requires, version) is expected


@pytest.mark.parametrize(
    ("requires", "pinned", "codename", "version"),
    [
        (">=3.11", "", "bookworm", ""),
        (">=3.9", "3.12", "bookworm", ""),  # the pin asks for more than is needed
        (">=3.12", "", "bookworm", "3.12"),
        (">=3.12", "3.14", "bookworm", "3.14"),
        (">=3.12,<3.14", "3.14", "bookworm", "3.12"),
        ("<3.13", "", "trixie", "3.12"),
        (">=3.11.3", "", "bookworm", "3.11"),
        ("", "3.12", "bookworm", "3.12"),  # nothing else says what it needs
        ("", "", "bookworm", ""),
        (">=3.99", "", "bookworm", ""),
        (">=3.12", "", "sid", ""),
    ],
)
def test_the_python_to_install(requires: str, pinned: str, codename: str, version: str) -> None:
    assert choose(requires, pinned, codename) == version
