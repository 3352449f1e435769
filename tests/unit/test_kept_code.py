"""Compiled templates of the shipped roles, from run to run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from jinja2 import Environment

from provision.errors import ConfigError
from provision.kept_code import kept_code
from provision.templating import Templates
from provision.yamlfile import parse

TEXTS = ("{{ [x] + [2] }}", "{{ x }} and {{ y | default('none') }}", "{% if x %}yes{% endif %}", "{{ x.y }}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache/provision"


def rendered(tmp_path: Path, file: Path, text: str) -> object:
    """What a new run makes of a template in ``file``; the shipped roles are those in shipped/."""
    kept = kept_code({"XDG_CACHE_HOME": str(tmp_path / "cache")}, tmp_path / "shipped")
    assert kept
    return outcome(Templates(kept=kept), file, text)


def outcome(templates: Templates, file: Path, text: str) -> object:
    """The value, or what is wrong with it and where."""
    node = parse(repr(text), file)
    try:
        return templates.render(node, {"x": parse("1", file)})
    except ConfigError as error:
        return error.message, error.position


@pytest.mark.parametrize("text", TEXTS)
def test_kept_code_means_the_same(tmp_path: Path, folder: Path, text: str) -> None:
    file = tmp_path / "shipped/app/tasks/main.yml"
    expected = outcome(Templates(), file, text)
    assert rendered(tmp_path, file, text) == expected
    (kept,) = folder.glob("templates-*/*.cache")
    written = kept.stat().st_mtime_ns
    assert rendered(tmp_path, file, text) == expected
    assert kept.stat().st_mtime_ns == written, "it was loaded, and not made again"


def test_what_users_write_is_not_kept(tmp_path: Path, folder: Path) -> None:
    assert rendered(tmp_path, tmp_path / "inventory.yml", "{{ 'a secret' ~ x }}") == "a secret1"
    assert not list(folder.glob("*/*.cache"))


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_file_is_made_again(tmp_path: Path, folder: Path, damage: bytes | None) -> None:
    file = tmp_path / "shipped/main.yml"
    rendered(tmp_path, file, TEXTS[0])
    (kept,) = folder.glob("templates-*/*.cache")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-20] if damage is None else damage)
    assert rendered(tmp_path, file, TEXTS[0]) == [1, 2]
    assert kept.read_bytes() == whole


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, folder: Path) -> None:
    """What is loaded is run, and sudo may have left another user's HOME in place."""
    environ = {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    assert kept_code(environ, tmp_path)
    (made,) = (tmp_path / ".cache/provision").iterdir()
    assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o770)
    assert kept_code(environ, tmp_path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_the_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    assert kept_code(environ, tmp_path)
    (made,) = (tmp_path / "provision").iterdir()
    os.chown(made, 65534, 65534)
    assert kept_code(environ, tmp_path) is None


@pytest.mark.parametrize("environ", [{"XDG_CACHE_HOME": "/dev/null"}, {"HOME": "/proc"}])
def test_without_a_place_nothing_is_kept(environ: Mapping[str, str], tmp_path: Path) -> None:
    assert kept_code(environ, tmp_path) is None


def test_a_full_disk_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = kept_code({"XDG_CACHE_HOME": str(tmp_path)}, tmp_path)
    assert kept
    monkeypatch.setattr("jinja2.FileSystemBytecodeCache.dump_bytecode", _full)
    code = kept.code(Environment(), tmp_path / "main.yml", "x", lambda: compile("1", "x", "exec"))
    assert code.co_filename == "x"


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")
