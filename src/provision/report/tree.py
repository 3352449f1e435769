"""The live tree: hosts, their roles, the tasks of the role at work, the last output of the running step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from provision.events import HostFinished
from provision.report.board import Board, Done, Host, Role
from provision.report.lines import Line, Style, clock, line, printable, ticking
from provision.report.recap import Ending, outcome, status

MAX_WIDTH = 100
"""Columns used of a wide terminal: a time at the far end of 200 columns cannot be matched with its task."""

_PHASES = {
    "connect": "connecting",
    "survey": "gathering facts",
    "plan": "planning",
    "apply": "applying",
    "prove": "proving",
    "wait": "waiting for its turn",
}


@dataclass(frozen=True)
class Glyphs:
    """The marks of the tree."""

    done: str
    failed: str
    running: str
    due: str
    output: str
    more: str


UNICODE = Glyphs(done="✔", failed="✘", running="●", due="·", output="│", more="…")
ASCII = Glyphs(done="+", failed="x", running="*", due=".", output="|", more="...")


@dataclass(frozen=True)
class _Depth:
    """How much of each host is drawn."""

    tasks: int
    tail: int


class Tree:
    """Draws a board in a given size."""

    def __init__(self, board: Board, glyphs: Glyphs = UNICODE) -> None:
        self._board = board
        self._glyphs = glyphs

    def lines(self, now: float, width: int, height: int) -> list[Line]:
        """The picture at ``now``: as deep as ``height`` rows allow, each line cut to ``width`` columns."""
        width = min(width, MAX_WIDTH)
        hosts = self._board.hosts.values()
        depth = _depth(list(hosts), height)
        names = max(map(len, self._board.hosts), default=0)
        drawn: list[Line] = []
        for host in hosts:
            if host.ended:
                drawn.append(self._ended(host.ended, width))
            elif depth:
                drawn.extend(self._host(host, now, width, depth))
            else:
                drawn.append(self._compact(host, names, now, width))
        return drawn if len(drawn) <= height else self._crop(drawn, width, height)

    def _crop(self, drawn: Sequence[Line], width: int, height: int) -> list[Line]:
        """Hosts at work before those that are done, where one line per host is still too much."""
        hosts = list(self._board.hosts.values())
        ranked = sorted(range(len(hosts)), key=lambda index: (hosts[index].ended is not None, index))
        shown = [drawn[index] for index in sorted(ranked[: height - 1])]
        hidden = [hosts[index] for index in ranked[height - 1 :]]
        done = sum(host.ended is not None for host in hidden)
        text = f"{self._glyphs.more} {len(hidden)} more hosts, {done} of them done"
        return [*shown, self._fit(line(text, "dim"), "", width)]

    def _ended(self, event: Ending, width: int) -> Line:
        head: Line = ((event.host, "bold"), ("  ", ""), (outcome(event), status(event)))
        return self._fit(head, clock(event.seconds) if isinstance(event, HostFinished) else "", width)

    def _compact(self, host: Host, names: int, now: float, width: int) -> Line:
        running = host.running
        task = f"  {running.role} : {printable(running.task)}" if running else ""
        return self._fit(
            ((host.name, "bold"), (f"  {_doing(host)}", "dim"), (task, "")), ticking(now - host.since), width
        )

    def _host(self, host: Host, now: float, width: int, depth: _Depth) -> Iterator[Line]:
        yield self._fit(((host.name, "bold"), (f"  {_doing(host)}", "dim")), ticking(now - host.since), width)
        if not host.due:
            return
        names = max(map(len, host.roles))
        for name, role in host.roles.items():
            if host.running and host.running.role == name:
                yield from self._role_at_work(host, name, role, now, width, depth)
            elif role.due:
                yield self._role(name, role, names, width)

    def _role(self, name: str, role: Role, names: int, width: int) -> Line:
        failed = any(done.status == "failed" for done in role.done)
        changed = sum(done.status == "changed" for done in role.done)
        waiting = role.due - len(role.done)
        told = [f"{changed} changed"] if changed else []
        mark: tuple[str, Style] = (self._glyphs.done, "ok")
        if failed:
            mark, told = (self._glyphs.failed, "failed"), ["failed"]
        elif waiting:
            mark, told = (self._glyphs.due, "dim"), [*told, f"{waiting} to do"]
        spent = sum(done.seconds for done in role.done)
        head: Line = ((f"  {mark[0]} ", mark[1]), (f"{name:<{names}}", ""), (f"  {', '.join(told)}", "dim"))
        return self._fit(head, clock(spent) if role.done else "", width)

    def _role_at_work(self, host: Host, name: str, role: Role, now: float, width: int, depth: _Depth) -> Iterator[Line]:
        yield self._fit(((f"  {self._glyphs.running} ", "changed"), (name, "")), "", width)
        shown = role.done[-depth.tasks :]
        if earlier := len(role.done) - len(shown):
            yield line(f"      {self._glyphs.more} {earlier} before", "dim")
        for done in shown:
            yield self._task(done, width)
        assert host.running
        task: Line = ((f"    {self._glyphs.running} ", "changed"), (printable(host.running.task), "bold"))
        yield self._fit(task, ticking(now - host.running.since), width)
        for text in list(host.tail)[-depth.tail :]:
            yield self._fit(((f"      {self._glyphs.output} {text}", "dim"),), "", width)

    def _task(self, done: Done, width: int) -> Line:
        failed = done.status == "failed"
        mark: Line = ((f"    {self._glyphs.failed if failed else self._glyphs.done} ", "failed" if failed else "ok"),)
        return self._fit((*mark, (printable(done.task), "")), clock(done.seconds), width)

    def _fit(self, content: Line, time: str, width: int) -> Line:
        """``content`` cut to the columns left of ``time``, which stands at the right edge."""
        room = width - (len(time) + 2 if time else 0)
        fitted: list[tuple[str, Style]] = []
        for text, style in content:
            if cell_len(text) > room:
                more = self._glyphs.more
                fitted.append((set_cell_size(text, max(room - len(more), 0)) + more[:room], style))
                room = 0
                break
            fitted.append((text, style))
            room -= cell_len(text)
        if time:
            fitted.append((" " * (room + 2) + time, "dim"))
        return tuple(fitted)


def _depth(hosts: Sequence[Host], height: int) -> _Depth | None:
    """How deep each host at work can be drawn, for the longest it can get, so that it does not change at every step."""
    at_work = [host for host in hosts if host.due and not host.ended]
    if not at_work:
        return _Depth(1, 1)
    share = (height - (len(hosts) - len(at_work))) // len(at_work)
    # Besides its tasks and output: the host, its roles, "... before", and the running task.
    room = share - 3 - max(len(host.roles) for host in at_work)
    if room < 2:
        return None
    tail = min(room // 2, 5)
    return _Depth(min(room - tail, 8), tail)


def _doing(host: Host) -> str:
    words = _PHASES.get(host.phase, host.phase)
    return f"{words} {host.done} of {host.due}" if host.phase == "apply" and host.due else words
