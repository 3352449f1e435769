"""poetry.lock as requirements.txt. Real locks of Poetry 1.8 (2.0) and 2.5 (2.1) were compared with `poetry export` for
six Pythons on four platforms; the small ones here hold what made a difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.content import folder_content
from provision.errors import ConfigError
from provision.poetry_lock import requirements, requires_python
from provision.poetry_versions import allows, python_marker, specifier
from provision.pyproject import Pyproject, read_pyproject

PROJECT = """
[tool.poetry.dependencies]
python = "^3.9"
uvicorn = {version = "^0.29", extras = ["standard"]}
numpy = [{version = "<2", python = "<3.10"}, {version = "^2", python = ">=3.10"}]
redis = {version = "*", optional = true}
[tool.poetry.extras]
cache = ["redis"]
[tool.poetry.group.server.dependencies]
gunicorn = "*"
[tool.poetry.group.dev.dependencies]
pytest = "*"
"""
OLD = """
[[package]]
name = "Uvicorn"
version = "0.29.1"
[package.dependencies]
click = ">=7"
uvloop = {version = ">=0.14", optional = true, markers = "sys_platform != 'win32' and extra == \\"standard\\""}
gunicorn = {version = "*", optional = true, markers = "extra == 'other'"}
[[package]]
name = "click"
version = "8.1"
[package.dependencies]
colorama = {version = "*", markers = "platform_system == 'Windows'"}
[[package]]
name = "colorama"
version = "0.4"
[package.dependencies]
ansi = "*"
[[package]]
name = "ansi"
version = "1.0"
[[package]]
name = "uvloop"
version = "0.19"
[[package]]
name = "numpy"
version = "1.26.4"
[[package]]
name = "numpy"
version = "2.1.0"
[[package]]
name = "redis"
version = "5.0"
optional = true
[package.dependencies]
click = "*"
[[package]]
name = "gunicorn"
version = "22.0"
[[package]]
name = "pytest"
version = "8.0"
"""


def pyproject(folder: Path, project: str, lock: str, files: str = "") -> Pyproject:
    (folder / "pyproject.toml").write_text(project)
    (folder / "poetry.lock").write_text(lock + files)
    return read_pyproject(folder_content(folder, frozenset({"pyproject.toml", "poetry.lock"})))


def lines(text: str) -> list[str]:
    return text.replace(" \\\n   ", "").splitlines()


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_an_older_lock_is_followed_from_the_project(tmp_path: Path, version: str) -> None:
    found = pyproject(tmp_path, PROJECT, OLD, f'[metadata]\nlock-version = "{version}"\n')
    main = [
        "Uvicorn==0.29.1",
        "ansi==1.0 ; platform_system == 'Windows'",
        "click==8.1",
        "colorama==0.4 ; platform_system == 'Windows'",
        'numpy==1.26.4 ; python_version < "3.10"',
        'numpy==2.1.0 ; python_version >= "3.10"',
        "uvloop==0.19 ; sys_platform != 'win32'",
    ]
    assert lines(requirements(found)) == main
    assert lines(requirements(found, ["server"])) == sorted([*main, "gunicorn==22.0"])
    assert lines(requirements(found, [], ["cache"])) == sorted([*main, "redis==5.0"])


def test_several_ways_to_a_package_are_alternatives(tmp_path: Path) -> None:
    project = '[project]\nname = "x"\ndependencies = ["a ; os_name == \'nt\'", "b[c]>=1 ; python_version < \'3.12\'"]\n'
    lock = '[[package]]\nname = "a"\nversion = "1"\n[package.dependencies]\nd = "*"\n'
    lock += '[[package]]\nname = "b"\nversion = "1"\n[package.dependencies]\n'
    marker = "extra == 'c' and (os_name == 'nt' or os_name == 'java')"
    lock += f'd = {{version = "*", optional = true, markers = "{marker}"}}\n'
    lock += '[[package]]\nname = "d"\nversion = "1"\n[metadata]\nlock-version = "2.0"\n'
    (_, _, last) = lines(requirements(pyproject(tmp_path, project, lock)))
    assert last.startswith("d==1 ; (")
    assert "(os_name == 'nt')" in last
    assert "python_version < '3.12'" in last


NEW = """
[[package]]
name = "fastapi"
version = "0.1"
optional = false
groups = ["main"]
files = [{file = "b", hash = "sha256:bb"}, {file = "a", hash = "sha256:aa"}]
[[package]]
name = "tomli"
version = "2"
optional = false
groups = ["main", "dev"]
markers = {main = "python_version < \\"3.11\\"", dev = "python_version < \\"3.12\\""}
[[package]]
name = "gunicorn"
version = "22"
optional = false
groups = ["server"]
[[package]]
name = "redis"
version = "5"
optional = true
groups = ["main"]
markers = "extra == \\"cache\\" and sys_platform == \\"linux\\""
[[package]]
name = "shop-lib"
version = "1"
optional = false
groups = ["main"]
[package.source]
type = "git"
url = "https://git.example.com/lib"
resolved_reference = "0123"
subdirectory = "python"
[[package]]
name = "near"
version = "1"
optional = false
groups = ["main"]
[package.source]
type = "directory"
url = "libs/near"
[metadata]
lock-version = "2.1"
"""


@pytest.mark.parametrize(
    ("groups", "extras", "more"),
    [
        ([], [], []),
        (["server"], [], ["gunicorn==22"]),
        ([], ["cache"], ['redis==5 ; sys_platform == "linux"']),
    ],
)
def test_a_newer_lock_says_what_is_wanted(
    tmp_path: Path, groups: list[str], extras: list[str], more: list[str]
) -> None:
    main = [
        "./libs/near",
        "fastapi==0.1 --hash=sha256:aa --hash=sha256:bb",
        "shop-lib @ git+https://git.example.com/lib@0123#subdirectory=python",
        'tomli==2 ; python_version < "3.11"',
    ]
    assert lines(requirements(pyproject(tmp_path, PROJECT, NEW), groups, extras)) == sorted([*main, *more])


def test_hashes_of_the_oldest_format_lie_apart(tmp_path: Path) -> None:
    lock = '[[package]]\nname = "a"\nversion = "1"\n[metadata]\nlock-version = "1.1"\n'
    lock += '[metadata.files]\na = [{file = "a.whl", hash = "sha256:aa"}]\n'
    project = '[tool.poetry.dependencies]\na = "^1"\n'
    assert lines(requirements(pyproject(tmp_path, project, lock))) == ["a==1 --hash=sha256:aa"]


@pytest.mark.parametrize(
    ("groups", "extras", "message"),
    [(["srever"], [], "has no dependency group srever"), ([], ["cash"], "has no extra cash")],
)
@pytest.mark.parametrize("lock", [OLD + '[metadata]\nlock-version = "2.0"\n', NEW])
def test_a_group_or_extra_that_is_not_there(
    tmp_path: Path, lock: str, groups: list[str], extras: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        requirements(pyproject(tmp_path, PROJECT, lock), groups, extras)


@pytest.mark.parametrize(
    "group",
    [
        '[dependency-groups]\nbase = ["uvicorn>=0.2"]\nserver = [{include-group = "base"}]\n',
        '[tool.poetry.group.server.dependencies]\nuvicorn = ">=0.2"\n',
    ],
)
def test_groups_of_either_kind(tmp_path: Path, group: str) -> None:
    project = '[project]\nname = "x"\ndependencies = []\n' + group
    found = pyproject(tmp_path, project, OLD, '[metadata]\nlock-version = "2.0"\n')
    assert "Uvicorn==0.29.1" in lines(requirements(found, ["server"]))
    assert requirements(found) == ""


@pytest.mark.parametrize(
    ("constraint", "version", "expected"),
    [
        ("^1.2.3", "1.9", True),
        ("^1.2.3", "2.0", False),
        ("^0.0.3", "0.0.4", False),
        ("~3.0", "3.1", False),
        ("~3.0", "3.0.9", True),
        ("~3", "3.9", True),
        ("1.2.*", "1.2.7", True),
        ("1.2.*", "1.3", False),
        ("!=1.2.*", "1.2.3", False),
        ("~=1.4.5", "1.4.9", True),
        ("~=1.4.5", "1.5", False),
        ("~=2.2", "2.9", True),
        (">=1.0 , <2", "1.5", True),
        (">=1.0 <2", "2.5", False),
        ("== 1.0", "1.0.0", True),
        ("1.2.3", "1.2.3", True),
        ("<2 || >=3", "2.5", False),
        ("<2 | >=3", "3.5", True),
        (">=2.0", "2.0b1", False),
        (">=2.0.0rc1", "2.0.0rc2", True),
        ("<=1.1", "1.1.post1", False),
        ("!=1.0", "1.0", False),
        ("*", "9", True),
    ],
)
def test_constraints_of_poetry(constraint: str, version: str, expected: bool) -> None:
    assert allows(constraint, version) is expected


@pytest.mark.parametrize(
    ("constraint", "written", "marker"),
    [
        ("^3.11", ">=3.11,<4", 'python_version >= "3.11" and python_version < "4"'),
        ("~3.11", ">=3.11,<3.12", 'python_version >= "3.11" and python_version < "3.12"'),
        (">=3.9,<4.0", ">=3.9,<4.0", 'python_version >= "3.9" and python_version < "4.0"'),
        ("3.11.*", "==3.11.*", 'python_version == "3.11"'),
        ("<3.9 || >3.10", "", ""),
        ("*", "", ""),
        ("", "", ""),
    ],
)
def test_constraints_on_python(tmp_path: Path, constraint: str, written: str, marker: str) -> None:
    assert (specifier(constraint), python_marker(constraint)) == (written, marker)
    found = pyproject(tmp_path, f'[tool.poetry.dependencies]\npython = "{constraint}"\n', "")
    assert requires_python(found) == written
