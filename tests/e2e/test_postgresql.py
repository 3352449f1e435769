"""An app and its PostgreSQL on one host: no password anywhere, and nothing that lasts when somebody meddles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra.host
import yaml
from tests.e2e.cli import Result, provision
from tests.e2e.ledger import APP, Ledger

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host, Image
from provision.resources.postgresql_server import literal

CLUSTER = "postgresql@17-main"
"""Of Debian 13."""
HOSTILE = 'o\'brien "x"; = % \\ $HOME'
MIGRATION = """\
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE")
    op.execute("ALTER TABLE entries ADD COLUMN note text")


def downgrade() -> None:
    op.execute("ALTER TABLE entries DROP COLUMN note")
"""
MEDDLE = """
ALTER ROLE "app-ledger" SUPERUSER CREATEDB;
ALTER DATABASE ledger OWNER TO postgres;
"""


@pytest.fixture(scope="module")
def ledger(
    add_prepared: Callable[..., Host],
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Ledger:
    host = add_prepared(Image("trixie"))
    return Ledger(tmp_path_factory.mktemp("ledger"), [host], [inspect(host)])


@pytest.fixture(scope="module", autouse=True)
def first(ledger: Ledger) -> Result:
    """The run on a bare host."""
    ledger.set({"roles": list(APP)})
    return ledger.up()


@pytest.fixture(autouse=True)
def settled(ledger: Ledger, first: Result) -> None:
    """Every test begins with a host that lacks nothing."""
    ledger.set({"roles": list(APP)})
    ledger.up()
    ledger.settle()


def test_a_first_run_takes_three_trips(ledger: Ledger, first: Result) -> None:
    (recap,) = first.recaps.values()

    assert (recap["trips"], recap["failed"], recap["unknown"]) == (3, 0, 0)
    assert "postgresql : Make the databases (item=ledger)" in first.changed


def test_the_app_is_known_by_its_user_and_has_no_password(ledger: Ledger) -> None:
    """In a namespace of its own for users, too: the socket tells the server who it is outside of it."""
    slot = (Path(ledger.view.check_output("readlink /srv/ledger/active"))).name
    assert ledger.view.check_output("systemctl show -P PrivateUsers app-ledger@%s", slot) == "yes"

    assert ledger.get("/connection") == {"user": "app-ledger", "database": "ledger", "address": None, "ssl": False}
    assert ledger.sql("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'app-ledger'") == "t"
    assert (
        ledger.view.check_output("ss -Hltn 'sport = 5432' | awk '{ print $4 }' | sort") == "127.0.0.1:5432\n[::1]:5432"
    )
    other = ledger.view.run("cd / && runuser -u caddy -- psql -U app-ledger ledger -c ''")
    assert "Peer authentication failed" in other.stderr


def test_what_was_written_can_be_read_by_the_next_release(ledger: Ledger) -> None:
    ledger.add("rent", 70000)
    before = ledger.get("/health")
    version = ledger.release()

    ledger.up()

    assert ledger.get("/version") == {"version": version}
    assert ledger.get("/health") == before
    assert "rent" in ledger.entries()
    ledger.settle()


def test_meddling_is_mended(ledger: Ledger) -> None:
    ledger.sql(MEDDLE)
    ledger.view.check_output("sed -i 's/peer$/trust/' /etc/postgresql/main/pg_hba.conf")
    ledger.view.check_output("echo \"work_mem = '1MB'\" >>/etc/postgresql/main/conf.d/provision.conf")
    ledger.view.check_output("systemctl stop %s", CLUSTER)
    assert ledger.view.service("postgresql").is_running, "Debian's unit says so still"

    result = ledger.up()

    assert [name.removeprefix("postgresql : ") for name in result.changed] == [
        "Configure PostgreSQL",
        "Let ourselves in",
        "Let the roles in over the socket (item=app-ledger)",
        "See that PostgreSQL answers",
        "Make the roles (item=app-ledger)",
        "Make the databases (item=ledger)",
        "restart postgresql",  # which is the reload as well
    ]
    flags = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = 'app-ledger'"
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'ledger'"
    assert (ledger.sql(flags), ledger.sql(owner)) == ("f", "app-ledger")
    assert ledger.sql("SHOW work_mem") == "4MB"
    # The first rule of each counts; what an earlier test had there for another role is nobody's any more.
    methods = "SELECT auth_method FROM pg_hba_file_rules WHERE type = 'local' AND user_name = ARRAY['{}'] LIMIT 1"
    assert [ledger.sql(methods.format(name)) for name in ("app-ledger", "postgres")] == ["peer", "peer"]
    ledger.settle()


def test_a_migration_that_waits_for_a_lock_leaves_the_old_release_serving(ledger: Ledger) -> None:
    old = ledger.get("/version")
    reader = "BEGIN; SELECT count(*) FROM entries; SELECT pg_sleep(600)"
    run = "systemd-run --unit reader --property User=postgres psql -X ledger -c %s"
    ledger.view.check_output(run, reader)
    migration = ledger.app / "migrations/versions/0003_add_note.py"
    migration.write_text(MIGRATION)
    version = ledger.release()

    failed = ledger.up(code=1)

    assert failed.error["task"] == "app : Deploy"
    assert "canceling statement due to lock timeout" in failed.log
    assert "the migration failed; the new release was not started" in failed.log
    assert ledger.get("/version") == old
    assert ledger.entries() is not None

    ledger.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = '{reader}'")
    ledger.up()
    assert ledger.get("/version") == {"version": version}
    assert ledger.sql("SELECT version_num FROM alembic_version", "ledger") == "0003"
    ledger.settle()


def test_a_server_that_cannot_start_says_why_and_leaves_the_app_alone(ledger: Ledger) -> None:
    old = ledger.get("/version")
    folder = "/etc/postgresql/main/conf.d"
    ledger.view.check_output(f"echo max_conections = 5 >{folder}/zz.conf && systemctl stop {CLUSTER}")
    ledger.release()
    try:
        failed = ledger.up(code=1)
    finally:
        ledger.view.check_output(f"rm {folder}/zz.conf")

    assert failed.error["task"] == "postgresql : See that PostgreSQL answers"
    assert 'unrecognized configuration parameter "max_conections"' in failed.log
    assert ledger.get("/version") == old

    ledger.up()
    ledger.settle()


def test_a_setting_that_the_server_refuses_changes_nothing(ledger: Ledger) -> None:
    started = ledger.sql("SELECT pg_postmaster_start_time()")
    ledger.set({"roles": list(APP), "postgresql_settings": {"max_conections": 5}})

    failed = ledger.up(code=1)

    assert failed.error["task"] == "postgresql : Configure PostgreSQL"
    assert 'unrecognized configuration parameter "max_conections"' in failed.log
    assert ledger.sql("SELECT pg_postmaster_start_time()") == started

    ledger.set({"roles": list(APP), "postgresql_settings": {"work_mem": "8MB"}, "postgresql_max_connections": 40})
    ledger.up()
    assert (ledger.sql("SHOW work_mem"), ledger.sql("SHOW max_connections")) == ("8MB", "40")
    ledger.settle()


def test_extensions_and_further_databases(ledger: Ledger) -> None:
    more = [{"db": "reports", "user": "reporter", "password": "it's a secret"}, {"db": HOSTILE, "user": HOSTILE}]
    ledger.set({"roles": list(APP), "postgresql_extensions": ["pgcrypto"], "postgresql_databases": more})

    ledger.up()

    assert ledger.sql("SELECT extname FROM pg_extension WHERE extname = 'pgcrypto'", "ledger") == "pgcrypto"
    login = "PGPASSWORD=%s psql -XAtqh localhost -U reporter reports -c 'SELECT current_user'"
    assert ledger.view.check_output(login, "it's a secret") == "reporter"
    owner = f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = {literal(HOSTILE)}"
    assert ledger.sql(owner) == HOSTILE
    ledger.settle()


def test_what_is_absent_goes(ledger: Ledger, tmp_path: Path) -> None:
    made = [
        {"community.postgresql.postgresql_user": {"name": "gone", "conn_limit": 3, "password": "x"}},
        {"postgresql_db": {"name": "gone", "owner": "gone"}},
        {"postgresql_ext": {"name": "citext", "db": "gone"}},
    ]
    gone = [
        {"postgresql_ext": {"name": "citext", "db": "gone", "state": "absent"}},
        {"postgresql_db": {"name": "gone", "state": "absent"}},
        {"postgresql_user": {"name": "gone", "state": "absent"}},
    ]
    (tmp_path / "roles/mine/tasks").mkdir(parents=True)
    write_inventory(tmp_path / "inventory.yml", [ledger.host], {"roles": ["mine"]})
    seen: list[object] = []
    for tasks in (made, gone):
        (tmp_path / "roles/mine/tasks/main.yml").write_text(yaml.safe_dump(tasks))
        results = [provision("up", tmp_path / "inventory.yml") for _ in range(2)]
        assert [result.code for result in results] == [0, 0], str(results[0])
        seen.append((len(results[0].changed), results[1].settled))
        seen.append(ledger.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'gone' AND rolconnlimit = 3"))

    assert json.dumps(seen) == json.dumps([(3, (0, 1)), "1", (3, (0, 1)), "0"])
