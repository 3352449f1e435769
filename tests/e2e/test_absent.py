"""An app that is to be gone: nothing of it is left but its data, and those only until they are purged."""

from __future__ import annotations

import pytest
from tests.e2e.cli import wait_for
from tests.e2e.placed import Place, Placed

TRACES = (
    "ls -d /srv/processes /etc/app-processes /run/app-processes /etc/caddy/sites/processes.caddy 2>/dev/null;"
    " ls /etc/systemd/system /etc/systemd/system/multi-user.target.wants /run/systemd/system | grep app-processes;"
    " systemctl list-units --all --plain --no-legend 'app-processes*'; true"
)
DATA = "/var/lib/app-processes/queue"


@pytest.fixture(scope="module")
def placed(place: Place) -> Placed:
    return place("processes", app_processes={"worker": "python worker.py"}, app_env={"GREETING": "hello"})


@pytest.fixture
def app(placed: Placed) -> Placed:
    """An app that serves, with data."""
    placed.set(app_state="present", app_purge=False)
    placed.settle()
    placed.say("/jobs/one", "--request", "PUT")
    wait_for("the worker", lambda: (placed.get("/jobs/one") or {}).get("result"))
    return placed


def test_nothing_is_left_but_the_data_and_it_can_come_back(app: Placed) -> None:
    app.set(app_state="absent")
    removed = app.settle()
    assert removed.changed == ["app : Take the app's site away", "caddy : reload caddy", "app : Remove the app"]
    assert app.view.check_output(TRACES) == ""
    assert app.view.user("app-processes").exists
    assert app.view.file(f"{DATA}/one.done").exists
    assert app.curl(f"https://{app.domain}/").returncode != 0

    app.set(app_state="present")
    app.settle()
    assert "hello" in str(app.get("/jobs/one"))


@pytest.mark.parametrize("at_once", [True, False])
def test_data_and_user_are_purged_on_demand(app: Placed, at_once: bool) -> None:
    app.set(app_state="absent")
    if not at_once:
        app.settle()
    app.set(app_purge=True)
    app.settle()
    assert app.view.check_output(TRACES) == ""
    assert not app.view.user("app-processes").exists
    assert not app.view.group("app-processes").exists
    assert not app.view.file("/var/lib/app-processes").exists


@pytest.mark.parametrize(
    "left",
    [
        "rm -r /srv/processes/slots /srv/processes/active",
        "systemctl stop 'app-processes*'; rm -r /etc/systemd/system/app-processes* /etc/app-processes",
        "rm -r /srv/processes/[a-z]* /etc/app-processes",
    ],
)
def test_a_removal_that_was_cut_goes_on(app: Placed, left: str) -> None:
    app.view.check_output(left)
    app.set(app_state="absent")
    app.settle()
    assert app.view.check_output(TRACES) == ""


def test_the_source_need_not_be_there_any_more(app: Placed) -> None:
    app.set(app_state="absent", app_source="/no/such/folder")
    app.settle()
    assert app.view.check_output(TRACES) == ""
    app.set(app_source=str(app.app))


def test_what_is_not_ours_is_not_touched(placed: Placed) -> None:
    mine = "mkdir -p /srv/mine /etc/caddy/sites; echo mine >/srv/mine/file; echo '# mine' >/etc/caddy/sites/mine.caddy"
    placed.view.check_output(mine)
    placed.set(app_state="absent", app_name="mine", app_purge=True)
    refused = placed.up(code=1)
    assert refused.error["message"] == "the folder /srv/mine was not made by provision, so it will not be removed"
    assert refused.changed == []
    assert placed.view.check_output("cat /srv/mine/file /etc/caddy/sites/mine.caddy") == "mine\n# mine"
    placed.view.check_output("rm -r /srv/mine /etc/caddy/sites/mine.caddy")
    placed.set(app_name="processes")
