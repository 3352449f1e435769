"""One name for several hosts: Caddy of the role before them, from an inventory as the how-to shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import testinfra.host
import yaml
from tests.e2e.cli import AUTHORITY, provision, wait_for
from tests.e2e.fleet import Fleet
from tests.e2e.visitors import Visitors

from provision.lab.lab import Lab
from provision.lab.provider import Host

LEFT = "unexpected status code"
"""What a balancer's Caddy says of a check that was not answered with 200."""


class Balanced(Fleet):
    """A balancer and two hosts with the app mirror."""

    def __init__(self, folder: Path, lab: Lab, hosts: Sequence[Host], views: Sequence[testinfra.host.Host]) -> None:
        self.lab, self.front, self.apps = lab, hosts[0], hosts[1:]
        super().__init__("mirror", folder, hosts, views, caddy_health_path="/healthz")

    def set(self, of_front: Mapping[str, object] | None = None, **variables: object) -> None:  # type: ignore[override]
        """Write the inventory, with these variables of the app's hosts, and of the balancer, besides the usual ones."""
        super().set()
        tree = yaml.safe_load(self.inventory.read_text())
        upstreams = [host.address for host in self.apps]
        front = {"roles": ["caddy"], "caddy_upstreams": upstreams, **(of_front or {})}
        app = {
            "app_drain": 2,
            "app_balancer_drain": 3,
            "caddy_trusted_proxies": [self.front.address],
            "caddy_tls": "off",
            **variables,
        }
        tree["all"]["children"] = {
            "front": {"hosts": {self.front.name: None}, "vars": front},
            "app": {"hosts": {host.name: None for host in self.apps}, "vars": app},
        }
        # As written by hand: YAML 1.1 takes a bare off for a boolean, and so do we.
        self.inventory.write_text(yaml.safe_dump(tree, sort_keys=False).replace("'off'", "off"))

    def visitors(self) -> Visitors:
        """They know the balancer alone."""
        authority = self.lab.root(self.front) / AUTHORITY
        return Visitors(self.domain, self.front.address, authority)

    def noticed(self, since: str) -> Mapping[str, int]:
        """How often the balancer was told 503 by each host since then."""
        log = self.views[0].check_output("journalctl -u caddy -o cat --since %s | grep %s | grep 503 || :", since, LEFT)
        return {host.name: log.count(f"{host.address}:80") for host in self.apps}

    def refused(self, since: str) -> bool:
        """Whether a check of the balancer has been refused since then."""
        log = self.views[0].check_output(
            "journalctl -u caddy -o cat --since %s | grep %s || :", since, "HTTP request failed"
        )
        return "connection refused" in log

    def now(self) -> str:
        """The time of the balancer."""
        return str(self.views[0].check_output("date '+%Y-%m-%d %H:%M:%S'"))


@pytest.fixture(scope="module")
def balanced(
    lab: Lab,
    add_prepared: Callable[..., Host],
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Balanced:
    hosts = [add_prepared(), add_prepared(), add_prepared()]
    balanced = Balanced(tmp_path_factory.mktemp("balanced"), lab, hosts, [inspect(host) for host in hosts])
    balanced.up()
    balanced.settle()
    return balanced


@pytest.fixture(autouse=True)
def well(balanced: Balanced) -> None:
    """Every test begins with an answer of the balancer."""
    balanced.set()
    balanced.up()
    balanced.serving([balanced.front])


@pytest.mark.parametrize("strategy", ["switch", "restart"])
def test_a_host_leaves_while_it_deploys_and_no_request_is_lost(balanced: Balanced, strategy: str) -> None:
    balanced.set(app_strategy=strategy)
    before, version, visitors = balanced.now(), balanced.change(), balanced.visitors()

    with visitors.coming():
        result = balanced.up()

    assert visitors.lost == []
    assert visitors.answered >= 1500
    assert visitors.versions == {str(version - 1), str(version)}
    assert all(balanced.noticed(before).values()), balanced.noticed(before)
    deploys = [(event["event"], event["host"]) for event in result.events if event.get("task") == "Deploy"]
    one_by_one = [(event, host.name) for host in balanced.apps for event in ("task_started", "task_finished")]
    assert [step for step in deploys if step in one_by_one] == one_by_one
    balanced.settle()


def test_a_failed_release_brings_its_host_back(balanced: Balanced) -> None:
    balanced.set(app_health_path="/nowhere", app_start_timeout=5)
    balanced.change()
    before, visitors = balanced.now(), balanced.visitors()

    with visitors.coming(at_least=300):
        failed = provision("up", balanced.inventory)

    assert (failed.code, visitors.lost, len(visitors.versions)) == (1, [], 1)
    first, second = balanced.noticed(before).values()
    assert (first > 0, second) == (True, 0)
    for view in balanced.views[1:]:
        assert not view.file("/run/app-mirror/draining").exists


def test_what_a_killed_deployment_took_out_comes_back_by_itself_and_by_the_next_run(balanced: Balanced) -> None:
    view = balanced.views[1]
    view.check_output("touch /run/app-mirror/draining")
    result = balanced.up()

    assert not view.file("/run/app-mirror/draining").exists
    assert result.changed == ["app : Deploy"]
    balanced.settle()


@pytest.fixture
def gone(balanced: Balanced) -> Callable[[], AbstractContextManager[None]]:
    """A block in which the first of the app's hosts refuses connections."""

    @contextmanager
    def stopped() -> Iterator[None]:
        balanced.views[1].check_output("systemctl stop caddy")
        try:
            yield
        finally:
            balanced.views[1].check_output("systemctl start caddy")

    return stopped


def test_a_host_that_is_gone_is_not_asked(balanced: Balanced, gone: Callable[[], AbstractContextManager[None]]) -> None:
    before, visitors = balanced.now(), balanced.visitors()
    with gone():
        wait_for("the balancer to notice", lambda: balanced.refused(before))
        with visitors.coming(at_least=300):
            pass

    assert visitors.lost == []


def test_a_host_that_goes_costs_what_had_a_body_and_was_under_way(
    balanced: Balanced, gone: Callable[[], AbstractContextManager[None]]
) -> None:
    """Without a check that finds it first: who asks without a body waits for the other host, which is not blamed."""
    balanced.set(of_front={"caddy_health_interval": 600})
    balanced.up()
    visitors = balanced.visitors()

    began = time.monotonic()
    with visitors.coming(at_least=0), gone():
        answered = visitors.answered
        wait_for("many requests", lambda: visitors.answered >= answered + 300)
    windows = 1 + (time.monotonic() - began) // 3

    # Each of the six visitors has one request under way, and is told of it once; and every 3 s the host is tried again.
    assert len(visitors.lost) <= 6 * windows
    assert set(visitors.lost) <= {"status 502: b''"}


def test_a_host_whose_caddy_reloads_loses_nothing(balanced: Balanced) -> None:
    """Idle connections from the balancer are closed then, and a request with a body is sent once."""
    visitors = balanced.visitors()

    with visitors.coming(at_least=300):
        for _ in range(20):
            balanced.views[1].check_output("systemctl reload caddy")

    assert visitors.lost == []


def test_a_host_that_balances_no_more_forgets_it(balanced: Balanced) -> None:
    site = balanced.lab.root(balanced.front) / "etc/caddy/sites/balancer.caddy"
    text = balanced.inventory.read_text()
    assert site.exists()

    balanced.inventory.write_text(text.replace("caddy_upstreams:", "unused:"))
    balanced.up()

    assert not site.exists()
