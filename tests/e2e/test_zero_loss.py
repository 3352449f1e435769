"""Whatever changes goes through the switch, and no request is lost: plain clients ask through Caddy all the while."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import testinfra.host
from tests.e2e.cli import provision
from tests.e2e.placed import Placed
from tests.e2e.pythons import MIRROR_URL, VERSION, give_mirror

from provision.lab.lab import Lab
from provision.lab.provider import Host, Image

BROKEN = """\
app = FastAPI(title="mirror")


@app.middleware("http")
async def broken(request, call_next):
    raise RuntimeError("gate")
"""
"""Imports well, and then never answers what it should."""


@pytest.fixture(scope="module")
def placed(
    lab: Lab,
    add_prepared: Callable[..., Host],
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Placed:
    """A host whose distribution has Python 3.13, and that can have an older one."""
    bookworm, trixie = add_prepared(), add_prepared(Image("trixie"))
    give_mirror(lab, bookworm, inspect(bookworm), trixie)
    lab.remove(bookworm)
    placed = Placed("mirror", 8000, tmp_path_factory.mktemp("mirror"), trixie, lab.root(trixie), inspect(trixie))
    with (placed.app / "requirements.txt").open("a") as file:
        file.write("iniconfig==2.0.0\n")
    placed.set(app_env={"GREETING": "hello"}, app_health_path="/version?words=gate", python_downloads_url=MIRROR_URL)
    placed.up()
    return placed


@pytest.fixture
def mirror(placed: Placed) -> Placed:
    """Each test begins with a release of its own that serves, of which nothing is left to do."""
    placed.change()
    placed.settle()
    return placed


def code(mirror: Placed) -> None:
    wanted = mirror.change()
    mirror.up()
    assert mirror.answer("/version")["version"] == wanted


def secret(mirror: Placed) -> None:
    mirror.set(app_env={"GREETING": "hello", "SECRET": f"secret of {mirror.version}"})
    mirror.up()
    assert mirror.answer("/environment")["SECRET"] == f"secret of {mirror.version}"


def workers(mirror: Placed) -> None:
    mirror.set(app_workers=3)
    mirror.up()
    command = mirror.view.check_output("tr '\\0' ' ' </proc/%s/cmdline", mirror.show(mirror.slot, "MainPID"))
    assert "--workers 3 " in command


def dependency(mirror: Placed) -> None:
    assert mirror.answer("/runtime")["iniconfig"] == "2.0.0"
    mirror.edit("requirements.txt", "iniconfig==2.0.0", "iniconfig==2.1.0")
    mirror.up()
    assert mirror.answer("/runtime")["iniconfig"] == "2.1.0"


def python(mirror: Placed) -> None:
    assert str(mirror.answer("/runtime")["python"]).startswith("3.13.")
    mirror.set(python_version="3.11")
    mirror.up()
    assert mirror.answer("/runtime")["python"] == VERSION


def unit_option(mirror: Placed) -> None:
    mirror.set(app_service_options={"LimitNOFILE": 5000})
    mirror.up()
    assert mirror.show(mirror.slot, "LimitNOFILE") == "5000"


def rollback(mirror: Placed) -> None:
    result = provision("rollback", mirror.inventory)
    assert result.code == 0, str(result)
    assert mirror.answer("/version")["version"] == mirror.version - 1


CHANGES = (code, secret, workers, dependency, python, unit_option, rollback)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_goes_through_the_switch_and_loses_nothing(mirror: Placed, change: Callable[[Placed], None]) -> None:
    before, visitors = mirror.slot, mirror.visitors()

    with visitors.coming():
        change(mirror)

    assert mirror.slot != before
    assert visitors.lost == []
    assert visitors.answered >= 1500
    assert len(visitors.versions) == (2 if change in (code, rollback) else 1)
    if change is not rollback:
        assert mirror.up().settled == (0, 1)


def failed_migration(mirror: Placed) -> None:
    mirror.set(app_migrate_command="exit 3")
    assert "the migration failed" in mirror.up(code=1).log


def failed_gate(mirror: Placed) -> None:
    mirror.edit("main.py", 'app = FastAPI(title="mirror")\n', BROKEN)
    assert "the new release does not serve" in mirror.up(code=1).log


def failed_import(mirror: Placed) -> None:
    mirror.edit("main.py", "import os\n", "import os\nimport nothing_of_that_name\n")
    assert "nothing_of_that_name" in mirror.up(code=1).log


def nothing_to_do(mirror: Placed) -> None:
    assert mirror.up().settled == (0, 1)


FAILURES = (failed_migration, failed_gate, failed_import, nothing_to_do)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_what_does_not_come_to_serve_loses_nothing(mirror: Placed, failure: Callable[[Placed], None]) -> None:
    before, visitors = mirror.slot, mirror.visitors()

    with mirror.broken(), visitors.coming():
        failure(mirror)

    assert mirror.slot == before
    assert visitors.lost == []
    assert visitors.answered >= 1500
    assert visitors.versions == {str(mirror.version)}
