"""One host: survey, plan, apply, prove. Knows the transport only as a session that makes trips."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from provision import diffs, plan, sayings, script, vitals
from provision.answers import Observed, SurveyParser
from provision.application import Application, LogIn, no_login
from provision.errors import ConnectionLost, NotConverged, ProvisionError, Refused, Unreachable
from provision.events import Confidential, Emit, HandlerVerdict, Notice, Phase, TaskVerdict
from provision.handlers import STAMP_READ
from provision.plan import Plan
from provision.resources.base import Content, Facts, Read, Resource, Shared, Step
from provision.resources.task import Playbook, Task
from provision.transport.frames import Frame
from provision.transport.session import SILENCE, Bounds

ROUNDS = 3
"""Surveys after a change; more than one is a bug in a role, more than three do not end."""


class Trips(Protocol):
    """The part of transport.session.Session that is needed here."""

    trips: int

    def trip(
        self, files: Mapping[str, bytes], on_frame: Callable[[Frame], None], *, bounds: Bounds | None = None
    ) -> None:
        """Run one script on the host."""
        ...


class Play(Protocol):
    """The roles of one host, as roles.py loads them."""

    def reads(self) -> set[Read]:
        """What can be read before any fact is known."""
        ...

    def resolve(self, facts: Facts) -> Playbook:
        """All tasks and handlers, rendered."""
        ...


@dataclass
class Tally:
    """The recap of one host, in Ansible's words."""

    ok: int = 0
    changed: int = 0
    skipped: int = 0
    unknown: int = 0
    changed_tasks: set[tuple[str, str, int]] = field(default_factory=set)


class Host:
    """Converges one host over one session. Each method makes the trips its name says."""

    def __init__(
        self,
        name: str,
        play: Play,
        session: Trips,
        emit: Emit,
        *,
        selected: Callable[[Task], bool],
        diff: bool = False,
        audit: Mapping[str, object] | None = None,
        silence: float | None = None,
        new_login: LogIn = no_login,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self.playbook: Playbook | None = None
        self.observed = Observed()
        self._play, self._session, self._emit = play, session, emit
        self._selected, self._diff, self._audit, self._silence = selected, diff, dict(audit or {}), silence
        self._new_login = new_login
        self._applied: Application | None = None

    @property
    def running(self) -> Step | None:
        """The step that runs on the host now. Safe to ask from another thread."""
        return self._applied.running if self._applied else None

    def survey(self) -> None:
        """One trip for facts and all reads; a second one only if a task's identity uses a fact."""
        self._emit(Phase(self.name, "survey"))
        began = time.time()
        self._observe()
        # Now and not at the end: the run may fail of it.
        for text in vitals.notices(self.observed.vitals, began, time.time()):
            self._emit(Notice(self.name, text))

    def _observe(self) -> None:
        reads = self._play.reads() | {STAMP_READ}
        self.observed = self._read(reads)
        _refuse_unmanageable(self.observed.facts)
        self.playbook = self._play.resolve(self.observed.facts)
        if values := [text for resource in self._resources() for text in sayings.confidential(resource)]:
            self._emit(Confidential(self.name, tuple(values), certain=True))
        wanted = {read for resource in self._resources() for read in resource.reads()}
        if missing := self._worth_reading(wanted) - set(self.observed.readings):
            self.observed.readings |= self._read(missing).readings

    def _worth_reading(self, reads: set[Read]) -> set[Read]:
        """Old content is only for showing a diff."""
        return reads if self._diff else {read for read in reads if not isinstance(read, Content)}

    def _read(self, reads: set[Read]) -> Observed:
        reads = self._worth_reading(reads)
        parser = SurveyParser(reads)
        bounds = Bounds(self._silence or SILENCE + script.patience(reads))
        self._session.trip(script.survey(reads, contents=self._diff), parser, bounds=bounds)
        return parser.observed()

    def plan(self, stage: Callable[[Task], bool] = lambda task: True) -> Plan:
        """What differs now, of the tasks of this stage; no trip."""
        assert self.playbook is not None
        return plan.build(self.playbook, self.observed.readings, self.observed.facts, self._selected, stage=stage)

    def announce(self, planned: Plan) -> None:
        """Tell the report what the plan says of every task, and count it."""
        for verdict in planned.verdicts:
            task = verdict.task
            keys = diffs.keys(verdict) if verdict.word in {"change", "unknown"} else ()
            text = diffs.unified(verdict) if self._diff else ""
            self._emit(TaskVerdict(self.name, task.role, task.name, verdict.word, keys, text))
        for due in planned.due:
            self._emit(HandlerVerdict(self.name, due.handler.role, due.handler.name, due.reason))
        words = [verdict.word for verdict in planned.verdicts]
        self.tally.skipped = words.count("skip")
        self.tally.unknown = words.count("unknown")
        self.tally.ok = len(words) - self.tally.skipped

    def sharing(self) -> list[tuple[Task, Shared]]:
        """The tasks that have work in common with other hosts, with that work as things stand on this host."""
        tasks = self.playbook.tasks if self.playbook else ()
        found = [(task, sayings.shared_work(task, self.observed.readings, self.observed.facts)) for task in tasks]
        return [(task, shared) for task, shared in found if shared]

    def notices(self) -> list[str]:
        """What the resources of this host have to say that is no failure."""
        tasks = self.playbook.tasks if self.playbook else ()
        shown = [task.resource for task in tasks if task.resource is not None and task.when and not task.no_log]
        return [text for resource in shown for text in sayings.say(resource, "notices", self.observed.readings)]

    def urls(self) -> list[str]:
        """Where the host now answers."""
        return [url for resource in self._resources() for url in sayings.say(resource, "urls", self.observed.readings)]

    def _resources(self) -> list[Resource]:
        tasks = self.playbook.tasks if self.playbook else ()
        return [task.resource for task in tasks if task.resource is not None and task.when]

    def apply(self, planned: Plan) -> None:
        """One trip: the steps in order, up to the first that fails. New logins that steps wait for are no trips."""
        self._emit(Phase(self.name, "apply"))
        self._applied = applied = Application(self.name, planned.items, self._emit, self._new_login)
        try:
            self._session.trip(script.apply(applied.steps, audit=self._audit, owners=applied.owners), applied)
        except Unreachable as error:
            raise applied.cut(error) from error
        # Several may have one name, as the turns of a loop whose items are secret.
        seen: Counter[tuple[str, str]] = Counter()
        for item in applied.finished:
            seen[item.role, item.name] += 1
            self.tally.changed_tasks.add((item.role, item.name, seen[item.role, item.name]))
        self.tally.changed = len(self.tally.changed_tasks)
        applied.check()
        # A roll plans its second stage from the same survey: the handlers that ran are no longer due in it.
        stamps = self.observed.readings.get(STAMP_READ, {})
        self.observed.readings[STAMP_READ] = {**stamps, **planned.stamps}

    def prove(self, stage: Callable[[Task], bool] = lambda task: True) -> None:
        """Survey again; what still differs gets another round, up to ROUNDS in all."""
        for round_ in range(1, ROUNDS + 1):
            self._emit(Phase(self.name, "prove"))
            self._observe()
            left = self.plan(stage)
            if not left.items:
                self.tally.unknown = 0
                return
            if round_ == ROUNDS:
                raise NotConverged(
                    "these do not settle: " + "; ".join(left.keys()),
                    hint="two tasks may want different things of one place, or something on the host undoes a change",
                )
            self._emit(Notice(self.name, f"another round is needed for {'; '.join(left.keys())}"))
            self.apply(left)


def _refuse_unmanageable(facts: Facts) -> None:
    if facts.os_family != "Debian":
        raise Refused(
            f"this host runs {facts.distribution or 'an unknown system'} {facts.distribution_version}".rstrip(),
            hint="provision manages Debian and Ubuntu hosts only",
        )
    if facts.uid != 0:
        raise Refused("the shell on this host is not root's", hint="log in as root or as a user who may use sudo")


def describe(error: BaseException) -> ProvisionError:
    """An error of ours for whatever ended a host's thread; anything unforeseen stays what it is."""
    if isinstance(error, ProvisionError):
        return error
    if isinstance(error, OSError):
        return ConnectionLost(str(error))
    raise error
