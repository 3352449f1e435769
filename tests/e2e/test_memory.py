"""How large a deployment is made, and what happens where two do not fit at once."""

from __future__ import annotations

import pytest
from tests.e2e.cli import provision, wait_for
from tests.e2e.placed import Place, Placed

from provision.lab.lab import Lab

STEP = "pgrep -o -f '^sh -eu /run/provision'"
STARTUP = """
from contextlib import asynccontextmanager
@asynccontextmanager
async def lifespan(app):
    raise RuntimeError("the queue is closed")
    yield
app = FastAPI(title="mirror", lifespan=lifespan)"""

END = '''
@app.get("/end")
def end() -> None:
    """The worker is gone, as after a fault in native code, or with too little memory."""
    os.kill(os.getpid(), 9)


class Words'''


@pytest.fixture(scope="module")
def placed(place: Place) -> Placed:
    return place("mirror")


@pytest.fixture
def mirror(placed: Placed) -> Placed:
    """The app, sized and deployed as it is by default, converged."""
    placed.set(app_workers=2, app_strategy="auto", app_processes={})
    placed.change()
    placed.settle()
    return placed


def total_mb(mirror: Placed) -> int:
    """The host's memory as it sees it; in a container that is this machine's."""
    return int(mirror.view.check_output("grep MemTotal /proc/meminfo").split()[1]) // 1024


def pretend(mirror: Placed, share: float) -> None:
    """Let the record say that a worker takes this share of the host's memory."""
    (mirror.record / "memory_per_worker").write_text(f"{int(total_mb(mirror) * share)}\n")


def test_what_a_worker_takes_is_on_record_and_limits_follow(mirror: Placed) -> None:
    measured = int((mirror.record / "memory_per_worker").read_text())
    assert 20 < measured < 200
    mirror.change()
    planned = provision("plan", mirror.inventory)
    assert f"memory: 2 slots x (2 workers x {measured} MB + 60) = {2 * (2 * measured + 60)} of" in str(planned)
    mirror.settle()
    left = int(total_mb(mirror) * 0.9 - 250 - (2 * measured + 60))
    most = int(total_mb(mirror) * 0.8)
    assert int(mirror.show(mirror.slot, "MemoryMax")) // 2**20 == min(left, most)
    # It would slow down all workers of the slot, and for minutes.
    assert mirror.show(mirror.slot, "MemoryHigh") == "infinity"


def test_sizes_stay_until_they_are_asked_for(mirror: Placed) -> None:
    mirror.set(app_workers="auto")
    mirror.settle()
    before = mirror.slot
    pretend(mirror, 0.3)
    left_alone = mirror.up()
    assert left_alone.settled == (0, 1)
    assert any("would have 1 now" in notice for notice in left_alone.notices)

    mirror.up("--resize")
    assert mirror.up("--resize").settled == (0, 1)
    assert mirror.slot != before
    assert "--workers" not in mirror.view.file(f"/etc/systemd/system/{mirror.slot}").content_string
    again = mirror.up()
    assert (again.settled, again.notices) == ((0, 1), [])


def test_a_request_that_ends_its_worker_ends_no_other(mirror: Placed) -> None:
    """Caddy by itself would send a GET to one worker after the other, for ten seconds."""
    mirror.edit("main.py", "\nclass Words", END)
    mirror.settle()

    def workers() -> set[str]:
        return set(mirror.view.check_output(f"pgrep -P {main} -f spawn_main").split())

    main = mirror.show(mirror.slot, "MainPID")
    before = workers()

    assert mirror.say("/end", "--write-out", "%{http_code}").endswith("503")

    wait_for("another in its place", lambda: before - workers() and len(workers()) == len(before))
    assert len(before) == 2
    assert len(before & workers()) == 1
    assert mirror.show(mirror.slot, "MainPID") == main
    mirror.edit("main.py", END, "\nclass Words")
    mirror.settle()


def since(mirror: Placed, unit: str, change: str) -> int:
    """When a unit has last changed so, in microseconds since the boot."""
    return int(mirror.show(unit, f"{change}TimestampMonotonic"))


def test_where_two_copies_do_not_fit_requests_wait_for_the_new_one(mirror: Placed) -> None:
    before, old = mirror.slot, mirror.version
    pretend(mirror, 0.3)
    mirror.change()
    planned = provision("plan", mirror.inventory)
    assert "so the old release is stopped before the new one starts; one slot takes" in str(planned)
    visitors = mirror.visitors()
    with visitors.coming():
        mirror.up()
    assert visitors.lost == []
    assert visitors.versions == {str(old), str(mirror.version)}
    assert mirror.up().settled == (0, 1)
    assert mirror.slot != before
    wait_for("the new release alone", lambda: mirror.running() == {mirror.slot})
    assert since(mirror, before, "InactiveEnter") < since(mirror, mirror.slot, "ActiveEnter")


def test_a_release_that_fails_gives_the_memory_back(mirror: Placed) -> None:
    mirror.set(app_strategy="restart")
    before = mirror.slot
    visitors = mirror.visitors()
    with mirror.broken(), visitors.coming():
        mirror.edit("main.py", '\napp = FastAPI(title="mirror")', STARTUP)
        failed = mirror.up(code=1)
    assert "cause: the app's own startup failed" in failed.log
    assert "undone: " in failed.log
    assert (visitors.lost, visitors.versions) == ([], {str(mirror.version)})
    wait_for("the old release alone", lambda: mirror.running() == {mirror.slot} == {before})
    assert mirror.up().settled == (0, 1)


def test_a_release_whose_process_does_not_run_gets_none_of_those_who_wait(mirror: Placed) -> None:
    """Its own part serves by then, and would be ended under them."""
    mirror.set(app_strategy="restart")
    mirror.settle()
    before, visitors = mirror.slot, mirror.visitors()
    with mirror.broken(), visitors.coming():
        mirror.set(app_processes={"idle": "false"})
        failed = mirror.up(code=1)
    assert "does not go on running" in failed.log
    assert (visitors.lost, visitors.versions) == ([], {str(mirror.version)})
    wait_for("the old release alone", lambda: mirror.running() == {mirror.slot} == {before})
    assert mirror.up().settled == (0, 1)


def test_a_rollback_from_a_restart_is_a_restart(mirror: Placed) -> None:
    """The old deployment may have been made when nobody knew yet what a worker takes."""
    mirror.set(app_strategy="switch")
    mirror.change()
    mirror.settle()
    mirror.set(app_strategy="restart")
    mirror.change()
    mirror.settle()
    before, visitors = mirror.slot, mirror.visitors()
    with visitors.coming():
        back = provision("rollback", mirror.inventory)
    assert (back.code, visitors.lost) == (0, []), str(back)
    assert visitors.versions == {str(mirror.version), str(mirror.version - 1)}
    assert since(mirror, before, "InactiveEnter") < since(mirror, mirror.slot, "ActiveEnter")
    mirror.up("--retry")
    assert mirror.up().settled == (0, 1)


@pytest.mark.parametrize(
    "moment", ["[ -e /run/app-mirror/hold ]", "pgrep -f '[g]ate.py.*--unit'"], ids=["stop", "gate"]
)
def test_a_run_killed_while_requests_wait_leaves_the_old_release_to_them(mirror: Placed, lab: Lab, moment: str) -> None:
    mirror.set(app_strategy="restart", app_processes={"idle": "sleep 1000000"})
    mirror.settle()
    before, old = mirror.slot, mirror.version
    idle = before.replace("app-mirror@", "app-mirror-idle@")
    # The program that holds requests ends when nobody is connected to it any more.
    wait_for("this release alone, with its process", lambda: mirror.running() == {before, idle})
    visitors = mirror.visitors()
    with visitors.coming():
        wanted = mirror.change()
        process = mirror.start("up")
        kill = f"if {moment} >/dev/null; then kill -9 $({STEP}) && exit; fi"
        killed = lab.run(mirror.host, f"for _ in $(seq 3000); do {kill}; sleep 0.02; done; exit 9")
        process.communicate()
    assert (killed.returncode, process.returncode) == (0, 1), killed.stderr
    assert (visitors.lost, visitors.versions) == ([], {str(old)})
    assert mirror.slot == before
    wait_for("the old release alone, with its process", lambda: mirror.running() == {before, idle})

    mirror.set(app_processes={})
    mirror.settle()
    assert mirror.answer("/version")["version"] == wanted
    wait_for("the new release alone", lambda: mirror.running() == {mirror.slot})
    assert mirror.view.check_output("ls /run/app-mirror") == "hold.sock"
