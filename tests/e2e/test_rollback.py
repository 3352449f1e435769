"""A rollback that is cut: before its switch it has done nothing, after it `up` does not take it back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

import pytest
from tests.cuts.points import Point, When
from tests.cuts.rig import Rig
from tests.e2e.cli import provision
from tests.e2e.held import running
from tests.e2e.placed import Place, Placed

from provision.lab.lab import Lab

STEP = "app : Roll back"
KEY = secrets.token_hex(8)


@pytest.fixture(scope="module")
def placed(place: Place) -> Placed:
    return place("mirror", app_workers=1, app_env={"API_KEY": KEY})


@pytest.fixture
def mirror(placed: Placed) -> Placed:
    """Two releases, of which the second serves."""
    for _ in range(2):
        placed.change()
        placed.up()
    assert placed.up().settled == (0, 1)
    return placed


@pytest.fixture
def cut(mirror: Placed, lab: Lab) -> Callable[[When], None]:
    """``cut(when)``: kills all of a rollback on the host, before or after the rename that switches."""

    def cut(when: When) -> None:
        rig = Rig(lab, mirror.host)
        rig.arm(Point("the switch", STEP, "mv -T -- /srv/mirror/.active.new *", when), [STEP])
        with running(mirror.inventory, command="rollback") as run:
            rig.wait_until_held(run)
            rig.kill_session()
            rig.go()
            assert run.end().code != 0
        rig.wait_until_free()
        rig.remove()

    return cut


def test_cut_before_its_switch_it_has_done_nothing(mirror: Placed, cut: Callable[[When], None]) -> None:
    cut("before")

    assert mirror.answer("/version")["version"] == mirror.version
    result = mirror.up()
    assert result.changed == ["app : Deploy"]
    assert mirror.answer("/version")["version"] == mirror.version
    assert mirror.running() == {mirror.slot}
    assert mirror.up().settled == (0, 1)


@pytest.mark.parametrize("by_number", [False, True])
def test_cut_after_its_switch_it_is_not_taken_back(
    mirror: Placed, cut: Callable[[When], None], by_number: bool
) -> None:
    (number,) = re.findall(r"(?m)^previous=(\d+)$", (mirror.record / "meta").read_text())

    cut("after")

    assert mirror.answer("/version")["version"] == mirror.version - 1
    assert "it was rolled back" in str(provision("plan", mirror.inventory))
    assert "this deployment of mirror was rolled back" in mirror.up(code=1).log
    assert mirror.answer("/version")["version"] == mirror.version - 1

    again = provision("rollback", mirror.inventory, *(["--to", number] if by_number else []))

    # It finishes the one that was cut, and does not go back one more.
    assert again.code == 0, str(again)
    assert mirror.answer("/version")["version"] == mirror.version - 1
    assert mirror.running() == {mirror.slot}
    mirror.up("--retry")
    assert mirror.answer("/version")["version"] == mirror.version
    assert mirror.up().settled == (0, 1)


def test_what_a_release_says_as_it_fails_shows_no_secret(mirror: Placed) -> None:
    for main in (mirror.root / "srv/mirror/builds").glob("*/app/main.py"):
        main.write_text(main.read_text() + 'raise SystemExit("I was given " + os.environ["API_KEY"])\n')

    result = provision("rollback", mirror.inventory)

    assert result.code == 1
    assert "I was given (secret)" in result.log
    assert KEY not in str(result)
    assert mirror.answer("/version")["version"] == mirror.version
    assert mirror.up().settled == (0, 1)
