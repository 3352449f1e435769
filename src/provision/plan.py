"""Compare what is wanted with what was observed, and put the steps of a host in order. Pure.

A restart is state, not an event: a handler's stamp on the host is the digest of everything its notifiers want. A plan
that changes a notifier deletes the stamp first and writes it after the handler has run, so a run killed anywhere in
between still finds the restart due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from provision.handlers import (
    STAMP_READ,
    action_of,
    answering,
    forget,
    notifies,
    remember,
    stamp_digest,
    stamp_name,
    unit_of,
)
from provision.resources.base import Change, Diff, Facts, Read, Reading, Resource, State, Step
from provision.resources.package import Package
from provision.resources.service import Service, act
from provision.resources.task import Handler, Playbook, Task
from provision.shell import lines, sh
from provision.together import install_with


def compare(desired: State, observed: Mapping[Read, Reading], facts: Facts) -> Diff:
    """The properties whose observed text is not the desired one; a property the host lacks reads as empty."""
    changes = (Change(prop, observed.get(prop.read, {}).get(prop.name, ""), wanted) for prop, wanted in desired.items())
    return Diff(tuple(change for change in changes if change.before != change.after), observed, facts)


@dataclass(frozen=True)
class Selection:
    """``--tags``, ``--skip-tags`` and ``--role``, with Ansible's meaning."""

    tags: frozenset[str] = frozenset()
    skip_tags: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    def __contains__(self, task: Task) -> bool:
        if self.roles and task.role not in self.roles:
            return False
        tags = task.tags or frozenset({"untagged"})
        return self._wants(tags) and not self._skips(tags)

    def _wants(self, tags: frozenset[str]) -> bool:
        if "always" in tags or self.tags & tags:
            return True
        if "never" in tags:
            return False
        return not self.tags or "all" in self.tags or ("tagged" in self.tags and "untagged" not in tags)

    def _skips(self, tags: frozenset[str]) -> bool:
        if "all" in self.skip_tags:
            return "always" not in tags or "always" in self.skip_tags
        return bool(self.skip_tags & tags) or ("tagged" in self.skip_tags and "untagged" not in tags)


@dataclass(frozen=True)
class Verdict:
    """What the plan says of one task."""

    task: Task
    word: str
    """ok, change, unknown (an earlier change decides) or skip."""
    diff: Diff | None = None


@dataclass(frozen=True)
class Due:
    """A handler that will run, and why."""

    handler: Handler
    reason: str


@dataclass(frozen=True)
class Item:
    """The steps of one task or handler; ``role`` and ``name`` say whose."""

    role: str
    name: str
    steps: tuple[Step, ...]
    is_handler: bool = False

    def of(self, task: Task) -> bool:
        """Are these the steps of ``task``?"""
        return not self.is_handler and (self.role, self.name) == (task.role, task.name)


@dataclass
class Plan:
    """The ordered changes of one host. Empty ``items`` = converged."""

    verdicts: list[Verdict] = field(default_factory=list)
    due: list[Due] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    stamps: dict[str, str] = field(default_factory=dict)
    """What the stamps of its handlers will be when all steps have run."""

    def keys(self) -> list[str]:
        """What will not settle, for NotConverged: each task with the properties that differ."""
        named = [
            f"{verdict.task.name}: {', '.join(sorted({change.property.name for change in verdict.diff.changes}))}"
            for verdict in self.verdicts
            if verdict.word != "ok" and verdict.diff is not None
        ]
        return named + [f"handler {due.handler.name}" for due in self.due]


def build(
    playbook: Playbook,
    observed: Mapping[Read, Reading],
    facts: Facts,
    selected: Callable[[Task], bool],
    *,
    stage: Callable[[Task], bool] = lambda task: True,
) -> Plan:
    """The plan of one host. ``stage`` leaves out tasks whose turn comes later in a roll."""
    return _Builder(playbook, observed, facts, selected, stage).build()


class _Builder:
    """Walks the tasks once, in order, keeping for each handler what it has still to answer."""

    def __init__(
        self,
        playbook: Playbook,
        observed: Mapping[Read, Reading],
        facts: Facts,
        selected: Callable[[Task], bool],
        stage: Callable[[Task], bool],
    ) -> None:
        self._playbook, self._observed, self._facts = playbook, observed, facts
        self._selected, self._stage = selected, stage
        self._states = {
            id(task): task.resource.desired(facts) for task in playbook.tasks if task.resource is not None and task.when
        }
        self._handlers = {handler: self._digest(handler) for handler in playbook.handlers}
        self._last = {
            handler: max((i for i, task in enumerate(playbook.tasks) if notifies(task, handler)), default=-1)
            for handler in playbook.handlers
        }
        stamps = observed.get(STAMP_READ, {})
        self._stale = {
            handler
            for handler, digest in self._handlers.items()
            if digest and stamps.get(stamp_name(handler)) != digest and self._has_turn(handler)
        }
        self._notified: dict[Handler, Task] = {}
        self._plan = Plan()

    def build(self) -> Plan:
        """All tasks, then a last flush, as at the end of a play."""
        for position, task in enumerate(self._playbook.tasks):
            if task.flush:
                self._flush(position)
            elif task.resource is not None:
                self._task(position, task, task.resource)
        self._flush(len(self._playbook.tasks))
        return self._plan

    def _in_turn(self, task: Task) -> bool:
        return task.when and self._selected(task) and self._stage(task)

    def _has_turn(self, handler: Handler) -> bool:
        """Does the last of those that notify it come now? Before that it would have to run again."""
        last = [task for task in self._notifiers(handler) if self._selected(task)][-1:]
        return any(map(self._stage, last))

    def _notifiers(self, handler: Handler) -> Iterator[Task]:
        return (task for task in self._playbook.tasks if task.when and notifies(task, handler))

    def _digest(self, handler: Handler) -> str:
        """Empty for a handler that nothing notifies on this host: it is never due."""
        notifiers = [(task, self._states[id(task)]) for task in self._notifiers(handler)]
        return stamp_digest(handler, notifiers) if notifiers else ""

    def _task(self, position: int, task: Task, resource: Resource) -> None:
        if not self._in_turn(task):
            if not task.when:
                self._plan.verdicts.append(Verdict(task, "skip"))
            return
        diff = compare(self._states[id(task)], self._observed, self._facts)
        if not diff.changes:
            self._plan.verdicts.append(Verdict(task, "ok", diff))
            return
        guarded = bool(self._plan.items) and getattr(resource, "GUARDED", False)
        self._plan.verdicts.append(Verdict(task, "unknown" if guarded else "change", diff))
        steps = self._change(position, resource, diff)
        answered: list[Handler] = []
        if isinstance(resource, Service) and resource.starts(diff):
            answered = [handler for handler in self._due(position) if unit_of(handler) == resource.unit]
            steps[0] = self._restart_instead(resource.unit, steps[0], answered)
        # What a start answers it does not notify again: its stamp has just been written.
        heard = [handler for handler in self._playbook.handlers if notifies(task, handler) and handler not in answered]
        stale = [forget(handler) for handler in heard if handler not in self._notified]
        steps[0] = replace(steps[0], script=lines(*stale, steps[0].script))
        self._notified |= {handler: task for handler in heard}
        if task.no_log:
            steps = [replace(step, secret=True) for step in steps]
        self._plan.items.append(Item(task.role, task.name, tuple(steps)))

    def _change(self, position: int, resource: Resource, diff: Diff) -> list[Step]:
        if isinstance(resource, Package):
            return resource.change(diff, also=install_with(resource, self._changing_after(position)))
        return list(resource.change(diff))

    def _changing_after(self, position: int) -> Iterator[Task]:
        """The tasks that will change something before any handler runs."""
        for task in self._playbook.tasks[position + 1 :]:
            if task.flush:
                return
            if self._in_turn(task) and compare(self._states[id(task)], self._observed, self._facts).changes:
                yield task

    def _restart_instead(self, unit: str, start: Step, answered: list[Handler]) -> Step:
        """A planned start with due handlers is a restart: a package may have started the unit meanwhile.

        `systemctl start` changes nothing then, so the unit is stopped first, in the same step: no cut can fall between.
        """
        if not answered:
            return start
        for handler, others in answering(answered):
            self._settle(handler, "its unit starts anew", others)
        stop = sh("systemctl stop -- {} 2>/dev/null || :", unit)
        return self._remembering(replace(start, script=lines(stop, start.script)), answered)

    def _due(self, position: int) -> list[Handler]:
        """Handlers to run now: notified by a change before ``position``, or with a stale stamp once all have spoken."""
        return [
            handler
            for handler in self._playbook.handlers
            if handler in self._notified or (handler in self._stale and self._last[handler] <= position)
        ]

    def _flush(self, position: int) -> None:
        for handler, others in answering(self._due(position)):
            step = self._remembering(act(unit_of(handler), action_of(handler)), [handler, *others])
            self._settle(handler, self._reason(handler), others)
            self._plan.items.append(Item(handler.role, handler.name, (step,), is_handler=True))

    def _reason(self, handler: Handler) -> str:
        task = self._notified.get(handler)
        return f"notified by {task.name}" if task else "its last run is not on record"

    def _settle(self, handler: Handler, reason: str, others: Iterable[Handler]) -> None:
        """It will have run, for the ``others`` as well."""
        self._plan.due.append(Due(handler, reason))
        for answered in (handler, *others):
            self._plan.stamps[stamp_name(answered)] = self._handlers[answered]
            self._notified.pop(answered, None)
            self._stale.discard(answered)

    def _remembering(self, step: Step, handlers: Iterable[Handler]) -> Step:
        """The step, which in the end writes the stamps of these."""
        return replace(step, script=lines(step.script, *(remember(each, self._handlers[each]) for each in handlers)))
