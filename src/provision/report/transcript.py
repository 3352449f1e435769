"""Events -> the lines that stay: what changed, what failed, the recap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provision.errors import Interrupted
from provision.events import (
    Event,
    HandlerVerdict,
    HostFinished,
    HostNotReached,
    Notice,
    Phase,
    TaskFinished,
    TaskOutput,
    TaskStarted,
    TaskVerdict,
)
from provision.report.blocks import host_block
from provision.report.changes import changes
from provision.report.differences import differences
from provision.report.headlines import INDENT, headline, together
from provision.report.lines import Line, clock, line, printable, printable_lines, wrapped
from provision.report.plans import Planned, plans
from provision.report.profile import Profile
from provision.report.recap import Ending, addresses, outlook, recap


@dataclass(frozen=True)
class Detail:
    """How much is shown."""

    check: bool = False
    """The run ends at the plan: what would change is the result."""
    diff: bool = False
    verbose: bool = False
    """Tasks that are ok or skipped, and the output of steps."""
    profile: bool = False
    """Where the time went, at the end."""
    command: str = "provision up"
    """What makes the changes that a plan shows."""


class Transcript:
    """Turns each event into the lines that stay on the screen or in the log, and knows how the hosts ended."""

    def __init__(self, detail: Detail, *, width: int | None = None, streaming: bool = True) -> None:
        """``streaming``: changed tasks are shown as they finish; otherwise in one list at the end."""
        self._detail = detail
        self._width = width
        self._streaming = streaming
        self._changed: dict[str, dict[str, list[str]]] = {}
        """Without streaming: role -> task -> hosts."""
        self._order: dict[str, Ending | None] = {}
        self._planned: defaultdict[str, list[Planned]] = defaultdict(list)
        """Of a plan: what each host would change, kept to the end, where hosts that are alike are shown together."""
        self._stopped: dict[tuple[str, str], list[str]] = {}
        """How hosts were stopped by Ctrl-C -> those where it was so."""
        self._differences: dict[tuple[str, str, str], list[TaskVerdict]] = {}
        self._handlers: dict[tuple[str, str, str], HandlerVerdict] = {}
        self._acting: set[str] = set()
        """Hosts past their first plan; what a later survey finds ok has been shown already."""
        self._partial: defaultdict[str, str] = defaultdict(str)
        self._profile = Profile()

    def lines(self, event: Event) -> Iterable[Line]:
        """The lines that stay because of ``event``; often none."""
        if event.host:
            self._order.setdefault(event.host, None)
        self._profile.add(event)
        match event:
            case Phase():
                self._enter(event)
            case TaskVerdict():
                return self._task_verdict(event)
            case HandlerVerdict():
                return self._handler_verdict(event)
            case TaskStarted() if self._detail.verbose:
                return self._wrapped(headline("task", event.host, event.role, event.task))
            case TaskOutput() if self._detail.verbose:
                return self._output(event)
            case TaskFinished():
                return self._task_finished(event)
            case Notice():
                return self._notice(event)
            case HostFinished() | HostNotReached():
                return self._ended(event)
        return ()

    def closing(self) -> list[Line]:
        """The end of the run: recap, addresses, and of a plan what it comes to."""
        endings = [ending for ending in self._order.values() if ending]
        if not endings:
            return []
        end = [outlook(endings, self._detail.command)] if self._detail.check else addresses(endings)
        profile = self._profile.lines() if self._detail.profile else ()
        parts = (
            self._stops(),
            plans({host: self._planned[host] for host in self._order}, width=self._width),
            changes(self._changed, list(self._order), width=self._width),
            recap(endings, width=self._width),
            (part for content in end for part in wrapped(content, self._width, 2)),
            (part for content in profile for part in wrapped(content, self._width, 11)),
        )
        blocks = [block for part in parts if (block := list(part))]
        return [content for block in blocks for content in (line(""), *block)][1:]

    def _stops(self) -> Iterator[Line]:
        for (message, hint), hosts in self._stopped.items():
            yield from host_block(together(hosts), Interrupted(message, hint=hint), width=self._width)

    def _enter(self, event: Phase) -> None:
        if event.name in ("apply", "prove"):
            self._acting.add(event.host)
        if event.name in ("survey", "prove"):
            # A new reading replaces what the last one said.
            self._differences = {key: value for key, value in self._differences.items() if key[0] != event.host}

    def _task_verdict(self, event: TaskVerdict) -> Iterable[Line]:
        if event.verdict in ("change", "unknown"):
            if self._detail.check:
                self._planned[event.host].append(self._entry(event))
            elif event.verdict == "change":
                self._differences.setdefault((event.host, event.role, event.task), []).append(event)
            return ()
        if not self._detail.verbose or event.host in self._acting:
            return ()
        if self._detail.check:
            self._planned[event.host].append(self._entry(event))
            return ()
        return self._wrapped(headline(_word(event), event.host, event.role, event.task))

    def _entry(self, event: TaskVerdict) -> Planned:
        found = differences(event, diff=self._detail.diff, width=self._width)
        return Planned(_word(event), event.role, event.task, differences=tuple(found))

    def _handler_verdict(self, event: HandlerVerdict) -> Iterable[Line]:
        self._handlers[event.host, event.role, event.handler] = event
        if self._detail.check:
            self._planned[event.host].append(Planned("handler", event.role, event.handler, event.reason))
        return ()

    def _output(self, event: TaskOutput) -> Iterator[Line]:
        *complete, rest = (self._partial[event.host] + event.text).split("\n")
        self._partial[event.host] = rest
        for text in complete:
            yield _output_line(event.host, text)

    def _task_finished(self, event: TaskFinished) -> Iterator[Line]:
        if rest := self._partial.pop(event.host, ""):
            yield _output_line(event.host, rest)
        key = (event.host, event.role, event.task)
        # A failed task is shown with its cause, when its host ends.
        if event.status == "failed" or (event.status == "ok" and not self._detail.verbose):
            return
        if not self._streaming:
            self._changed.setdefault(event.role, {}).setdefault(event.task, []).append(event.host)
            return
        word = "handler" if key in self._handlers else event.status
        yield from self._wrapped(headline(word, *key, (f"  {clock(event.seconds)}", "dim")))
        if verdicts := self._differences.get(key):
            verdict = verdicts.pop(0)
            if self._detail.diff or self._detail.verbose:
                yield from differences(verdict, diff=self._detail.diff, width=self._width)

    def _notice(self, event: Notice) -> Iterator[Line]:
        place = f"[{event.host}] " if event.host else ""
        first, *rest = printable_lines(event.text)
        yield from self._wrapped((("notice:  ", "unknown"), (place, "bold"), (first, "")))
        for text in rest:
            yield from self._wrapped(line(" " * INDENT + text))

    def _ended(self, event: HostFinished | HostNotReached) -> Iterable[Line]:
        self._order[event.host] = event
        error = event.error if isinstance(event, HostFinished) else None
        if isinstance(error, Interrupted):
            self._stopped.setdefault((error.message, error.hint), []).append(event.host)
            return ()
        return host_block(event.host, error, width=self._width) if error else ()

    def _wrapped(self, content: Line) -> Iterator[Line]:
        return wrapped(content, self._width, INDENT)


def _word(event: TaskVerdict) -> str:
    return "skipped" if event.verdict == "skip" else event.verdict


def _output_line(host: str, text: str) -> Line:
    return ((f"  {host} | ", "dim"), (printable(text), ""))
