"""One role on one host after another: create, converge, converge again, verify, destroy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from provision.bench.events import STEPS, BenchEmit, HostKept, StepBegun, StepEnded
from provision.bench.pytest_ import run_pytest
from provision.bench.scenario import Scenario
from provision.errors import HostError, Interrupted, ProvisionError
from provision.events import Event, HostFinished, TaskFinished, TaskVerdict
from provision.lab.inventory import connection
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image
from provision.options import Options
from provision.playbook import HostPlay
from provision.tasks import TaskSource
from provision.transport.protocol import Login


class Runner(Protocol):
    """Runs a play on its host, as `provision up` and `plan` do, and returns the events. Raises Interrupted."""

    def __call__(self, play: HostPlay, login: Login, options: Options) -> Sequence[Event]: ...


@dataclass(frozen=True)
class Ran:
    """What the events of a run say."""

    events: Sequence[Event]

    @property
    def recap(self) -> HostFinished:
        """How the one host ended."""
        (recap,) = [event for event in self.events if isinstance(event, HostFinished)]
        return recap

    @property
    def changed(self) -> list[str]:
        """The tasks and handlers that changed something, as ``role : task``, in their order."""
        ended = [event for event in self.events if isinstance(event, TaskFinished)]
        return list(dict.fromkeys(f"{event.role} : {event.task}" for event in ended if event.status == "changed"))

    @property
    def differing(self) -> list[TaskVerdict]:
        """The tasks whose wanted state was not that of the host."""
        verdicts = [event for event in self.events if isinstance(event, TaskVerdict)]
        return [event for event in verdicts if event.verdict in ("change", "unknown")]

    def check(self) -> Ran:
        """Itself, where the host did not fail; else the host's error is raised."""
        if self.recap.error is not None:
            raise self.recap.error
        return self

    def __str__(self) -> str:
        return f"{self.recap.changed} changed, {counted(self.recap.trips, 'trip')}"


class Bench:
    """Tests a scenario on hosts of a lab, each of its own."""

    def __init__(
        self, scenario: Scenario, lab: Lab, run: Runner, emit: BenchEmit, *, keep: bool = False, show: bool = False
    ) -> None:
        """With ``keep`` hosts are left when their test is over; with ``show`` pytest speaks for itself."""
        self._scenario, self._lab, self._run, self._emit = scenario, lab, run, emit
        self._keep, self._show = keep, show
        self._steps = (self._create, self._converge, self._idempotence, self._verify)

    def test(self, image: Image) -> bool:
        """Whether all steps pass on a new host of ``image``; the host is ended, whatever happens."""
        ended = True
        try:
            passed = all(self._step(image, name, work) for name, work in zip(STEPS, self._steps, strict=False))
        finally:
            if self._keep:
                for host in self._hosts(image):
                    self._emit(HostKept(str(image), host.name, self._lab.name))
            else:
                ended = self._step(image, STEPS[-1], self._destroy)
        return passed and ended

    def _step(self, image: Image, name: str, work: Callable[[Image], str]) -> bool:
        self._emit(StepBegun(str(image), name))
        summary, failure, began = "", None, time.monotonic()
        try:
            summary = work(image)
        except Interrupted:
            raise
        except ProvisionError as error:
            failure = error
        self._emit(StepEnded(str(image), name, time.monotonic() - began, summary, failure))
        return failure is None

    def _create(self, image: Image) -> str:
        return self._lab.add(image).name

    def _converge(self, image: Image) -> str:
        return str(self._up(image).check())

    def _idempotence(self, image: Image) -> str:
        ran = self._up(image).check()
        if ran.recap.changed:
            keys = {f"{event.role} : {event.task}": event.keys for event in ran.differing}
            raise HostError(
                f"the second run has changed {counted(len(ran.changed), 'task')} again",
                log=[line for task in ran.changed for line in (task, *(f"    {key}" for key in keys.get(task, ())))],
                hint="what a task wants must still be so when nothing but time has passed since it was done",
            )
        if ran.recap.trips > 1:
            raise HostError(
                f"the second run changed nothing, but took {ran.recap.trips} trips instead of one",
                hint="a fact (ansible_...) is used in a path, a name or another field that says what to read; "
                "give each of the possible tasks a when: instead",
            )
        return str(ran)

    def _verify(self, image: Image) -> str:
        scenario, (host,) = self._scenario, self._hosts(image)
        said = []
        # First: what is waited for may be what the others need.
        if scenario.waits:
            said.append(f"{self._up(image, scenario.waits).check().recap.ok} waited for")
        if scenario.checks:
            ran = self._up(image, scenario.checks, check=True).check()
            if ran.differing:
                raise HostError(
                    f"{len(ran.differing)} of {counted(ran.recap.ok, 'check')} in tests/verify.yml found otherwise",
                    log=list(_found(ran.differing)),
                    hint="-v shows what the runs before it did; with --keep the host stays for a look",
                )
            said.append(counted(ran.recap.ok, "check"))
        if scenario.tests:
            with TemporaryDirectory(prefix="provision-test-") as folder:
                said.append(run_pytest(scenario.tests, host, Path(folder), show=self._show))
        return "; ".join(said) or "nothing: there is neither tests/verify.yml nor tests/test_*.py"

    def _destroy(self, image: Image) -> str:
        for host in self._hosts(image):
            self._lab.remove(host)
        return ""

    def _hosts(self, image: Image) -> list[Host]:
        return [host for host in self._lab.hosts if host.image == image]

    def _up(self, image: Image, checks: tuple[TaskSource, ...] = (), *, check: bool = False) -> Ran:
        (host,) = self._hosts(image)
        play, login = self._scenario.play(self._scenario.host(host.name, connection(host)), checks)
        return Ran(self._run(play, login, Options(check=check, command=f"provision test {self._scenario.role}")))


def _found(verdicts: Iterable[TaskVerdict]) -> Iterable[str]:
    for verdict in verdicts:
        yield verdict.task
        yield from (f"    {key}" for key in verdict.keys)


def counted(number: int, word: str) -> str:
    """``1 trip``, ``3 trips``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
