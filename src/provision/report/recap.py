"""The recap: one line per host in Ansible's manner, then where the apps answer."""

from __future__ import annotations

from collections.abc import Sequence

from provision.errors import Interrupted, Locked
from provision.events import HostFinished, HostNotReached
from provision.report.lines import Line, Style, clock, line

Ending = HostFinished | HostNotReached

_ALWAYS = ("ok", "changed", "failed", "unreachable")
_WHERE_ANY = ("unknown", "skipped")
_STYLES: dict[str, Style] = {
    "ok": "ok",
    "changed": "changed",
    "failed": "failed",
    "unreachable": "failed",
    "unknown": "unknown",
    "skipped": "unknown",
}


def status(event: HostFinished) -> Style:
    """The colour of a host in the recap: its worst number's, as Ansible does it."""
    if event.error or event.failed or event.unreachable:
        return "failed"
    return "changed" if event.changed else "unknown" if event.unknown else "ok"


def recap(endings: Sequence[Ending]) -> list[Line]:
    """One line per host, its numbers aligned with those of the others, in the order given."""
    names = max((len(event.host) for event in endings), default=0)
    finished = [event for event in endings if isinstance(event, HostFinished)]
    optional = [name for name in _WHERE_ANY if any(getattr(event, name) for event in finished)]
    columns = [*_ALWAYS, *optional, "trips"]
    widths = {name: max((len(str(getattr(event, name))) for event in finished), default=0) for name in columns}
    return [
        _host(event, names, widths) if isinstance(event, HostFinished) else _not_reached(event, names)
        for event in endings
    ]


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


def _host(event: HostFinished, names: int, widths: dict[str, int]) -> Line:
    spans: list[tuple[str, Style]] = [(f"{event.host:<{names}}", status(event)), (" :", "")]
    for name, width in widths.items():
        number = getattr(event, name)
        spans += [(" ", ""), (f"{name}={number}", _STYLES.get(name, "") if number else "")]
        spans.append((" " * (width - len(str(number))), ""))
    spans.append((f" {clock(event.seconds)}", "dim"))
    word = "locked" if isinstance(event.error, Locked) else "stopped" if isinstance(event.error, Interrupted) else ""
    if word:
        spans.append((f" {word}", "failed"))
    return tuple(spans)


def _not_reached(event: HostNotReached, names: int) -> Line:
    return ((f"{event.host:<{names}}", "dim"), (f" : not reached: {event.reason}", ""))
