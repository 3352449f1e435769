"""No request is lost by whatever changes: plain clients ask through Caddy all the while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.cli import AUTHORITY, Result, provision
from tests.e2e.visitors import Visitors

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host

DOMAIN = "busy.test.internal"
PYPROJECT = """\
[project]
name = "busy"
version = "1"
requires-python = ">=3.11"
dependencies = ["fastapi[standard]"]
"""
MAIN = """\
import os

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
VERSION = "{version} " + os.environ.get("GREETING", "")


class Words(BaseModel):
    words: str


@app.get("/version")
async def version(words: str) -> dict[str, str]:
    return {{"words": words, "version": VERSION}}


@app.post("/echo")
async def echo(said: Words) -> dict[str, str]:
    return {{"words": said.words, "version": VERSION}}
"""


class Busy:
    """One host with an app that is asked all the time."""

    def __init__(self, folder: Path, host: Host, root: Path) -> None:
        self.inventory, self.app = folder / "inventory.yml", folder / "app"
        self._host, self._root = host, root
        self.app.mkdir()
        (self.app / "pyproject.toml").write_text(PYPROJECT)
        self.version = 0
        self._variables: dict[str, object] = {
            "app_source": str(self.app),
            "app_workers": 2,
            "app_env": {"GREETING": "hello"},
            "app_health_path": "/version?words=gate",
            "caddy_domain": DOMAIN,
            "caddy_source": "distro",
            "caddy_tls": "internal",
        }
        self.change()
        self.set()

    def change(self, more: str = "") -> None:
        """Another release, with ``more`` at its end."""
        self.version += 1
        (self.app / "main.py").write_text(MAIN.format(version=self.version) + more)

    def set(self, **variables: object) -> None:
        self._variables |= variables
        write_inventory(self.inventory, [self._host], self._variables)

    def up(self, code: int = 0) -> Result:
        result = provision("up", self.inventory)
        assert result.code == code, str(result)
        return result

    def visitors(self) -> Visitors:
        return Visitors(DOMAIN, self._host.address, self._root / AUTHORITY)


@pytest.fixture(scope="module")
def busy(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    host = lab.add()
    yield Busy(tmp_path_factory.mktemp("busy"), host, lab.root(host))
    lab.remove(host)


@pytest.fixture(autouse=True)
def settled(busy: Busy) -> None:
    """Each test begins with a release of its own that serves, of which nothing is left to do."""
    busy.change()
    busy.up()
    assert busy.up().settled == (0, 1)


def code(busy: Busy) -> None:
    busy.change()
    busy.up()


def environment(busy: Busy) -> None:
    busy.set(app_env={"GREETING": f"hello {busy.version}"})
    busy.up()


def workers(busy: Busy) -> None:
    busy.set(app_workers=3)
    busy.up()
    busy.set(app_workers=2)
    busy.up()


def rollback(busy: Busy) -> None:
    result = provision("rollback", busy.inventory)
    assert result.code == 0, str(result)


@pytest.mark.parametrize("change", [code, environment, workers, rollback], ids=lambda change: change.__name__)
def test_a_change_loses_nothing(busy: Busy, change: Callable[[Busy], None]) -> None:
    visitors = busy.visitors()

    with visitors.coming():
        change(busy)

    assert visitors.lost == []
    assert visitors.answered >= 1500
    assert len(visitors.versions) == (1 if change is workers else 2)


def failed_migration(busy: Busy) -> None:
    busy.set(app_migrate_command="exit 3")
    busy.change()
    assert "the migration failed" in busy.up(code=1).log
    busy.set(app_migrate_command=[])


def failed_gate(busy: Busy) -> None:
    # Imports well, and then never answers what it should.
    busy.change("\n\n@app.middleware('http')\nasync def broken(request, call_next):\n    raise RuntimeError('gate')\n")
    assert "the new release does not serve" in busy.up(code=1).log


def failed_import(busy: Busy) -> None:
    busy.change("\nimport nothing_of_that_name\n")
    assert "nothing_of_that_name" in busy.up(code=1).log


def nothing_to_do(busy: Busy) -> None:
    assert busy.up().settled == (0, 1)


@pytest.mark.parametrize(
    "failure", [failed_migration, failed_gate, failed_import, nothing_to_do], ids=lambda failure: failure.__name__
)
def test_what_does_not_come_to_serve_loses_nothing(busy: Busy, failure: Callable[[Busy], None]) -> None:
    visitors = busy.visitors()

    with visitors.coming():
        failure(busy)

    assert visitors.lost == []
    assert visitors.answered >= 1500
    assert len(visitors.versions) == 1
