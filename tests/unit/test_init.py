"""`provision init`: flags off a terminal, questions on one, and never a file overwritten."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from provision.cli.init import init, inventory_text
from provision.errors import ConfigError

FLAGS = ["--host", "203.0.113.10", "--user", "root", "--domain", "api.example.com"]
APP = "from fastapi import FastAPI\napp = FastAPI()\n"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "main.py").write_text(APP)
    (folder / "requirements.txt").write_text("fastapi[standard]\n")
    monkeypatch.chdir(folder)
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(init, words, catch_exceptions=False)


def test_flags_write_the_smallest_inventory(app: Path) -> None:
    result = run(*FLAGS)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "Wrote inventory.yml for shop (dependencies: requirements). Next:\n\n  provision up inventory.yml\n"
    )
    assert (app / "inventory.yml").read_text() == (
        "all:\n  hosts:\n    203.0.113.10: {ansible_user: root}\n  vars:\n    caddy_domain: api.example.com\n"
    )


def test_what_stays_behind_is_said_by_name_only(app: Path) -> None:
    (app / ".env").write_text("TOKEN=hunter2\n")
    result = run(*FLAGS)
    assert result.stderr == "Note: .env is never shipped; what the app needs of it belongs into app_env: TOKEN\n"
    assert "hunter2" not in (app / "inventory.yml").read_text()


def test_an_existing_file_is_never_touched(app: Path) -> None:
    (app / "inventory.yml").write_text("mine\n")
    with pytest.raises(ConfigError, match=r"inventory\.yml exists already"):
        run(*FLAGS)
    assert (app / "inventory.yml").read_text() == "mine\n"
    assert run(*FLAGS, "--output", "other.yml").exit_code == 0


@pytest.mark.parametrize("flag", ["--host", "--user", "--domain"])
def test_off_a_terminal_a_missing_flag_is_named(app: Path, flag: str) -> None:
    at = FLAGS.index(flag)
    result = run(*FLAGS[:at], *FLAGS[at + 2 :])
    assert result.exit_code == 2
    assert f"Missing option '{flag}'" in result.stderr
    assert not (app / "inventory.yml").exists()


def test_an_app_that_is_not_found_needs_an_entrypoint(app: Path) -> None:
    (app / "main.py").rename(app / "web.py")
    result = run(*FLAGS)
    assert result.exit_code == 2
    assert "web:app  (seen in web.py)" in result.stderr
    assert "Missing option '--entrypoint'" in result.stderr
    assert run(*FLAGS, "--entrypoint", "web:app", "--app", "store").exit_code == 0
    assert yaml.safe_load((app / "inventory.yml").read_text())["all"]["vars"] == {
        "app_name": "store",
        "app_entrypoint": "web:app",
        "caddy_domain": "api.example.com",
    }


def test_an_inventory_elsewhere_says_where_the_app_is(app: Path) -> None:
    (app / "deploy").mkdir()
    assert run(*FLAGS, "--output", "deploy/production.yml").exit_code == 0
    written = yaml.safe_load((app / "deploy" / "production.yml").read_text())
    assert written["all"]["vars"]["app_source"] == ".."


def test_a_folder_that_does_not_exist(app: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write nowhere/inventory\.yml: No such file"):
        run(*FLAGS, "--output", "nowhere/inventory.yml")


def test_a_folder_without_an_app_is_an_error_before_any_question(app: Path) -> None:
    (app / "requirements.txt").unlink()
    with pytest.raises(ConfigError, match="says what to install"):
        run()


@pytest.mark.parametrize("host", ["web1", "2001:db8::1", "1", "web[01:03]", "null"])
def test_any_host_keeps_its_text(host: str) -> None:
    text = inventory_text(host, "no", {"caddy_domain": "on"})
    assert yaml.safe_load(text) == {"all": {"hosts": {host: {"ansible_user": "no"}}, "vars": {"caddy_domain": "on"}}}


def test_a_terminal_is_asked(app: Path) -> None:
    (app / "main.py").rename(app / "web.py")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from provision.cli.init import init; init()"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(theirs)
    os.write(ours, b"\n203.0.113.10\n\ntwo words\napi.example.com\n")
    screen = b""
    while chunk := _read(ours):
        screen += chunk
    os.close(ours)
    assert process.wait(timeout=120) == 0
    assert b"package.module:variable [web:app]" in screen
    assert b"Login on it (root, or one with sudo) [root]" in screen
    assert b"Error: one word, please" in screen
    assert yaml.safe_load((app / "inventory.yml").read_text()) == {
        "all": {
            "hosts": {"203.0.113.10": {"ansible_user": "root"}},
            "vars": {"app_entrypoint": "web:app", "caddy_domain": "api.example.com"},
        }
    }


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux answers EIO once the other side is closed.
        return b""
