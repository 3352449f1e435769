"""The host that migrates for all that share a database is chosen from the whole inventory."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.cli import copy_of_notes

from provision.errors import ConfigError
from provision.fleet import Fleet
from provision.inventory import Inventory
from provision.performers import Performers, Plays, likely_shared

HOSTS = """\
all:
  vars: {app_source: notes, roles: [python, caddy, app]}
  hosts:
    web1: {app_env: {DATABASE_URL: "postgresql+psycopg://notes:one@db/notes"}}
    web2: {app_env: {DATABASE_URL: "postgresql://notes:two@db/notes"}}
    staging: {app_env: {DATABASE_URL: "postgresql://notes@db/staging"}}
    alone: {app_env: {DATABASE_URL: "sqlite:///notes.db"}}
    socket1: {app_env: {DATABASE_URL: "postgresql://app-notes@/notes?host=/var/run/postgresql"}}
    socket2: {app_env: {DATABASE_URL: "postgresql://app-notes@/notes?host=/var/run/postgresql"}}
    named: {app_database: main, app_env: {DATABASE_URL: "postgresql://app-notes@localhost/notes"}}
    none: {roles: [python]}
"""


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory) -> Plays:
    folder = tmp_path_factory.mktemp("shared")
    copy_of_notes(folder)
    (folder / "inventory.yml").write_text(HOSTS)
    return _plays(folder / "inventory.yml")


def _plays(path: Path) -> Plays:
    inventory = Inventory.load(path)
    return [(login.name, play) for play, login in Fleet(inventory.base, {}).plays(inventory.select("all"))]


def test_the_first_of_those_with_one_database(plays: Plays) -> None:
    found = dict(plays)
    shared = {name: likely_shared(play) for name, play in found.items()}
    performers = Performers(lambda: list(found.items()))

    assert {name: performers.performer(of, name) for name, works in shared.items() for of in works if of.key} == {
        "web1": "web1",
        "web2": "web1",
        "staging": "staging",
        "named": "named",
    }
    for own in ("alone", "socket1", "socket2"):
        assert [of.key for of in shared[own]] == [""]
    assert shared["none"] == []


def test_a_chosen_host_must_share_it(tmp_path: Path) -> None:
    copy_of_notes(tmp_path)
    (tmp_path / "inventory.yml").write_text(
        HOSTS.replace("app_source: notes", "app_migrate_host: alone, app_source: notes")
    )
    plays = _plays(tmp_path / "inventory.yml")
    play = dict(plays)["web2"]

    with pytest.raises(ConfigError) as caught:
        Performers(lambda: plays).performer(likely_shared(play)[0], "web2")

    assert caught.value.message == "app_migrate_host: alone does not share the app and the database of web2"
    assert caught.value.hint == "hosts that do: web1, web2"
