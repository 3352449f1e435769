"""An app and its Redis on one host: over a socket that no other user may open."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra.host
from tests.e2e.cli import Result, provision, wait_for

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host

COUNTER = Path(__file__).parents[1] / "apps" / "counter"
DOMAIN = "counter.test.internal"
SOCKET = "/run/redis/redis-server.sock"


class Site:
    """The app that counts, and where it is."""

    def __init__(self, inventory: Path, host: Host, view: testinfra.host.Host) -> None:
        self.inventory, self.host, self.view = inventory, host, view

    def set(self, **variables: object) -> None:
        """Write the inventory, with these variables besides the usual ones."""
        usual = {
            "roles": ["python", "redis", "caddy", "app"],
            "app_source": str(COUNTER),
            "app_env": {"REDIS_URL": "{{ redis_url }}"},
            "app_workers": 2,
            "app_drain": 1,
            "app_health_path": "/hits",
            "caddy_domain": DOMAIN,
            "caddy_source": "distro",
            "caddy_tls": "internal",
        }
        write_inventory(self.inventory, [self.host], {**usual, **variables})

    def up(self, code: int = 0) -> Result:
        result = provision("up", self.inventory)
        assert result.code == code, str(result)
        return result

    def settle(self) -> None:
        """Nothing is left to do, and one trip shows it."""
        assert self.up().settled == (0, 1)

    def hits(self, *options: str) -> int:
        """The count, as soon as the site answers."""
        where = [
            "--resolve",
            f"{DOMAIN}:443:{self.host.address}",
            "--insecure",
            "--fail",
            "--silent",
            "--max-time",
            "60",
        ]
        argv = ["curl", *where, *options, f"https://{DOMAIN}/hits"]

        def answer() -> str:
            return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

        return int(json.loads(wait_for("a count", answer))["hits"])

    def redis(self, *words: str, user: str = "root") -> str:
        """What Redis tells a user of the host, over the socket."""
        command = f"cd / && runuser -u {user} -- redis-cli -s {SOCKET}" + " %s" * len(words)
        done = self.view.run(command, *words)
        return str(done.stdout + done.stderr).strip()


@pytest.fixture(scope="module")
def site(
    prepared_host: Host, inspect: Callable[[Host], testinfra.host.Host], tmp_path_factory: pytest.TempPathFactory
) -> Site:
    return Site(tmp_path_factory.mktemp("counter") / "inventory.yml", prepared_host, inspect(prepared_host))


@pytest.fixture(scope="module", autouse=True)
def first(site: Site) -> Result:
    """The run on a host without Redis."""
    site.set()
    return site.up()


@pytest.fixture(autouse=True)
def settled(site: Site, first: Result) -> None:
    """Every test begins with a host that lacks nothing."""
    site.set()
    site.up()
    site.settle()


def test_a_first_run_takes_three_trips(first: Result) -> None:
    (recap,) = first.recaps.values()
    assert (recap["trips"], recap["failed"]) == (3, 0)


def test_two_workers_count_together_over_the_socket(site: Site) -> None:
    before = site.hits()
    assert [site.hits("--request", "POST") for _ in range(6)] == list(range(before + 1, before + 7))
    assert site.redis("GET", "hits") == str(before + 6)
    clients = site.redis("CLIENT", "LIST", "TYPE", "normal")
    assert f"addr={SOCKET}:0" in clients
    assert "addr=127.0.0.1" not in clients


def test_nobody_else_may_use_it(site: Site) -> None:
    assert site.view.check_output("ss -Hltn 'sport = 6379'") == ""
    assert site.redis("PING", user="app-counter") == "PONG"
    assert "Permission denied" in site.redis("PING", user="caddy")
    assert "redis" not in site.view.user("app-counter").groups


def test_meddling_is_mended(site: Site) -> None:
    hits = site.hits()
    site.view.check_output("sed -i 's/^port 0/port 6379/' /etc/redis/provision.conf")
    site.view.check_output("sed -i '/^include .*provision/d' /etc/redis/redis.conf")
    site.view.check_output("systemctl disable --now redis-server")

    changed = site.up().changed

    assert changed == [
        "redis : Configure Redis",
        "redis : Let Redis read it last",
        "redis : Start Redis",
    ]
    assert site.hits() == hits
    site.settle()


def test_settings_reach_it_and_wrong_ones_do_not(site: Site) -> None:
    site.set(redis_maxmemory="64mb", redis_maxmemory_policy="allkeys-lru", redis_appendonly=True)
    site.up()
    wanted = {"maxmemory": "67108864", "maxmemory-policy": "allkeys-lru", "appendonly": "yes"}
    assert {name: site.redis("CONFIG", "GET", name).splitlines()[-1] for name in wanted} == wanted
    site.settle()

    site.set(redis_settings={"maxclients": "many"})
    failed = site.up(code=1)
    assert failed.error["task"] == "redis : Configure Redis"
    assert "'maxclients \"many\"'" in failed.log or "maxclients many" in failed.log
    assert site.redis("PING") == "PONG"


def test_a_port_for_clients_that_know_no_sockets(site: Site) -> None:
    before = site.hits()
    site.set(redis_port=6379)

    site.up()

    assert site.hits("--request", "POST") == before + 1
    assert "addr=127.0.0.1:" in site.redis("CLIENT", "LIST", "TYPE", "normal")
    assert site.view.check_output("ss -Hltn 'sport = 6379' | awk '{ print $4 }' | sort") == "127.0.0.1:6379\n[::1]:6379"
    site.settle()
