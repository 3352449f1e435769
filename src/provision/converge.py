"""One host: survey, plan, apply, prove. Knows the transport only as a session that makes trips."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from provision import diffs, plan, script
from provision.errors import ConnectionLost, HostError, Interrupted, NotConverged, ProvisionError, Refused, StepFailed
from provision.events import (
    Emit,
    HandlerVerdict,
    Notice,
    Phase,
    TaskFinished,
    TaskOutput,
    TaskStarted,
    TaskVerdict,
)
from provision.plan import STAMP_READ, Item, Plan
from provision.resources.base import Content, Facts, Read, Reading, Resource, Shared, Step
from provision.resources.task import Playbook, Task
from provision.script import Observed
from provision.transport.frames import Frame

ROUNDS = 3
"""Surveys after a change; more than one is a bug in a role, more than three do not end."""

LOG_LINES = 40
"""Lines of a failing step's output kept for its error."""

_ADVICE = (
    (
        r"No space left on device|enough free space|Disk quota exceeded",
        "a file system of this host is full: see `df -h; df -i` there, make room and run again",
    ),
    (
        r"Temporary failure (resolving|in name resolution)|Could not resolve|Name or service not known",
        "this host cannot resolve that name: see its /etc/resolv.conf, then run again",
    ),
    (r"apt-get update failed", "mend the sources below /etc/apt, or this host's way to them, and run again"),
)
"""What a step's log says where its surroundings are to blame -> what to do."""


class Trips(Protocol):
    """The part of transport.session.Session that is needed here."""

    trips: int

    def trip(self, files: Mapping[str, bytes], on_frame: Callable[[Frame], None]) -> None:
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
    changed_tasks: set[str] = field(default_factory=set)


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
    ) -> None:
        self.name = name
        self.tally = Tally()
        self.playbook: Playbook | None = None
        self.observed = Observed()
        self._play, self._session, self._emit = play, session, emit
        self._selected, self._diff, self._audit = selected, diff, dict(audit or {})
        self._applied: _Application | None = None

    @property
    def running(self) -> Step | None:
        """The step that runs on the host now. Safe to ask from another thread."""
        return self._applied.running if self._applied else None

    def survey(self) -> None:
        """One trip for facts and all reads; a second one only if a task's identity uses a fact."""
        self._emit(Phase(self.name, "survey"))
        self._observe()

    def _observe(self) -> None:
        reads = self._play.reads() | {STAMP_READ}
        self.observed = self._read(reads)
        _refuse_unmanageable(self.observed.facts)
        self.playbook = self._play.resolve(self.observed.facts)
        wanted = {read for resource in self._resources() for read in resource.reads()}
        if missing := self._worth_reading(wanted) - set(self.observed.readings):
            self.observed.readings |= self._read(missing).readings

    def _worth_reading(self, reads: set[Read]) -> set[Read]:
        """Old content is only for showing a diff."""
        return reads if self._diff else {read for read in reads if not isinstance(read, Content)}

    def _read(self, reads: set[Read]) -> Observed:
        reads = self._worth_reading(reads)
        parser = script.SurveyParser(reads)
        self._session.trip(script.survey(reads, contents=self._diff), parser)
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
        found = [(task, shared_work(task, self.observed.readings, self.observed.facts)) for task in tasks]
        return [(task, shared) for task, shared in found if shared]

    def notices(self) -> list[str]:
        """What the resources of this host have to say that is no failure."""
        tasks = self.playbook.tasks if self.playbook else ()
        shown = [task.resource for task in tasks if task.resource is not None and task.when and not task.no_log]
        return [text for resource in shown for text in _say(resource, "notices", self.observed.readings)]

    def urls(self) -> list[str]:
        """Where the host now answers."""
        return [url for resource in self._resources() for url in _say(resource, "urls", self.observed.readings)]

    def _resources(self) -> list[Resource]:
        tasks = self.playbook.tasks if self.playbook else ()
        return [task.resource for task in tasks if task.resource is not None and task.when]

    def apply(self, planned: Plan) -> None:
        """One trip: the steps in order, up to the first that fails."""
        self._emit(Phase(self.name, "apply"))
        self._applied = applied = _Application(self.name, planned.items, self._emit)
        self._session.trip(script.apply(applied.steps, audit=self._audit), applied)
        self.tally.changed_tasks |= {f"{item.role}/{item.name}" for item in applied.finished}
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


class _Application:
    """Follows the frames of an apply trip and turns them into events."""

    def __init__(self, host: str, items: Sequence[Item], emit: Emit) -> None:
        self._host, self._emit = host, emit
        self._owners: list[tuple[Item, Step]] = [(item, step) for item in items for step in item.steps]
        self.steps = [step for _, step in self._owners]
        self.finished: list[Item] = []
        self.running: Step | None = None
        self._log = ""
        self._began = time.monotonic()
        self._current: Item | None = None
        self._done = 0
        self._failure: StepFailed | None = None

    def __call__(self, frame: Frame) -> None:
        """Take one frame of runner.sh."""
        if frame.verb not in {"start", "output", "status"}:
            return
        numbers = [int(word) for word in frame.words[1:] if re.fullmatch("[0-9]{1,9}", word)]
        if len(numbers) != (2 if frame.verb == "status" else 1) or not 1 <= numbers[0] <= len(self._owners):
            raise HostError(f"the host reports what it was not asked to do: {' '.join(frame.words)[:60]!r}")
        item, step = self._owners[numbers[0] - 1]
        if frame.verb == "start":
            self.running = step
            if item is not self._current:
                self._current, self._log, self._began = item, "", time.monotonic()
                self._emit(TaskStarted(self._host, item.role, item.name))
        elif frame.verb == "output":
            text = frame.body.decode("utf-8", "replace")
            self._log = (self._log + text)[-64 * 1024 :]
            self._emit(TaskOutput(self._host, item.name, text))
        elif frame.verb == "status":
            self._status(item, step, numbers[1])

    def _status(self, item: Item, step: Step, status: int) -> None:
        self._done += 1
        self.running = None
        seconds = time.monotonic() - self._began
        if status:
            log = self._log.splitlines()[-LOG_LINES:]
            hint = next((advice for words, advice in _ADVICE if re.search(words, self._log)), "")
            task = f"{item.role} : {item.name}"
            self._failure = StepFailed(_cause(step, status), rc=status, task=task, log=log, hint=hint)
            self._emit(TaskFinished(self._host, item.role, item.name, "failed", seconds))
        elif step is item.steps[-1]:
            self.finished.append(item)
            self._emit(TaskFinished(self._host, item.role, item.name, "changed", seconds))

    def check(self) -> None:
        """Raise what ended the trip before its last step, if anything did."""
        if self._failure is not None:
            raise self._failure
        if self._done < len(self.steps):
            raise stopped()


def stopped() -> Interrupted:
    """What ends a host once the user has asked to stop."""
    return Interrupted("stopped as asked, between two steps", hint="run again: it goes on from there")


def shared_work(task: Task, readings: Mapping[Read, Reading], facts: Facts) -> Shared | None:
    """What a task has to do on something that hosts have in common."""
    share: Callable[[Mapping[Read, Reading], Facts], Shared | None] | None = getattr(task.resource, "shared", None)
    return share(readings, facts) if share is not None and task.when else None


def _say(resource: Resource, name: str, readings: Mapping[Read, Reading]) -> list[str]:
    """Kinds that only report (site) have these; the contract of a kind does not ask for them."""
    speak: Callable[[Mapping[Read, Reading]], list[str]] | None = getattr(resource, name, None)
    return speak(readings) if speak is not None else []


def _cause(step: Step, status: int) -> str:
    title = f"{step.title} " if step.title else ""
    if step.timeout and status in {124, 137}:
        return f"{title}did not end within {step.timeout} s"
    return f"{title}ended with status {status}"


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
