"""Several hosts: side by side, the app in turn behind a canary, and none held up by one that is not there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from tests.e2e.cli import Event, Result, Site, provision

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host


class Fleet:
    """Two app hosts, and before them in the inventory an address where nobody is."""

    def __init__(self, canary: Site, other: Site) -> None:
        self.canary, self.other = canary, other
        address = f"{canary.host.address.rpartition('.')[0]}.250"
        gone = dataclasses.replace(canary.host, name="gone", address=address)
        write_inventory(canary.inventory, [gone, canary.host, other.host], canary.variables)

    def up(self, *options: str) -> Result:
        """Run ``provision up`` on all three."""
        return provision("up", self.canary.inventory, *options)


@pytest.fixture(scope="module")
def fleet(add_prepared: Callable[..., Host], make_site: Callable[..., Site]) -> Fleet:
    hosts = [add_prepared(), add_prepared()]
    return Fleet(*map(make_site, hosts))


@pytest.fixture(scope="module", autouse=True)
def first(fleet: Fleet) -> Result:
    """The first run on all of them."""
    return fleet.up()


def of(result: Result, site: Site, kind: str) -> list[Event]:
    return [event for event in result.events if event["event"] == kind and event["host"] == site.host.name]


def test_one_that_is_not_there_holds_nobody_up(fleet: Fleet, first: Result) -> None:
    assert first.code == 3, str(first)
    gone = first.recaps["gone"]
    assert (gone["unreachable"], gone["failed"], gone["trips"]) == (1, 0, 0)
    assert gone["error"]["message"].endswith("cannot be reached: there is no route to it")
    assert gone["error"]["hint"] == "is the host up, and in a network this machine can reach?"
    for site in (fleet.canary, fleet.other):
        recap = first.recaps[site.host.name]
        assert (recap["error"], recap["failed"], recap["unknown"]) == (None, 0, 0)
        assert site.health()["status"] == "ok"


def test_a_first_run_on_prepared_hosts_takes_three_trips(fleet: Fleet, first: Result) -> None:
    for site in (fleet.canary, fleet.other):
        assert first.recaps[site.host.name]["trips"] == 3
        phases = [event["name"] for event in of(first, site, "phase")]
        assert phases == ["connect", "survey", "wait", "apply", "prove"]


def test_the_app_comes_to_the_canary_first(fleet: Fleet, first: Result) -> None:
    order = [event["host"] for event in first.events if event.get("role") == "app" and event["event"] == "task_started"]
    (proved,) = of(first, fleet.canary, "host_finished")
    began = next(event for event in of(first, fleet.other, "task_started") if event["role"] == "app")

    assert order == sorted(order, key=[fleet.canary.host.name, fleet.other.host.name].index)
    assert first.events.index(proved) < first.events.index(began)


def test_a_second_run_finds_nothing_to_do(fleet: Fleet) -> None:
    fleet.up("--limit", "!gone")

    again = fleet.up("--limit", "!gone")

    assert again.code == 0
    assert again.settled == (0, 1, 0, 1)


def test_a_failure_on_the_canary_leaves_the_others_alone(fleet: Fleet) -> None:
    canary, other = fleet.canary, fleet.other
    before = [site.slot for site in (canary, other)]
    listing = other.view.check_output("find /srv/notes /etc/app-notes -printf '%p %T@\\n' | sort")
    main = canary.app / "notes/main.py"
    text = main.read_text()
    main.write_text(f"import nowhere\n{text}")
    try:
        result = fleet.up("--limit", "!gone")
    finally:
        main.write_text(text)

    assert result.code == 1
    assert result.error["task"] == "app : Deploy"
    assert "No module named 'nowhere'" in result.log
    reason = f"{canary.host.name} failed; this host keeps what it serves"
    assert [event["reason"] for event in of(result, other, "host_not_reached")] == [reason]
    assert of(result, other, "host_finished") == []
    assert other.view.check_output("find /srv/notes /etc/app-notes -printf '%p %T@\\n' | sort") == listing
    assert [site.slot for site in (canary, other)] == before
    assert canary.health()["status"] == other.health()["status"] == "ok"
