"""The roles beside an app's own (see test_roles.py), twice, on every image: all of them on each host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import testinfra.host
from tests.e2e.cli import IMAGES, Result, provision

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image

VARIABLES = {
    "roles": ["firewall", "hardening", "postgresql", "redis"],
    "postgresql_db": "shop",
    # Without an app there is no group of its user.
    "redis_group": "redis",
}


@dataclass(frozen=True)
class Fleet:
    """One host of each image in one inventory, and the two runs on them."""

    hosts: dict[Image, Host]
    first: Result
    second: Result


@pytest.fixture(scope="module")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All hosts, provisioned twice."""
    hosts = {image: lab.add(image) for image in IMAGES}
    inventory = tmp_path_factory.mktemp("others") / "inventory.yml"
    write_inventory(inventory, list(hosts.values()), VARIABLES)
    yield Fleet(hosts, provision("up", inventory), provision("up", inventory))
    for host in hosts.values():
        lab.remove(host)


@pytest.fixture
def view(fleet: Fleet, image: Image, inspect: Callable[[Host], testinfra.host.Host]) -> testinfra.host.Host:
    """The host of that image."""
    return inspect(fleet.hosts[image])


def test_the_second_run_changes_nothing(fleet: Fleet, image: Image) -> None:
    name = fleet.hosts[image].name
    assert fleet.first.code == 0, str(fleet.first)
    assert fleet.second.code == 0, str(fleet.second)
    assert fleet.first.recaps[name]["changed"] > 10
    assert (fleet.second.recaps[name]["changed"], fleet.second.recaps[name]["trips"]) == (0, 1)


def test_the_role_firewall(view: testinfra.host.Host) -> None:
    rules = view.check_output("nft list table inet provision")
    assert "policy drop" in rules
    assert view.service("provision-firewall").is_enabled
    # What has to be proven is neither left nor waited for.
    assert view.check_output("ls /var/lib/provision/undo 2>/dev/null || :") == ""


def test_the_role_hardening(view: testinfra.host.Host) -> None:
    assert "passwordauthentication no" in view.check_output("sshd -T")
    assert view.service("apt-daily-upgrade.timer").is_enabled


def test_the_role_postgresql(view: testinfra.host.Host) -> None:
    assert view.check_output("runuser -u postgres -- psql -tAc 'select 1' shop") == "1"


def test_the_role_redis(view: testinfra.host.Host) -> None:
    assert view.check_output("runuser -u redis -- redis-cli -s /run/redis/redis-server.sock ping") == "PONG"
