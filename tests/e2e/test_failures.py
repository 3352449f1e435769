"""A deployment that fails: the cause in one block, exit code 1, and the old one goes on, whatever happens to it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from tests.e2e.cli import PROVISION, Site, wait_for

from provision.lab.provider import Host

MIGRATION = """
revision = "0003"
down_revision = "0002"

def upgrade():
    raise RuntimeError("no such column: colour")
"""


@pytest.fixture(scope="module")
def deployed(prepared_host: Host, make_site: Callable[..., Site]) -> Site:
    """The example app on this module's host."""
    return make_site(prepared_host, app_drain=3)


@pytest.fixture
def site(deployed: Site) -> Site:
    """The same, converged, whatever the test before left."""
    deployed.up()
    return deployed


def bad_code(site: Site, remark: str = "") -> None:
    """Python finds out only when it runs; another ``remark`` makes another release of it."""
    with (site.app / "notes/main.py").open("a") as file:
        file.write(f"\ndel app  # {remark}\n")


def bad_migration(site: Site) -> None:
    (site.app / "migrations/versions/0003_fail.py").write_text(MIGRATION)


def bad_environment(site: Site) -> None:
    site.set(app_env={"DATABASE_URL": "postgresql+psycopg://notes:hunter2@127.0.0.1:1/notes"})


def bad_worker_count(site: Site) -> None:
    """More processes than the app's user may have."""
    site.set(app_workers=30, app_service_options={"LimitNPROC": 10}, app_start_timeout=20)


def kill_and_see(site: Site, version: str) -> None:
    """The old deployment can still start: nothing that it needs has been touched."""
    slot, pid = site.slot, site.kill_main_process()
    wait_for("another main process", lambda: site.show(slot, "MainPID") not in ("0", pid))
    assert site.health()["version"] == version


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (bad_code, r"notes\.main:app: the module has no such attribute"),
        (bad_migration, "RuntimeError: no such column: colour"),
        (bad_environment, "Connection refused"),
        (bad_worker_count, "can't start new thread|Resource temporarily unavailable"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_old_deployment_answers_again(site: Site, spoil: Callable[[Site], None], cause: str) -> None:
    version = site.health()["version"]
    with site.broken():
        spoil(site)
        failed = site.up(code=1)

    assert re.search(cause, failed.log)
    assert (failed.error["kind"], failed.error["task"]) == ("StepFailed", "app : Deploy")
    assert "hunter2" not in str(failed)
    kill_and_see(site, version)
    site.up()
    assert site.up().settled == (0, 1)


def test_after_one_block_with_the_cause_the_next_good_one_is_deployed(site: Site) -> None:
    version = site.health()["version"]
    with site.broken():
        # A failed deployment leaves what it shipped and built for the next try of the same code.
        bad_code(site, "a block")
        failed = subprocess.run([PROVISION, "up", site.inventory], capture_output=True, text=True, check=False)

    assert (failed.returncode, failed.stderr) == (1, "")
    head, _, block = failed.stdout.partition(f"failed:  [{site.host.name}] app : Deploy\n")
    *cause, _, recap = block.splitlines()
    assert "failed" not in head
    assert "    | notes.main:app: the module has no such attribute; see app_entrypoint" in cause
    assert all(line.startswith("    | ") for line in cause[1:])
    assert re.fullmatch(rf"{site.host.name} : ok=\d+ changed=2 failed=1 .*", recap)

    site.edit("notes/__init__.py", f'"{version}"', f'"{version}.1"')
    site.up()
    assert site.health()["version"] == f"{version}.1"
    assert site.up().settled == (0, 1)


@pytest.mark.parametrize("workers", [0, -1, "many"])
def test_a_worker_count_that_is_none_is_refused_at_once(site: Site, workers: object) -> None:
    """Exit code 2, with the place, and nothing is sent to the host."""
    with site.broken():
        site.set(app_workers=workers)
        refused = site.up(code=2)

    assert refused.error["file"] == str(site.inventory)
    assert "app_workers" in refused.error["message"]
    assert refused.recaps == {}
