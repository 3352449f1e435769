"""The recap: one line per host in Ansible's manner, then where the apps answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provision.errors import Interrupted, Locked, ProvisionError, Unreachable
from provision.events import HostFinished, HostNotReached
from provision.report.lines import Line, Style, clock, line, text_of, wrapped

Ending = HostFinished | HostNotReached

_ALWAYS = ("ok", "changed", "failed", "unreachable")
_WHERE_ANY = ("unknown", "skipped")
_KEPT = ("ok", "changed", "trips")
"""What is told of every run, on however narrow a screen."""

_STYLES: dict[str, Style] = {
    "ok": "ok",
    "changed": "changed",
    "failed": "failed",
    "unreachable": "failed",
    "unknown": "unknown",
    "skipped": "unknown",
}


def status(event: Ending) -> Style:
    """The colour of a host in the recap: its worst number's, as Ansible does it."""
    if isinstance(event, HostNotReached):
        return "dim"
    if event.error or event.failed or event.unreachable:
        return "failed"
    return "changed" if event.changed else "unknown" if event.unknown else "ok"


def outcome(event: Ending) -> str:
    """How a host ended, in few words, while others are at work."""
    if isinstance(event, HostNotReached):
        return f"not reached: {event.reason}"
    if isinstance(event.error, Unreachable):
        return "unreachable"
    return _word(event.error) or ("failed" if event.failed else f"done, {event.changed} changed")


def recap(endings: Sequence[Ending], *, width: int | None = None) -> list[Line]:
    """One line per host, its numbers aligned with those of the others, in the order given.

    Where ``width`` columns do not hold that, what is 0 everywhere is left out; where that is not enough, the name of
    each host gets a line of its own.
    """
    names = max((len(event.host) for event in endings), default=0)
    finished = [event for event in endings if isinstance(event, HostFinished)]
    found = {name: [getattr(event, name) for event in finished] for name in (*_ALWAYS, *_WHERE_ANY, "trips")}
    every = [name for name, numbers in found.items() if name not in _WHERE_ANY or any(numbers)]
    for columns in (every, [name for name in every if name in _KEPT or any(found[name])]):
        widths = {name: max(map(len, map(str, found[name])), default=0) for name in columns}
        if width is None or all(len(text_of(_row(event, names, widths))) <= width for event in finished):
            return [part for event in endings for part in wrapped(_row(event, names, widths), width, names + 3)]
    return [part for event in endings for part in _stacked(event, every, width)]


def addresses(endings: Sequence[Ending]) -> list[Line]:
    """Where the apps answer, each address once: the hosts of one fleet may share a name."""
    hosts: dict[str, list[str]] = {}
    for event in endings:
        for url in event.urls if isinstance(event, HostFinished) else ():
            hosts.setdefault(url, []).append(event.host)
    if len(endings) == 1:
        return [line(url, "bold") for url in hosts]
    width = max(map(len, hosts), default=0)
    return [((f"{url:<{width}}", "bold"), (f"  {', '.join(names)}", "dim")) for url, names in hosts.items()]


def outlook(endings: Sequence[Ending], command: str) -> Line:
    """What a plan comes to, in one sentence; ``command`` is what makes the changes."""
    finished = [event for event in endings if isinstance(event, HostFinished)]
    if len(finished) < len(endings) or any(event.error for event in finished):
        return line("The plan is incomplete: not every host could be read.", "failed")
    changed, unknown = sum(event.changed for event in finished), sum(event.unknown for event in finished)
    if not changed and not unknown:
        return line("Nothing to change.", "ok")
    # The unknown ones are among the changed: their steps ask again when their turn comes.
    known = f"{changed - unknown} change{'' if changed - unknown == 1 else 's'} pending"
    later = f", {unknown} more can only be known after them" if unknown else ""
    return line(f"{known}{later}. `{command}` makes them.", "changed")


def _row(event: Ending, names: int, widths: dict[str, int]) -> Line:
    head: Line = ((f"{event.host:<{names}}", status(event)), (" : ", ""))
    return (*head, *(_numbers(event, widths) if isinstance(event, HostFinished) else line(outcome(event))))


def _stacked(event: Ending, columns: Sequence[str], width: int | None) -> Iterator[Line]:
    """The name of a host, and its numbers below it."""
    yield line(event.host, status(event))
    body = _numbers(event, dict.fromkeys(columns, 0)) if isinstance(event, HostFinished) else line(outcome(event))
    yield from wrapped((("    ", ""), *body), width, 4)


def _numbers(event: HostFinished, widths: dict[str, int]) -> Line:
    spans: list[tuple[str, Style]] = []
    for name, width in widths.items():
        number = getattr(event, name)
        spans.append((f"{name}={number}", _STYLES.get(name, "") if number else ""))
        spans.append((" " * max(1, 1 + width - len(str(number))), ""))
    spans.append((clock(event.seconds), "dim"))
    word = _word(event.error)
    return (*spans, (f" {word}" if word else "", "failed"))


def _word(error: ProvisionError | None) -> str:
    return "locked" if isinstance(error, Locked) else "stopped" if isinstance(error, Interrupted) else ""
