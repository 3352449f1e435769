"""A run may be killed after any effect of any step: the next whole run makes every restart good."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from provision.errors import ConnectionLost
from provision.resources.service import Service
from provision.resources.task import Handler, Task

from .fake_host import FakeHost, Setting, converge, handler, task, up

HANDLERS = (
    handler("Restart web", "web", listen=("web",)),
    handler("Reload web", "web", "reloaded", listen=("web",)),
    handler("Restart proxy", "proxy"),
)
TOPICS = ("Restart web", "Reload web", "Restart proxy", "web")
UNITS = ("web", "proxy")
ENOUGH = 1_000_000


@dataclass(frozen=True)
class Sketch:
    """One task of a playbook: a setting with its notifications, a start, or (neither) ``flush_handlers``."""

    key: str
    starts: str
    notify: frozenset[str]
    steps: int
    installs: str
    """A unit that starts when the setting is made, as Debian's packages do."""
    rolling: bool

    def task(self, values: dict[str, str]) -> Task:
        role = "app" if self.rolling else "web"
        if self.key:
            setting = Setting(key=self.key, value=values.get(self.key, "v0"), steps=self.steps)
            return task(setting, *sorted(self.notify), role=role, tags=[self.key])
        service = Service(name=self.starts, state="started") if self.starts else None
        return task(service, *sorted(self.notify if service else ()), role=role, tags=["service"])


@dataclass(frozen=True)
class Moment:
    """What happens between two runs, and how far the next run gets."""

    wants: tuple[str, str] | None
    """The playbook is given another value."""
    edits: tuple[str, str] | None
    """Somebody edits the host."""
    stops: str
    only: frozenset[str]
    """``--tags``; empty for all."""
    rolls: bool
    budget: int


@dataclass
class World:
    """A host, and a playbook that changes."""

    sketches: list[Sketch]
    fake: FakeHost = field(default_factory=FakeHost)
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fake.follows = {one.key: _starter(one.installs) for one in self.sketches if one.installs}

    def tasks(self) -> list[Task]:
        return [one.task(self.values) for one in self.sketches]

    def live(self, moment: Moment) -> None:
        if moment.wants:
            self.values |= dict([moment.wants])
        if moment.edits:
            self.fake.settings |= dict([moment.edits])
        if moment.stops:
            self.fake.units[f"{moment.stops}.service"] = "inactive"
        self.fake.budget = moment.budget
        try:
            self.run(moment.only, rolls=moment.rolls)
        except ConnectionLost:
            assert self.fake.budget == 0

    def run(self, only: frozenset[str] = frozenset(), *, rolls: bool = False) -> None:
        host = converge(self.fake, self.tasks(), HANDLERS, selected=lambda one: not only or bool(only & one.tags))
        if not rolls:
            up(host)
            return
        host.survey()
        for in_turn in (lambda one: one.role != "app", lambda one: one.role == "app"):
            planned = host.plan(in_turn)
            if planned.items:
                host.apply(planned)
        host.prove()

    def answered(self, one: Handler) -> bool:
        """Has this handler run, or its unit started anew, after the last change of each of its notifiers?"""
        changes = {f"set {sketch.key}" for sketch in self.sketches if any(map(one.hears, sketch.notify))}
        answers = {f"fresh {one.unit}.service", *([f"reload {one.unit}.service"] if one.action == "reloaded" else [])}
        return _last(self.fake.log, changes) <= _last(self.fake.log, answers)


def _starter(unit: str) -> Callable[[FakeHost], None]:
    return lambda host: host.units.update({f"{unit}.service": "active"})


def _last(log: list[str], wanted: set[str]) -> int:
    return max((position for position, entry in enumerate(log) if entry in wanted), default=-1)


KEYS = st.sampled_from(["a", "b", "c"])
UNITS_OR_NONE = st.sampled_from(["", "", *UNITS])
MOMENTS = st.builds(
    Moment,
    wants=st.none() | st.tuples(KEYS, st.sampled_from(["v0", "v1"])),
    edits=st.tuples(KEYS, st.sampled_from(["by hand", "v1"])) | st.none(),
    stops=UNITS_OR_NONE,
    only=st.sampled_from([*[frozenset[str]()] * 3, frozenset({"a"}), frozenset({"b", "service"})]),
    rolls=st.booleans(),
    budget=st.integers(0, 12) | st.just(ENOUGH),
)


def sketches(notify: int) -> st.SearchStrategy[Sketch]:
    """Tasks that notify ``notify`` or more."""
    return st.builds(
        Sketch,
        key=KEYS if notify else KEYS | st.just(""),
        starts=UNITS_OR_NONE,
        notify=st.frozensets(st.sampled_from(TOPICS), min_size=notify, max_size=2),
        steps=st.integers(1, 2),
        installs=UNITS_OR_NONE,
        rolling=st.booleans(),
    )


PLAYBOOKS = st.tuples(sketches(1), sketches(0), sketches(0), sketches(0)).map(
    lambda drawn: list({one.key or position: one for position, one in enumerate(drawn)}.values())
)


NOTHING = Moment(wants=None, edits=None, stops="", only=frozenset(), rolls=False, budget=0)
CONFIG = Sketch("a", "", frozenset({"Restart web"}), steps=1, installs="", rolling=False)
START = Sketch("", "web", frozenset(), steps=1, installs="", rolling=False)


@settings(max_examples=60, deadline=None)
@example(playbook=[CONFIG], settled=True, moments=[], last=replace(NOTHING, edits=("a", "by hand")))
@example(playbook=[replace(CONFIG, installs="web"), START], settled=False, moments=[], last=NOTHING)
@example(
    playbook=[CONFIG, replace(START, notify=CONFIG.notify), replace(CONFIG, key="b")],
    settled=False,
    moments=[],
    last=NOTHING,
)
@example(playbook=[CONFIG, START, replace(CONFIG, key="b", rolling=True)], settled=False, moments=[], last=NOTHING)
@given(playbook=PLAYBOOKS, settled=st.booleans(), moments=st.lists(MOMENTS, max_size=2), last=MOMENTS)
def test_every_handler_runs_after_the_last_change_of_its_notifiers(
    playbook: list[Sketch], settled: bool, moments: list[Moment], last: Moment
) -> None:
    world = World(playbook)
    if settled:
        world.run()
    for moment in moments:
        world.live(moment)
    for cut in itertools.count():
        after = copy.deepcopy(world)
        after.live(replace(last, budget=cut))
        whole = after.fake.budget > 0
        after.fake.budget, after.fake.trips = ENOUGH, 0
        after.run()
        assert after.fake.trips <= 3
        assert [one.name for one in HANDLERS if not after.answered(one)] == []

        after.fake.log.clear()
        after.run()
        assert after.fake.log == []
        if whole:
            break
