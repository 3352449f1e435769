"""What a user is told of secrets: where they were looked for, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from provision.cli import main

INVENTORY = """\
all:
  hosts:
    web: {ansible_host: 127.0.0.1, ansible_port: 1}
  vars:
    app_source: app
    caddy_domain: api.example.com
    shop_password: hunter2-hunter2
    app_secrets:
      STRIPE_KEY: {SOURCE}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SHOP_STRIPE_KEY", raising=False)
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    (tmp_path / "app/requirements.txt").write_text("fastapi[standard]\n")
    (tmp_path / "app/.env").write_text("STRIPE_KEY=1\nDEBUG=1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{env: SHOP_STRIPE_KEY}", "STRIPE_KEY: the environment has no variable SHOP_STRIPE_KEY"),
        ("{command: cat no-such-file}", "STRIPE_KEY: `cat no-such-file` ended with status 1"),
    ],
)
def test_an_error_names_the_place(folder: Path, source: str, says: str) -> None:
    inventory = folder / "inventory.yml"
    inventory.write_text(INVENTORY.replace("{SOURCE}", source))
    result = CliRunner().invoke(main, ["plan", str(inventory)])
    assert result.exit_code == 2
    assert says in result.stderr.replace("\n", " ")
    assert "hunter2" not in result.output


def test_what_is_among_the_secrets_is_not_missing_from_the_environment(folder: Path) -> None:
    inventory = folder / "inventory.yml"
    inventory.write_text(INVENTORY.replace("{SOURCE}", "{env: SHOP_STRIPE_KEY}"))
    said = CliRunner().invoke(main, ["lint", str(inventory)]).output
    assert "DEBUG" in said
    assert "STRIPE_KEY" not in said
