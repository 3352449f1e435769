"""What no failure and no kill may do: take the site down, or leave a host that the next run does not put right."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from tests.e2e.cli import AUTHORITY, DOMAIN, Site, wait_for
from tests.e2e.visitors import Visitors

from provision.lab.lab import Lab
from provision.lab.provider import Host

STEP = "pgrep -o -f '^sh -eu /run/provision'"
NEWEST = "/srv/notes/deployments/$(ls /srv/notes/deployments | sort -n | tail -n 1)"
MOMENTS = {
    "import": '[ "$(systemctl show -P ActiveState app-notes-preflight)" = activating ]',
    "migration": '[ -n "$(ls /run/app-notes/trial-* 2>/dev/null)" ]',
    "gate": "pgrep -f '[g]ate.py.*--unit'",
    "switch": '[ -n "$(find /srv/notes/active -newer /tmp/began)" ]',
    "drain": f"[ {NEWEST}/deployed -nt /tmp/began ]",
}
STARTUP = """
from contextlib import asynccontextmanager
@asynccontextmanager
async def lifespan(app):
    BODY
    yield
app = FastAPI(title=settings.app_title, version=__version__, lifespan=lifespan)"""
APP = "app = FastAPI(title=settings.app_title, version=__version__)"


@pytest.fixture(scope="module")
def site(prepared_host: Host, make_site: Callable[..., Site]) -> Site:
    site = make_site(prepared_host, app_drain=3)
    # Four processes write, on a machine where one of them may stand still for seconds.
    engine = "create_engine(settings.database_url, "
    site.edit("notes/database.py", engine, f'{engine}connect_args={{"timeout": 60}}, ')
    site.up()
    return site


def written(site: Site) -> str:
    """The version that the source says."""
    (version,) = re.findall(r'__version__ = "(.*)"', (site.app / "notes/__init__.py").read_text())
    return str(version)


def change_version(site: Site) -> str:
    """Let the source say a version that no release had before; the new one."""
    version = f"1.0.{time.time_ns() // 1_000_000}"
    site.edit("notes/__init__.py", written(site), version)
    return version


@pytest.fixture
def serving(site: Site) -> str:
    """The version that serves before the test."""
    if site.health()["version"] != written(site):
        site.up()
    return written(site)


def left_behind(site: Site) -> list[str]:
    """What a deployment that is over has no use for."""
    other = {"blue": "green", "green": "blue"}[site.slot.partition("@")[2].removesuffix(".service")]
    running = site.show(f"app-notes@{other}.service", "ActiveState")
    trials = str(site.view.check_output("ls /run/app-notes")).split()
    return trials + ([other] if running == "active" else [])


def break_app(site: Site, kind: str) -> None:
    """One change of source or inventory that must not reach a visitor."""
    match kind:
        case "module":
            site.edit("notes/main.py", APP, f"import no_such_module\n{APP}")
        case "setting":
            site.edit("notes/settings.py", "app_title: str", "api_key: str\n    api_url: str\n    app_title: str")
        case "startup":
            body = 'raise RuntimeError("the queue is closed")'
            site.edit("notes/main.py", APP, STARTUP.replace("BODY", body))
        case "tree":
            site.edit("notes/main.py", APP, STARTUP.replace("BODY", 'open("notes.log", "w")'))
        case "health":
            site.edit(
                "notes/main.py",
                'return {"status": "ok"',
                'raise HTTPException(503, "broken")\n    return {"status": "ok"',
            )
            site.set(app_health_path="/health", app_start_timeout=45)
        case "migration":
            site.set(app_migrate_command=["echo halfway", "exit 7"])
        case "syntax":
            (site.app / "notes/extra.py").write_text("def broken(:\n")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("module", "No module named 'no_such_module'"),
        ("setting", "missing settings: API_KEY, API_URL"),
        ("startup", "cause: the app's own startup failed"),
        ("tree", "write to $STATE_DIRECTORY"),
        ("health", "GET /health answered 503, not 200"),
        ("migration", "the migration failed; the new release was not started"),
        ("syntax", "notes/extra.py"),
    ],
)
def test_a_release_that_fails_leaves_the_old_one(site: Site, serving: str, kind: str, says: str) -> None:
    slot = site.slot
    with site.broken():
        change_version(site)
        break_app(site, kind)
        failed = site.up(code=1)
    assert says in failed.log
    assert site.health()["version"] == serving
    assert (site.slot, left_behind(site)) == (slot, [])
    # The old release has kept everything it needs to start again.
    pid = site.kill_main_process()
    wait_for("another main process", lambda: site.show(slot, "MainPID") not in (pid, "0"))
    assert site.health()["version"] == serving
    assert site.up().settled == (0, 1)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_deployment_killed_at_any_moment_is_put_right(site: Site, lab: Lab, serving: str, moment: str) -> None:
    site.set(app_migrate_command=["alembic upgrade head", "sleep 1"])
    wanted = change_version(site)
    site.view.check_output("touch /tmp/began")
    process = site.start("up")
    kill = f"if {MOMENTS[moment]} >/dev/null; then kill -9 $({STEP}) && exit; fi"
    try:
        killed = lab.run(site.host, f"for _ in $(seq 20000); do {kill}; sleep 0.02; done; exit 9", timeout=600)
        process.communicate(timeout=600)
    finally:
        process.kill()
    assert (killed.returncode, process.returncode) == (0, 1), killed.stderr
    answered = site.health()["version"]
    assert answered in (serving, wanted)
    pid, slot = site.kill_main_process(), site.slot
    wait_for("another main process", lambda: site.show(slot, "MainPID") not in (pid, "0"))
    assert site.health()["version"] == answered
    site.up()
    assert site.health()["version"] == wanted
    assert left_behind(site) == []
    assert site.up().settled == (0, 1)


@pytest.mark.parametrize(
    "damage",
    [
        "systemctl disable app-notes@blue app-notes@green; systemctl stop 'app-notes@*'",
        "rm /srv/notes/active",
        "rm -r /srv/notes/slots",
        "echo '# by hand' >>/etc/systemd/system/app-notes@$(basename $(readlink /srv/notes/active)).service",
        "rm /etc/app-notes/*.env",
        "touch /run/app-notes/trial-blue /run/app-notes/trial-green; rm -r /srv/notes/releases",
    ],
)
def test_what_was_done_by_hand_is_put_right(site: Site, serving: str, damage: str) -> None:
    site.view.check_output(damage)
    site.up()
    assert site.health()["version"] == serving
    assert left_behind(site) == []
    # A slot that was never deployed into has no unit yet.
    units = "cd /etc/systemd/system && systemctl is-enabled app-notes@*.service"
    assert set(site.view.check_output(units).split()) == {"enabled"}
    assert site.up().settled == (0, 1)


def test_a_port_that_somebody_else_holds_is_named(site: Site, serving: str) -> None:
    port = 8001 if "blue" in site.slot else 8000
    site.view.check_output(f"systemd-run --unit squatter python3 -m http.server {port} --bind 127.0.0.1")
    try:
        with site.broken():
            change_version(site)
            failed = site.up(code=1)
    finally:
        site.view.check_output("systemctl stop squatter")
    assert re.search(rf"port {port} is held by python3 \(pid \d+, squatter.service\)", failed.log)
    assert site.health()["version"] == serving


def test_no_request_is_lost_over_a_switch_of_an_app_that_writes(site: Site, serving: str) -> None:
    """Two releases have the database open for a while."""
    wanted = change_version(site)
    authority = site.root / AUTHORITY
    visitors = Visitors(DOMAIN, site.host.address, authority, post="/api/notes", field="text")

    with visitors.coming(at_least=300):
        site.up()

    assert visitors.lost == []
    assert visitors.versions == {serving, wanted}


def test_the_app_cannot_read_what_root_keeps(site: Site, serving: str) -> None:
    kept = ["/srv/notes/deployments", "/etc/app-notes/blue.env", "/etc/app-notes/green.env"]
    read = "for path in {}; do ! runuser -u app-notes -- test -r $path || echo $path; done"
    assert site.view.check_output(read.format(" ".join(kept))) == ""
    assert (site.root / "srv/notes/deployments").stat().st_mode & 0o777 == 0o700
