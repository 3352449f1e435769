"""``app_secrets``: where they are read, and what a user is told where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision import secrets
from provision.environment import confidential_values, discreet
from provision.errors import ConfigError
from provision.secrets import Secrets


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory's folder, with secrets in files and in the environment."""
    (tmp_path / "token").write_text("from-the-file\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/token").write_text("from-home\r\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SHOP_TOKEN", "from-the-environment")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("written", "written"),
        (5, 5),
        (None, None),
        ({"env": "SHOP_TOKEN"}, "from-the-environment"),
        ({"file": "token"}, "from-the-file"),
        ({"file": "~/token"}, "from-home"),
        ({"command": "cat token"}, "from-the-file"),
        ({"command": "printf 'two\\nlines\\n\\n'"}, "two\nlines\n"),
        ({"command": 'echo "$SHOP_TOKEN" | tr a-z A-Z'}, "FROM-THE-ENVIRONMENT"),
    ],
)
def test_where_a_secret_is_read(folder: Path, source: Any, value: Any) -> None:
    assert Secrets(folder).values({"TOKEN": source}) == {"TOKEN": value}


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ({"env": "NO_SUCH"}, "TOKEN: the environment has no variable NO_SUCH", "export NO_SUCH="),
        ({"file": "missing"}, "missing cannot be read: No such file or directory", ""),
        ({"file": "bytes"}, "bytes is no UTF-8 text", "app_files"),
        ({"command": "echo s3cret; exit 3"}, "TOKEN: `echo s3cret; exit 3` ended with status 3", "run it by hand"),
        ({"command": "cat bytes"}, "what `cat bytes` prints is no UTF-8 text", ""),
        ({"vault": "x"}, "TOKEN: a secret comes from one place", "{env: NAME}"),
        ({"env": "A", "file": "b"}, "TOKEN: a secret comes from one place", "{command: COMMAND}"),
        ({}, "TOKEN: a secret comes from one place", "{file: PATH}"),
        ({"env": 5}, "TOKEN: env must be text", "{env: NAME}"),
        ({"file": ""}, "TOKEN: file must be text", "{file: PATH}"),
    ],
)
def test_what_is_wrong_with_it(folder: Path, source: Any, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Secrets(folder).values({"TOKEN": source})
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_command_that_does_not_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "TIMEOUT", 0.1)
    with pytest.raises(ConfigError, match=r"TOKEN: `sleep 60` did not end within 0\.1 s"):
        Secrets(folder).values({"TOKEN": {"command": "sleep 60"}})


def test_each_is_read_once_a_run(folder: Path) -> None:
    """However many hosts there are: a password manager may ask to be unlocked."""
    reader = Secrets(folder)
    asked = {"command": "echo x >>asked; echo value"}
    for _ in range(3):
        assert reader.values({"A": asked, "B": asked}) == {"A": "value", "B": "value"}
    assert (folder / "asked").read_text() == "x\n"


def test_whoever_only_checks_what_is_written_reads_none(folder: Path) -> None:
    checking = Secrets(folder, read=False)
    assert checking.values({"A": {"command": "touch ran"}, "B": {"env": "NO_SUCH"}, "C": 1}) == {
        "A": "",
        "B": "",
        "C": 1,
    }
    assert not (folder / "ran").exists()
    with pytest.raises(ConfigError, match="one place"):
        checking.values({"A": {"pass": "x"}})


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("app_workers: four", "app_workers: four"),
        ("  - api_token: a b, c", "  - api_token: (secret)"),
        ('"db_password": x', '"db_password": (secret)'),
        ("db_password: '{{ other }}'", "db_password: '{{ other }}'"),
        ("db_password: !vault |", "db_password: !vault |"),
        ("db_password:", "db_password:"),
        ("key_file: ~/.ssh/key", "key_file: ~/.ssh/key"),
        ("app_env: {A_KEY: one, B: two, C_TOKEN: 'three, 3'}", "app_env: {A_KEY: (secret), B: two, C_TOKEN: (secret)}"),
    ],
)
def test_a_line_that_is_quoted_is_discreet(line: str, shown: str) -> None:
    assert discreet(line) == shown


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"DEBUG": True, "ALLOWED_HOSTS": ["api.example.com"], "MONKEY": "banana"}, []),
        (
            {"SECRET_KEY": "secret", "stripe_token": "a-token", "DB_PASS": "password", "AWS_ACCESS_KEY_ID": "the-id"},
            ["secret", "a-token", "password", "the-id"],
        ),
        ({"ACCESS_TOKEN_EXPIRE_MINUTES": 11520, "SECRET_ALGORITHM": "HS256", "USE_TOKEN": True}, []),
        ({"DATABASE_URL": "postgresql+psycopg://shop:p%40ss@db/shop"}, ["p%40ss", "p@ss"]),
        ({"BROKERS": ["redis://:one@a", "redis://:two@b"]}, ["one", "two"]),
        (
            {"SENTRY_DSN": "https://key@sentry.example/1", "EMPTY_KEY": "", "NO_TOKEN": None},
            ["https://key@sentry.example/1"],
        ),
    ],
)
def test_what_an_environment_gives_away(env: dict[str, Any], found: list[str]) -> None:
    assert confidential_values({}, env) == found
