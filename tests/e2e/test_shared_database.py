"""Hosts that share a database: one of them migrates for all, and a rollback takes them back together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import testinfra.host
from tests.e2e.cli import provision
from tests.e2e.fleet import Fleet
from tests.e2e.held import write_role

from provision.lab.provider import Host

MIGRATE = ["sleep 1", "date >>$STATE_DIRECTORY/migrations"]
"""Long enough that two runs at once meet in it."""
SLOW = """\
- name: Take longer than a build
  shell:
    cmd: sleep 15 && touch /root/database
    creates: /root/database
"""


class Shop(Fleet):
    """Two hosts with one app and, as they are told, one database."""

    def migrations(self) -> list[int]:
        """How often each host has migrated."""
        path = "/var/lib/app-mirror/migrations"
        return [int(view.check_output(f"cat {path} 2>/dev/null | wc -l")) for view in self.views]


@pytest.fixture(scope="module")
def shop(
    add_prepared: Callable[..., Host],
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Shop:
    hosts = [add_prepared(), add_prepared()]
    views = [inspect(host) for host in hosts]
    folder = tmp_path_factory.mktemp("shop")
    shop = Shop("mirror", folder, hosts, views, app_database="shop", app_migrate_command=MIGRATE)
    shop.up()
    return shop


@pytest.fixture(autouse=True)
def settled(shop: Shop) -> None:
    """Every test begins with hosts that serve the newest release and share one database."""
    shop.set()
    shop.up()
    shop.settle()


def since(shop: Shop, before: list[int]) -> list[int]:
    return [after - earlier for after, earlier in zip(shop.migrations(), before, strict=True)]


def test_a_host_outside_of_the_limit_migrates_first(shop: Shop) -> None:
    first, second = shop.names
    before, version = shop.migrations(), shop.change()
    planned = provision("plan", shop.inventory, "--limit", second)

    result = shop.up("--limit", second)

    assert f"{first} migrates first, for all hosts that share the database" in planned.notices
    assert result.changed.index("app : Migrate") < result.changed.index("app : Deploy")
    assert since(shop, before) == [1, 0]
    assert shop.serving() == [version - 1, version]

    rest = shop.up()
    assert rest.recaps[second]["changed"] == 0
    assert since(shop, before) == [1, 0]
    assert shop.serving() == [version, version]
    shop.settle()


def test_the_host_that_was_chosen_migrates(shop: Shop) -> None:
    shop.set(app_migrate_host=shop.names[1])
    before, version = shop.migrations(), shop.change()

    shop.up()

    assert since(shop, before) == [0, 1]
    assert shop.serving() == [version, version]
    shop.settle()


def test_two_databases_are_both_migrated(shop: Shop) -> None:
    shop.set(app_database="{{ inventory_hostname }}")
    before = shop.migrations()

    shop.up()

    assert since(shop, before) == [1, 1]
    shop.settle()


def test_databases_of_the_hosts_themselves_are_both_migrated(shop: Shop) -> None:
    """Their URLs are equal, and lead each host to itself."""
    shop.set(app_database="", app_env={"DATABASE_URL": "postgresql://app-mirror@/mirror?host=/var/run/postgresql"})
    before = shop.migrations()

    shop.up()

    assert since(shop, before) == [1, 1]
    shop.settle()


def test_a_single_app_host_waits_for_the_others(shop: Shop) -> None:
    """One of them may have its database."""
    database, app = shop.names
    write_role(shop.inventory.parent, "database", SLOW)
    variables = shop.inventory.parent / "host_vars" / f"{database}.yml"
    variables.parent.mkdir(exist_ok=True)
    variables.write_text("roles: [database]\n")
    shop.change()
    try:
        result = shop.up()
    finally:
        variables.unlink()

    (done,) = [event for event in result.events if event["event"] == "host_finished" and event["host"] == database]
    (began,) = [event for event in result.events if event["event"] == "task_started" and event["task"] == "Deploy"]
    assert (done["changed"], began["host"]) == (1, app)
    assert result.events.index(done) < result.events.index(began)


def test_a_failed_migration_switches_nothing_anywhere(shop: Shop) -> None:
    shop.set(app_migrate_command=["echo this is why; exit 7"])
    serving = shop.serving()
    shop.change()

    result = shop.up(code=1)

    assert "this is why" in result.log
    assert "the migration failed; the new release was not started" in result.log
    (left,) = [event for event in result.events if event["event"] == "host_not_reached"]
    assert left["host"] == shop.names[1]
    assert shop.serving() == serving
    shop.change(-1)


def test_migrate_alone(shop: Shop) -> None:
    before, serving = shop.migrations(), shop.serving()
    version = shop.change()

    first, again = (provision("migrate", shop.inventory) for _ in range(2))

    assert (first.code, again.code) == (0, 0)
    assert list(first.recaps) == shop.names[:1]
    assert first.changed[-1] == "app : Migrate"
    assert again.settled == (0, 1)
    assert since(shop, before) == [1, 0]
    assert shop.serving() == serving

    shop.up()
    assert since(shop, before) == [1, 0]
    assert shop.serving() == [version, version]
    shop.settle()


def test_a_rollback_and_the_way_back_to_the_newest(shop: Shop) -> None:
    first = shop.names[0]
    before, version = shop.migrations(), shop.change()
    shop.up("--limit", first)
    assert shop.serving() == [version, version - 1]
    shown = provision("rollback", shop.inventory, "--check")
    assert (shown.code, shop.serving()) == (0, [version, version - 1])

    half_done = provision("rollback", shop.inventory)

    # A roll that stopped half way left the second host with what the first goes back to.
    assert half_done.code == 0, str(half_done)
    assert "the database stays as it is" in half_done.notices
    assert list(half_done.recaps) == [first]
    assert shop.serving() == [version - 1, version - 1]
    assert shop.releases()[first][:2] == ["serving", "rolled-back"]
    refused = shop.up(code=1)
    assert "this deployment of mirror was rolled back" in refused.log
    assert shop.serving() == [version - 1, version - 1]

    shop.up("--retry")
    assert shop.serving() == [version, version]
    assert since(shop, before) == [1, 0]
    shop.settle()

    assert provision("rollback", shop.inventory).code == 0
    assert shop.serving() == [version - 1, version - 1]
    assert [states[:2] for states in shop.releases().values()] == [["serving", "rolled-back"]] * 2
    shop.change()  # What was rolled back is not deployed again by itself.


def test_only_what_is_on_record_can_be_gone_back_to(shop: Shop) -> None:
    result = provision("rollback", shop.inventory, "--to", "999")

    assert result.code == 1
    assert result.error["message"] == f"deployment 999 is not on the record of {shop.names[0]}"
