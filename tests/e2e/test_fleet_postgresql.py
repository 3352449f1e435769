"""Two app hosts and the PostgreSQL they share, on a third: TLS, a password, and one migration for both."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import testinfra.host
import yaml
from tests.e2e.cli import PROVISION, Result, provision
from tests.e2e.fleet import Fleet

from provision.lab.provider import Host

APP = ["python", "postgresql", "caddy", "app"]
PASSWORD = "s3c/ret:@ %?#[x]"
URL = {"DATABASE_URL": "{{ postgresql_url }}"}


class Shop(Fleet):
    """The first host has the server, with a database for staging besides; the others have the app."""

    def __init__(self, folder: Path, hosts: Sequence[Host], views: Sequence[testinfra.host.Host]) -> None:
        self.server, self.canary, self.second = hosts
        self.apps = (self.canary, self.second)
        super().__init__(
            "tally",
            folder,
            hosts,
            views,
            roles=APP,
            app_env=URL,
            app_health_path="/health",
            app_start_timeout=45,
            app_migrate_command="python migrate.py",
            postgresql_db="shop",
            postgresql_password=PASSWORD,
            postgresql_host=self.server.address,
        )

    def set(self, of_hosts: dict[str, dict[str, object]] | None = None, **variables: object) -> None:  # type: ignore[override]
        server = {
            "roles": ["postgresql"],
            "postgresql_host": "/var/run/postgresql",
            "postgresql_allow": [f"{host.address}/32" for host in self.apps],
            "postgresql_databases": [{"db": "staging", "user": "app-staging", "password": PASSWORD}],
        }
        super().set({self.server.name: server, **(of_hosts or {})}, **variables)

    def group(self, groups: dict[str, tuple[Host, dict[str, object]]]) -> None:
        """Put the app hosts into groups with variables of their own."""
        document = yaml.safe_load(self.inventory.read_text())
        document["all"]["children"] = {
            name: {"hosts": {host.name: {}}, "vars": variables} for name, (host, variables) in groups.items()
        }
        self.inventory.write_text(yaml.safe_dump(document))

    def migrated_by(self, database: str = "shop", version: int = 0) -> list[str]:
        """The hosts that migrated a database of the server to a release, once for each time; the newest by default."""
        query = f"SELECT host FROM migrations WHERE version = {version or self.version}"
        command = "cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d %s -c %s"
        return str(self.views[0].check_output(command, database, query)).split()


@pytest.fixture(scope="module")
def shop(
    add_prepared: Callable[..., Host],
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Shop:
    hosts = [add_prepared(), add_prepared(), add_prepared()]
    return Shop(tmp_path_factory.mktemp("shop"), hosts, [inspect(host) for host in hosts])


@pytest.fixture(scope="module", autouse=True)
def first(shop: Shop) -> Result:
    """The run on three bare hosts."""
    return shop.up()


@pytest.fixture(autouse=True)
def settled(shop: Shop, first: Result) -> None:
    """Every test begins with two hosts that serve the newest release from the database they share."""
    shop.set()
    shop.up()
    shop.settle()


def test_one_host_migrates_for_both(shop: Shop, first: Result) -> None:
    assert shop.migrated_by(version=1) == [shop.canary.name]
    over = [event["host"] for event in first.events if event["event"] == "host_finished"]
    assert over == [host.name for host in shop.hosts]
    assert [recap["failed"] for recap in first.recaps.values()] == [0, 0, 0]
    assert [answer["database"] for answer in shop.answers("/health", shop.apps)] == ["postgresql", "postgresql"]
    assert shop.serving(shop.apps) == [shop.version, shop.version]


def test_a_second_host_that_fails_its_gate_keeps_the_old_release(shop: Shop) -> None:
    version = shop.change()
    shop.set({shop.second.name: {"app_env": {**URL, "BROKEN": "yes"}}})

    failed = shop.up(code=1)

    assert "GET /health answered 503, not 200" in failed.log
    assert failed.recaps[shop.canary.name]["failed"] == 0
    assert failed.recaps[shop.second.name]["failed"] == 1
    assert shop.serving(shop.apps) == [version, version - 1]
    releases = provision("releases", shop.inventory, "--limit", "!" + shop.server.name)
    newest = {name: [event for event in releases.events if event["host"] == name][:2] for name in shop.names[1:]}
    assert [event["state"] for event in newest[shop.canary.name]] == ["serving", "kept"]
    assert [event["state"] for event in newest[shop.second.name]] == ["failed", "serving"]
    # Of the same source, and served on one of them alone.
    assert newest[shop.canary.name][0]["release"] == newest[shop.second.name][0]["release"]
    argv = [str(PROVISION), "releases", str(shop.inventory), "--limit", f"!{shop.server.name}"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n\n")
    assert [[line.split()[-1] for line in table.splitlines()[2:4]] for table in shown] == [
        ["serving", "kept"],
        ["failed", "serving"],
    ]

    shop.set()
    mended = shop.up()
    assert mended.recaps[shop.canary.name]["changed"] == 0
    assert shop.serving(shop.apps) == [version, version]
    assert shop.migrated_by() == [shop.canary.name]
    shop.settle()


def test_from_files_to_the_server_by_the_environment_alone(shop: Shop) -> None:
    shop.set(app_env={})
    version = shop.change()
    shop.up()
    for answer in shop.answers("/health", shop.apps):
        assert (answer["database"], str(answer["migrations"]).split(",")[-1]) == ("sqlite", str(version))
    assert shop.migrated_by() == []

    shop.set()
    shop.up()

    assert [answer["database"] for answer in shop.answers("/health", shop.apps)] == ["postgresql", "postgresql"]
    assert shop.migrated_by() == [shop.canary.name]
    assert shop.serving(shop.apps) == [version, version]
    shop.settle()


def test_staging_and_production_are_both_migrated(shop: Shop) -> None:
    shop.group({"production": (shop.canary, {}), "staging": (shop.second, {"postgresql_db": "staging"})})
    version = shop.change()

    shop.up()

    assert shop.serving(shop.apps) == [version, version]
    assert shop.migrated_by("shop") == [shop.canary.name]
    assert shop.migrated_by("staging") == [shop.second.name]
    shop.settle()


def test_two_runs_at_once_on_different_hosts_migrate_once(shop: Shop) -> None:
    version = shop.change()
    argv = [str(PROVISION), "up", str(shop.inventory), "--json", "--lock-timeout", "120", "--limit"]
    runs = [subprocess.Popen([*argv, host.name], stdout=subprocess.PIPE, text=True) for host in shop.apps]

    outputs = [run.communicate(timeout=300)[0] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], outputs
    assert shop.migrated_by() == [shop.canary.name]
    assert shop.serving(shop.apps) == [version, version]
    events = [json.loads(line) for text in outputs for line in text.splitlines()]
    assert any("waiting for another run" in event.get("text", "") for event in events)
    shop.settle()
