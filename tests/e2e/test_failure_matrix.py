"""Whatever a deployment fails of: the old one serves, also after a kill and a power cut, and a good one follows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.cli import wait_for
from tests.e2e.placed import Place, Placed

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host

APP = 'app = FastAPI(title="mirror")'
STARTUP = """
from contextlib import asynccontextmanager
import asyncio, time
@asynccontextmanager
async def lifespan(app):
    BODY
    yield
app = FastAPI(title="mirror", lifespan=lifespan)"""
OTHER = {"blue": "green", "green": "blue"}
DISK = 600
"""MB of the file system for /srv, which holds releases, builds and uv's cache."""


@pytest.fixture(scope="module")
def prepared_host(lab: Lab, add_prepared: Callable[..., Host]) -> Iterator[Host]:
    """A host whose /srv is a small file system that outlives a restart."""
    host = add_prepared()
    srv = lab.root(host) / "srv"
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=0755", "srv", srv], check=True)
    lab.restart(host)
    yield host
    subprocess.run(["umount", "--lazy", srv], check=True)


@pytest.fixture(scope="module")
def placed(place: Place) -> Placed:
    """An app on that host that has been deployed twice, so that both slots have been used."""
    placed = place("mirror")
    placed.set(app_migrate_command="echo migrated")
    placed.up()
    placed.change()
    placed.settle()
    return placed


@pytest.fixture
def mirror(placed: Placed) -> Placed:
    """The app, converged, whatever the test before left."""
    placed.up()
    return placed


# What can go wrong. Each takes the app that serves, and a stack of what takes the cause away again.


def append(mirror: Placed, name: str, text: str) -> None:
    """Add lines to a file of the app."""
    with (mirror.app / name).open("a") as file:
        file.write(text)


def start_with(mirror: Placed, body: str) -> None:
    """Let the app do that when it starts."""
    mirror.edit("main.py", APP, STARTUP.replace("BODY", body))


def import_error(mirror: Placed, _: ExitStack) -> None:
    mirror.edit("main.py", APP, f"import no_such_module\n{APP}")


def missing_attribute(mirror: Placed, _: ExitStack) -> None:
    append(mirror, "main.py", "del app\n")


def lifespan_failure(mirror: Placed, _: ExitStack) -> None:
    start_with(mirror, 'raise RuntimeError("the queue is closed")')


def port_taken(mirror: Placed, after: ExitStack) -> None:
    port = {"blue": 8001, "green": 8000}[mirror.slot_name]
    mirror.view.check_output(f"systemd-run --unit squatter python3 -m http.server {port} --bind 127.0.0.1")
    after.callback(mirror.view.run, "systemctl stop squatter")


def slow_start(mirror: Placed, _: ExitStack) -> None:
    start_with(mirror, "await asyncio.sleep(90)")
    mirror.set(app_start_timeout=30)


def slow_worker(mirror: Placed, _: ExitStack) -> None:
    """As on a host with little processor: a worker is too busy to say that it lives for longer than uvicorn waits."""
    mirror.edit("main.py", APP, f"import ctypes; ctypes.PyDLL(None).sleep(20)\n{APP}")
    mirror.set(app_workers=2, app_start_timeout=60)


def health_500(mirror: Placed, _: ExitStack) -> None:
    append(mirror, "main.py", '@app.get("/health")\ndef health() -> float:\n    return 1 / 0\n')
    mirror.set(app_health_path="/health", app_start_timeout=45)


def migration_fails(mirror: Placed, _: ExitStack) -> None:
    mirror.set(app_migrate_command=["echo halfway", "python -c 'raise RuntimeError(\"no such column: colour\")'"])


def migration_hangs(mirror: Placed, _: ExitStack) -> None:
    mirror.set(app_migrate_command=["echo waiting for the lock", "sleep 600"], app_migrate_timeout=5)


def unresolvable(mirror: Placed, _: ExitStack) -> None:
    append(mirror, "requirements.txt", "itsdangerous==97.5\n")


def index_down(mirror: Placed, _: ExitStack) -> None:
    append(mirror, "requirements.txt", "itsdangerous\n")
    mirror.set(app_index_url="http://127.0.0.1:1/simple")


def site_rejected(mirror: Placed, after: ExitStack) -> None:
    """Somebody has written a site by hand, and now the app is to have its domain as well."""
    other = mirror.root / "etc/caddy/sites/other.caddy"
    other.write_text("other.test.internal {\n\trespond other\n}\n")
    after.callback(other.unlink)
    domains = [mirror.domain, "other.test.internal"]
    write_inventory(mirror.inventory, [mirror.host], mirror.variables | {"caddy_domain": domains})


def disk_full(mirror: Placed, after: ExitStack) -> None:
    """The release needs 2 MB, and 1 is left."""
    (mirror.app / "picture.jpg").write_bytes(b"\0" * 2_000_000)
    fill(mirror, 1_000_000, after)


def fill(mirror: Placed, left: int, after: ExitStack) -> None:
    """Leave that many bytes on the file system of /srv."""
    after.callback((mirror.root / "srv/filler").unlink)
    mirror.view.check_output(f"fallocate -l $(($(df --output=avail -B1 /srv | tail -n 1) - {left})) /srv/filler")


def disk_full_while_building(mirror: Placed, after: ExitStack) -> None:
    append(mirror, "requirements.txt", "itsdangerous\n")
    fill(mirror, 60_000, after)


def unit_masked(mirror: Placed, after: ExitStack) -> None:
    """As ``systemctl mask`` does once there is no unit file in its way."""
    other = f"app-mirror@{OTHER[mirror.slot_name]}.service"
    mirror.view.check_output(f"rm /etc/systemd/system/{other} && systemctl mask {other}")
    after.callback(mirror.view.check_output, f"systemctl unmask {other}")


def database_down(mirror: Placed, _: ExitStack) -> None:
    start_with(mirror, 'await asyncio.open_connection("127.0.0.1", 5432)')


@dataclass(frozen=True)
class Row:
    """One way to fail, what the screen must say of it, and the step that fails."""

    spoil: Callable[[Placed, ExitStack], None]
    says: tuple[str, ...]
    task: str = "app : Deploy"


ROWS = [
    Row(
        import_error, (r"No module named 'no_such_module'", "cause: no_such_module is neither in the app's folder nor")
    ),
    Row(missing_attribute, (r"main:app: the module has no such attribute; see app_entrypoint",)),
    Row(lifespan_failure, (r"RuntimeError: the queue is closed", r"cause: the app's own startup failed")),
    Row(port_taken, (r"port 800[01] is held by python3 \(pid \d+, squatter.service\)",)),
    Row(slow_start, (r"after 30 s", "app_start_timeout")),
    Row(slow_worker, (r"more than 5 s to begin on this host", "app_workers: 1")),
    Row(health_500, (r"ZeroDivisionError: division by zero", r"GET /health answered 500, not 200")),
    Row(migration_fails, (r"RuntimeError: no such column: colour", r"the migration failed")),
    Row(migration_hangs, (r"waiting for the lock", "app_migrate_timeout")),
    Row(unresolvable, (r"no version of itsdangerous==97\.5",), "app : Build the app"),
    Row(index_down, (r"index could not be reached.*app_index_url",), "app : Build the app"),
    Row(site_rejected, (r"ambiguous site definition: other.test.internal",), "app : Give the app its site"),
    Row(disk_full, (r"No space left on device", "100% /srv"), "app : Ship the release"),
    Row(disk_full_while_building, (r"No space left on device", "100% /srv"), "app : Build the app"),
    Row(unit_masked, (r"app-mirror@\w+\.service is masked; .*systemctl unmask app-mirror@",)),
    Row(database_down, (r"ConnectionRefusedError", "its database")),
]


def answer(mirror: Placed) -> object:
    """The version that answers, as soon as one does."""
    return mirror.answer("/version")["version"]


def incomplete(mirror: Placed) -> list[Path]:
    """Releases and builds that were begun and not finished."""
    home = mirror.root / "srv/mirror"
    builds = [path for path in home.glob("builds/*") if not (path / ".complete").exists()]
    return [*home.glob("releases/.new"), *builds]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.spoil.__name__)
def test_the_old_one_serves_throughout_and_a_good_one_follows(mirror: Placed, lab: Lab, row: Row) -> None:
    serving, slot = mirror.version, mirror.slot
    visitors = mirror.visitors()
    with mirror.broken(), ExitStack() as after:
        after.callback(setattr, mirror, "version", serving)
        mirror.change()
        row.spoil(mirror, after)
        with visitors.coming(kept=1, new=1, at_least=100):
            failed = mirror.up(code=1)

        assert (failed.error["kind"], failed.error["task"]) == ("StepFailed", row.task)
        assert [words for words in row.says if not re.search(words, failed.log)] == [], failed.log
        assert (visitors.lost, visitors.versions) == ([], {str(serving)})
        assert (mirror.slot, mirror.running(), incomplete(mirror)) == (slot, {slot}, [])
        mirror.view.check_output("systemctl restart caddy")
        pid = mirror.kill_main_process()
        wait_for("another main process", lambda: mirror.show(slot, "MainPID") not in (pid, "0"))
        assert answer(mirror) == serving

        lab.restart(mirror.host)
        assert answer(mirror) == serving
        assert (mirror.slot, mirror.running()) == (slot, {slot})

    mirror.change()
    mirror.settle()
    assert answer(mirror) == mirror.version
