"""Where a run is cut, and how.

A point is a command that the host's shell calls there: a wrapper placed first in PATH (hook.sh) holds the run at
exactly that call, before it, after it, or while it goes on. So no cut depends on luck, and the product knows nothing of
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Way = Literal["killed", "silent", "shell", "session"]
"""How a run ends at a point.

killed: SIGKILL of the controller, as a dead battery; the step completes by itself.
silent: every packet of the connection is dropped; both ends notice by themselves, and the step completes.
shell: SIGKILL of the step's shell; a program it has called ends by itself, beside the next run.
session: SIGKILL of all that the step has started, dpkg in the middle of its work too.
"""

WAYS: tuple[Way, ...] = get_args(Way)
THREE: tuple[Way, ...] = ("killed", "silent", "shell")
HARSH: tuple[Way, ...] = ("shell", "session")

When = Literal["before", "while", "after"]
Scenario = Literal["first", "update", "restart"]
"""A first deployment, an update, and one whose old slot is stopped first, since the memory is for one."""
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
Base = Literal["bare", "prepared", "built", "deployed", "rebuilt"]
"""A host that nobody has touched, one with two deployments, and what cut runs left of these (see BEGINNINGS)."""


@dataclass(frozen=True)
class Point:
    """A call that a step makes, as a shell pattern over its words, and when the run is held there."""

    name: str
    step: str
    call: str
    when: When = "before"
    ways: Sequence[Way] = THREE


@dataclass(frozen=True)
class Cut:
    """One cut of one run."""

    scenario: Scenario
    point: Point
    way: Way

    @property
    def base(self) -> Base:
        """The saved state that the run begins with."""
        steps = STEPS[self.scenario]
        place = steps.index(self.point.step)
        return [base for base, step in BEGINNINGS[self.scenario].items() if steps.index(step) <= place][-1]

    @property
    def steps(self) -> Sequence[str]:
        """The steps of the run."""
        return steps_from(self.scenario, self.base)

    def __str__(self) -> str:
        return f"{self.scenario}: {self.point.name}: {self.way}"


SHIP, BUILD, SITE = "app : Ship the release", "app : Build the app", "app : Give the app its site"
RELOAD, DEPLOY = "caddy : reload caddy", "app : Deploy"
PYTHON, UV = "python : Install Python", "python : Install uv"
FOLDER = "caddy : Make the folder for sites"
LAST = (SHIP, BUILD, SITE, RELOAD, DEPLOY)

STEPS: dict[Scenario, tuple[str, ...]] = {
    "first": (
        PYTHON,
        UV,
        "caddy : Install Caddy",
        FOLDER,
        "caddy : Make the folder for Caddy's drop-ins",
        "caddy : Keep Caddy running, with its admin socket to itself",
        "caddy : Configure Caddy",
        "caddy : Start Caddy",
        SHIP,
        "app : Add the app's user",
        *LAST[1:],
    ),
    "update": LAST,
    "restart": LAST,
}
"""The steps of a first run, and of updates of source, environment and site; a run with others fails the harness."""

_UPDATES: dict[Base, str] = {"deployed": SHIP, "rebuilt": SITE}
BEGINNINGS: dict[Scenario, dict[Base, str]] = {
    "first": {"bare": PYTHON, "prepared": SHIP, "built": SITE},
    "update": _UPDATES,
    "restart": _UPDATES,
}
"""Saved states, with the step that a run from there begins with: cuts in the switch need not install all anew.

None has Caddy installed and not yet configured: a host that booted with it has it running, and a run that finds it so
restarts it later, instead of starting it: those would be other steps.
"""


def steps_from(scenario: Scenario, base: Base) -> tuple[str, ...]:
    """What is left of a run that begins with this state."""
    steps = STEPS[scenario]
    return steps[steps.index(BEGINNINGS[scenario][base]) :]


AT_WORK = (
    # One transaction of apt: Caddy is among what Python comes with.
    Point("dpkg has unpacked Python and Caddy, configured nothing", PYTHON, "dpkg-held unpack", ways=HARSH),
    Point("pip installs uv", UV, "python3 *", "while", ways=HARSH),
    Point("uv is complete, without its name", UV, "mv -T -- /opt/provision/*.new *", ways=("shell",)),
)
"""In the midst of the long steps of a first run."""

INSIDE = (
    Point("the release is unpacked, without its name", SHIP, "mv -T -- /srv/notes/releases/.new *"),
    Point("the build is begun", BUILD, "cp -RP --preserve=mode -- /srv/notes/releases/*", "after"),
    Point("the dependencies are installed, not compiled", BUILD, "grep ^Installed *", ways=HARSH),
    Point("the build is complete, without its mark", BUILD, "sync -f /srv/notes/builds/*"),
    Point("the site is checked, not yet in its place", SITE, "mv -fT -- /etc/caddy/sites/*"),
    Point("the site is in its place, Caddy not told", SITE, "mv -fT -- /etc/caddy/sites/*", "after"),
    Point("Caddy reloads", RELOAD, "systemctl reload-or-restart *", "while"),
    Point("Caddy is reloaded, not yet on record", RELOAD, "mv -T -- /var/lib/provision/handlers/*.new *"),
)
"""Between what a deployment needs and the names it gets."""

SWITCH = (
    Point("the slot's unit is written", DEPLOY, "mv -T -- /etc/systemd/system/app-notes@blue.service.new *", "after"),
    Point("all units are written, systemd not told", DEPLOY, "systemctl daemon-reload"),
    Point("the record is complete, without its number", DEPLOY, "mv -T -- /srv/notes/deployments/.new *"),
    Point("the record has its number, the slot not", DEPLOY, "mv -T -- /srv/notes/slots/blue/blue.new *"),
    Point("the app is imported", DEPLOY, "systemctl start app-notes-preflight.service", "while"),
    Point("the migration runs", DEPLOY, "systemctl start app-notes-migrate@blue.service", "while"),
    Point("the slot starts", DEPLOY, "systemctl start app-notes@blue.service", "while"),
    Point("the gate looks", DEPLOY, "systemctl show -p ActiveState,* app-notes@blue.service"),
    Point("the link is made, without its name", DEPLOY, "mv -T -- /srv/notes/.active.new *"),
    Point("the link is switched", DEPLOY, "mv -T -- /srv/notes/.active.new *", "after"),
    Point("the site has answered, not yet on record", DEPLOY, "mv -T -- /srv/notes/deployments/*/deployed.new *"),
    Point("the deployment is on record", DEPLOY, "mv -T -- /srv/notes/deployments/*/deployed.new *", "after"),
)
"""The moments of a deployment, in their order."""

OLD_SLOT = (
    Point("the old slot drains", DEPLOY, "sleep 1"),
    Point("the old slot stops", DEPLOY, "systemctl stop app-notes@green.service", "while"),
    Point("an old deployment is removed", DEPLOY, "rm -rf -- /srv/notes/deployments/[0-9]*", "after"),
    Point("an old build is removed", DEPLOY, "rm -rf -- /srv/notes/builds/*", "after"),
)
"""What an update has besides: it stops what served, and removes what is too old to go back to."""


RESTART = (
    Point("requests wait, the old slot runs", DEPLOY, "systemctl stop app-notes@green.service"),
    Point("requests wait, the old slot is stopped", DEPLOY, "systemctl stop app-notes@green.service", "after"),
    Point("requests wait, the new slot starts", DEPLOY, "systemctl start app-notes@blue.service", "while"),
    Point("requests wait, the link is made", DEPLOY, "mv -T -- /srv/notes/.active.new *"),
    Point("requests wait, the link is switched", DEPLOY, "mv -T -- /srv/notes/.active.new *", "after"),
    Point("requests are let go", DEPLOY, "rm -f -- /run/app-notes/hold", "after"),
)
"""The moments of a switch while none of the slots runs."""


def points(scenario: Scenario) -> list[Point]:
    """All points of a run, in the order of its steps."""
    if scenario == "restart":
        return list(RESTART)
    inside = (*INSIDE, *SWITCH, *(AT_WORK if scenario == "first" else OLD_SLOT))
    found: list[Point] = []
    for step in STEPS[scenario]:
        within = [point for point in inside if point.step == step]
        call = "sh -eu /run/provision/*.sh"
        # A run that loses its controller completes the step: where that is tried within it, it is nothing new here.
        tried = any(point.ways == THREE for point in within)
        found.append(Point(f"{step}: begun", step, call, ways=("shell",) if tried else THREE))
        found += within
        found.append(Point(f"{step}: complete, not reported", step, call, "after", ways=("shell",)))
    return found


def beginning(scenario: Literal["first", "update"], base: Base) -> Cut:
    """The cut that leaves this state, in a run from the state before it."""
    step = BEGINNINGS[scenario][base]
    return Cut(scenario, next(point for point in points(scenario) if point.step == step), "shell")


def cuts(scenario: Scenario) -> list[Cut]:
    """Every point in every way."""
    return [Cut(scenario, point, way) for point in points(scenario) for way in point.ways]
