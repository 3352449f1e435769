"""A WebSocket over a switch: the release it was opened to keeps it until that is drained, and then says goodbye."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.e2e.cli import AUTHORITY, wait_for
from tests.e2e.placed import Place, Placed
from tests.e2e.websocket import WebSocket

DRAIN = 20
"""Seconds."""
HELD = " 0001 03 [0-9 ]*/run/app-hub/hold.sock"
"""A connected stream, as /proc/net/unix shows it."""
SERVICE_RESTART = 1012
"""What uvicorn says when it is stopped; a registered code of RFC 6455's close frames."""


@pytest.fixture(scope="module")
def placed(place: Place) -> Placed:
    return place("hub", app_workers=1, app_drain=DRAIN)


@pytest.fixture
def hub(placed: Placed) -> Placed:
    """The chat room, converged, whatever the test before left."""
    placed.set(caddy_domain=placed.domain)
    placed.settle()
    return placed


def enter(hub: Placed) -> WebSocket:
    """Open a WebSocket to the release that serves."""
    return knock(hub).opened()


def knock(hub: Placed) -> WebSocket:
    """Ask for a WebSocket."""
    return WebSocket(hub.domain, hub.host.address, hub.root / AUTHORITY, "/room")


@contextmanager
def next_release(hub: Placed, *guests: WebSocket) -> Iterator[subprocess.Popen[str]]:
    """The run that deploys another release, once it has switched; it has ended well after the block.

    Until then the guests stay.
    """
    version = hub.change()
    process = hub.start("up")

    def switched() -> bool:
        for guest in guests:
            guest.stay()
        return (hub.get("/") or {}).get("version") == version

    wait_for("the new release", switched, timeout=180)
    yield process
    process.communicate()
    assert process.returncode == 0
    assert hub.running() == {hub.slot}
    assert hub.up().settled == (0, 1)


def test_one_worker_keeps_a_room_together_and_the_run_ends_when_its_guests_are_gone(hub: Placed) -> None:
    old = hub.version
    guests = [enter(hub) for _ in range(3)]
    for number in range(10):
        guests[number % 3].send(f"hello {number}")
        assert [guest.receive() for guest in guests] == [f"{old}: hello {number}"] * 3
    # No supervisor: the unit's main process is the one that answers.
    pid = str(hub.answer("/")["pid"])
    assert pid == hub.show(hub.slot, "MainPID")

    with next_release(hub, *guests):
        newcomer = enter(hub)
        newcomer.send("anybody here?")
        assert newcomer.receive() == f"{hub.version}: anybody here?"
        guests[0].send("still here")
        assert [guest.receive() for guest in guests] == [f"{old}: still here"] * 3
        for guest in guests:
            guest.close()

    newcomer.send("I stay")
    assert newcomer.receive() == f"{hub.version}: I stay"
    newcomer.close()


def test_a_guest_is_answered_by_the_old_release_until_it_is_drained(hub: Placed) -> None:
    guest, old = enter(hub), hub.version
    with next_release(hub, guest) as process:
        switched = (hub.root / "srv/hub/active").lstat().st_mtime
        assert guest.ask("still here") == f"{old}: still here"
        # The end is to be heard, too: who writes to a closed connection loses what is to be read.
        while time.time() - switched < DRAIN - 8:
            assert guest.ask("still here") == f"{old}: still here"
            time.sleep(0.1)
        assert process.poll() is None, "the run waits for those who are connected"
        assert guest.receive() is None

    assert guest.closed_with == SERVICE_RESTART
    guest.close()
    again = enter(hub)
    assert again.ask("back again") == f"{hub.version}: back again"
    again.close()


def test_a_change_of_the_site_reloads_caddy_which_closes_it(hub: Placed) -> None:
    """What the app has no part in: Caddy ends all that it has taken over from a configuration before."""
    guest = enter(hub)
    assert guest.ask("before") == f"{hub.version}: before"
    hub.set(caddy_domain=[hub.domain, f"www.{hub.domain}"])

    result = hub.up()

    assert result.changed == ["app : Give the app its site", "caddy : reload caddy"]
    assert guest.receive() is None
    guest.close()
    again = enter(hub)
    assert again.ask("back again") == f"{hub.version}: back again"
    again.close()
    assert hub.up().settled == (0, 1)


def test_a_guest_who_came_while_requests_waited_is_in_the_way_of_no_later_restart(hub: Placed) -> None:
    """The program that held the guest lives as long as that stays, and ends while the next one holds others."""
    come = hub.root / "var/lib/app-hub/come"
    come.unlink(missing_ok=True)
    hub.set(app_strategy="restart", app_env={"WAIT_FOR": "/var/lib/app-hub/come"})
    version = hub.change()
    process = hub.start("up")
    wait_for("requests wait", lambda: hub.view.file("/run/app-hub/hold").exists, timeout=180)
    guest = knock(hub)
    wait_for("the guest waits", lambda: hub.view.run(f"grep -q '{HELD}' /proc/net/unix").rc == 0)
    come.touch()
    guest.opened()
    process.communicate()
    assert process.returncode == 0
    assert guest.ask("I waited") == f"{version}: I waited"
    first = hub.view.check_output("systemctl list-units --plain --no-legend 'app-hub-hold-*'").split()[0]

    hub.change()
    with asking(hub) as lost:
        hub.up()

    assert lost == []
    assert guest.receive() is None
    guest.close()
    wait_for("the end of the first holder", lambda: not hub.view.service(first).is_running)
    hub.set(app_strategy="auto", app_env={})
    hub.settle()
    wait_for("the end of the second", lambda: hub.running() == {hub.slot})


@contextmanager
def asking(hub: Placed) -> Iterator[list[str]]:
    """Ask one request after the other, and keep what was said of those that were not answered."""
    lost: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            done = hub.curl(f"https://{hub.domain}/", "--fail", "--max-time", "120")
            if done.returncode:
                lost.append(done.stderr)

    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            pool.submit(ask)
        try:
            yield lost
        finally:
            over.set()
