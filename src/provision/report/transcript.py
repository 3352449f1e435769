"""Events -> the lines that stay: what changed, what failed, the recap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
from provision.report.lines import Line, Style, clock, line, printable, prose, text_of
from provision.report.recap import Ending, addresses, outlook, recap

_WORDS: dict[str, tuple[str, Style]] = {
    "ok": ("ok:", "ok"),
    "change": ("change:", "changed"),
    "changed": ("changed:", "changed"),
    "unknown": ("unknown:", "unknown"),
    "skip": ("skipped:", "unknown"),
    "failed": ("failed:", "failed"),
}


@dataclass(frozen=True)
class Detail:
    """How much is shown."""

    check: bool = False
    """The run ends at the plan: what would change is the result."""
    diff: bool = False
    verbose: bool = False
    """Tasks that are ok or skipped, and the output of steps."""
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
        self._planned: defaultdict[str, list[Line]] = defaultdict(list)
        """Of a plan: its lines, kept until the host is done, so that those of two hosts do not mix."""
        self._differences: dict[tuple[str, str, str], list[TaskVerdict]] = {}
        self._handlers: dict[tuple[str, str, str], HandlerVerdict] = {}
        self._acting: set[str] = set()
        """Hosts past their first plan; what a later survey finds ok has been shown already."""
        self._partial: defaultdict[str, str] = defaultdict(str)

    def lines(self, event: Event) -> Iterable[Line]:
        """The lines that stay because of ``event``; often none."""
        if event.host:
            self._order.setdefault(event.host, None)
        match event:
            case Phase():
                self._enter(event)
            case TaskVerdict():
                return self._task_verdict(event)
            case HandlerVerdict():
                return self._handler_verdict(event)
            case TaskStarted() if self._detail.verbose:
                return [(("task:    ", "dim"), *_place(event.host, event.role, event.task))]
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
        block = [*changes(self._changed, list(self._order), width=self._width), *recap(endings)]
        if self._changed:
            block.insert(-len(endings), line(""))
        if self._detail.check:
            return [*block, line(""), outlook(endings, self._detail.command)]
        urls = addresses(endings)
        return [*block, line(""), *urls] if urls else block

    def _enter(self, event: Phase) -> None:
        if event.name in ("apply", "prove"):
            self._acting.add(event.host)
        if event.name in ("survey", "prove"):
            # A new reading replaces what the last one said.
            self._differences = {key: value for key, value in self._differences.items() if key[0] != event.host}

    def _task_verdict(self, event: TaskVerdict) -> Iterable[Line]:
        if event.verdict in ("change", "unknown"):
            if self._detail.check:
                self._planned[event.host] += [_headline(event), *differences(event, diff=self._detail.diff)]
            elif event.verdict == "change":
                self._differences.setdefault((event.host, event.role, event.task), []).append(event)
            return ()
        if not self._detail.verbose or event.host in self._acting:
            return ()
        if self._detail.check:
            self._planned[event.host].append(_headline(event))
            return ()
        return [_headline(event)]

    def _handler_verdict(self, event: HandlerVerdict) -> Iterable[Line]:
        self._handlers[event.host, event.role, event.handler] = event
        if self._detail.check:
            place = _place(event.host, event.role, event.handler)
            self._planned[event.host].append((("handler: ", "changed"), *place, (f"  {event.reason}", "dim")))
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
        word: tuple[str, Style] = ("handler:", "changed") if key in self._handlers else _WORDS[event.status]
        yield _labelled(word, event.host, event.role, event.task, (f"  {clock(event.seconds)}", "dim"))
        if verdicts := self._differences.get(key):
            verdict = verdicts.pop(0)
            if self._detail.diff or self._detail.verbose:
                yield from differences(verdict, diff=self._detail.diff)

    def _notice(self, event: Notice) -> Iterator[Line]:
        place = f"[{event.host}] " if event.host else ""
        first, *rest = prose(f"notice:  {place}{event.text}", indent="", width=self._width)
        yield (("notice:  ", "unknown"), (place, "bold"), (text_of(first)[9 + len(place) :], ""))
        yield from (line(" " * 9 + text_of(part)) for part in rest)

    def _ended(self, event: HostFinished | HostNotReached) -> Iterator[Line]:
        self._order[event.host] = event
        yield from self._planned.pop(event.host, ())
        if isinstance(event, HostFinished) and event.error:
            yield from host_block(event.host, event.error, width=self._width)


def _place(host: str, role: str, task: str) -> Line:
    return ((f"[{host}]", "bold"), (f" {role} : " if role else " ", "dim"), (printable(task), ""))


def _labelled(word: tuple[str, Style], host: str, role: str, task: str, *rest: tuple[str, Style]) -> Line:
    return ((f"{word[0]:<8} ", word[1]), *_place(host, role, task), *rest)


def _headline(event: TaskVerdict) -> Line:
    return _labelled(_WORDS[event.verdict], event.host, event.role, event.task)


def _output_line(host: str, text: str) -> Line:
    return ((f"  {host} | ", "dim"), (printable(text), ""))
