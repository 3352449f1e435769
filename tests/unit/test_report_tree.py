"""The live tree as text: its depth for the size of the screen, and how it follows events."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len

from provision.errors import Locked, Unreachable
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
from provision.report.board import Board
from provision.report.lines import text_of
from provision.report.tree import ASCII, Tree

ROLES = {"python": ["Install uv", "Install Python"], "caddy": ["Install Caddy"], "app": ["Build", "Switch"]}


def at_work(host: str) -> list[Event]:
    """A host that installs Caddy after the role python."""
    found: list[Event] = [Phase(host, "survey")]
    found += [TaskVerdict(host, role, task, "change") for role, tasks in ROLES.items() for task in tasks]
    found += [TaskVerdict(host, "app", "Create", "ok"), HandlerVerdict(host, "caddy", "Restart Caddy", "notified")]
    found.append(Phase(host, "apply"))
    for task in ROLES["python"]:
        found += [TaskStarted(host, "python", task), TaskFinished(host, "python", task, "changed", 1.25)]
    found.append(TaskStarted(host, "caddy", "Install Caddy"))
    found += [TaskOutput(host, "Install Caddy", f"line {n}\n") for n in range(9)]
    return found


def drawn(events: Iterable[Event], width: int = 60, height: int = 30, now: float = 75.0) -> list[str]:
    """The lines of the tree; all events came at second 0."""
    board = Board()
    for event in events:
        board.take(event, 0.0)
    return [text_of(line) for line in Tree(board, ASCII).lines(now, width, height)]


def test_a_host_at_work() -> None:
    """Roles that are done or due take one line, the one at work shows its tasks and the last output."""
    assert drawn(at_work("web1")) == [
        "web1  applying 2 of 6                                  1m15s",
        "  + python  2 changed                                   2.5s",
        "  * caddy",
        "    * Install Caddy                                    1m15s",
        "      | line 4",
        "      | line 5",
        "      | line 6",
        "      | line 7",
        "      | line 8",
        "  . app     2 to do",
    ]


def test_a_host_that_ended_says_how() -> None:
    """Hosts keep their place, so that the eye finds them; their numbers come with the recap."""
    events = [Phase("web1", "connect"), *at_work("web2"), HostFinished("web1", 3, 0, 0, 0, 1, 0.5)]
    events += [HostNotReached("web3", "the roll stopped"), HostFinished("web4", 9, 2, 1, 0, 2, 61.0)]
    events += [HostFinished("web5", 0, 0, 0, 1, 0, 3.0, error=Unreachable("no route"))]
    events += [HostFinished("web6", 0, 0, 0, 1, 1, 3.0, error=Locked("held"))]
    lines = drawn(events)
    assert lines[0] == f"{'web1  done, 0 changed':<56}0.5s"
    assert lines[1].startswith("web2  applying")
    assert lines[-4] == "web3  not reached: the roll stopped"
    assert lines[-3] == f"{'web4  failed':<55}1m01s"
    assert lines[-2] == f"{'web5  unreachable':<56}3.0s"
    assert lines[-1] == f"{'web6  locked':<56}3.0s"


def test_before_the_plan_a_host_is_one_line() -> None:
    """There is nothing to draw below it yet."""
    assert drawn([Phase("web1", "connect")]) == [f"{'web1  connecting':<55}1m15s"]
    assert drawn([Phase("web1", "wait")])[0].startswith("web1  waiting for its turn")


def test_a_failed_task_marks_its_role() -> None:
    """Until the host ends, the role says where it broke."""
    failed = TaskFinished("web1", "caddy", "Install Caddy", "failed", 4.0)
    assert f"{'  x caddy   failed':<56}4.0s" in drawn([*at_work("web1"), failed])


def test_a_role_that_comes_again_says_what_it_has_done() -> None:
    """Handlers run after the roles that come later."""
    lines = drawn([*at_work("web1"), TaskFinished("web1", "caddy", "Install Caddy", "changed", 4.0)])
    assert f"{'  . caddy   1 changed, 1 to do':<56}4.0s" in lines


def test_long_lines_are_cut_to_the_screen() -> None:
    """Wide characters take two columns; a line that wraps would break the picture."""
    events = [*at_work("web1"), TaskOutput("web1", "Install Caddy", "資料 " * 40 + "\n")]
    events.append(TaskStarted("web1", "app", "Build " * 20))
    events.append(TaskOutput("web1", "", "資料 " * 40))
    lines = drawn(events, width=40)
    assert max(map(cell_len, lines)) == 40
    assert any("... " in line and line.endswith("1m15s") for line in lines)


def test_many_hosts_are_drawn_shallower() -> None:
    """First less output and fewer tasks, then one line each, then only those at work."""
    events = [event for number in range(1, 5) for event in at_work(f"web{number}")]
    assert len(drawn(events, height=40)) == 28
    lines = drawn(events, height=6)
    assert lines[0] == f"{'web1  applying 2 of 6  caddy : Install Caddy':<55}1m15s"
    assert len(lines) == 4
    events.append(HostFinished("web1", 1, 0, 0, 0, 1, 0.5))
    lines = drawn(events, height=3)
    assert [line[:4] for line in lines[:2]] == ["web2", "web3"]
    assert lines[2] == "... 2 more hosts, 1 of them done"


def test_every_size_is_kept() -> None:
    """Never more rows or columns than the screen has."""
    for hosts in (1, 2, 3, 7):
        events = [event for number in range(hosts) for event in at_work(f"web{number}")]
        for height in range(4, 40):
            lines = drawn(events, width=40, height=height)
            assert len(lines) <= height
            assert max(map(cell_len, lines)) <= 40


def test_a_wide_screen_is_not_filled() -> None:
    """A time at the far end of 200 columns cannot be matched with its task."""
    assert max(map(len, drawn(at_work("web1"), width=200))) == 100


def test_a_new_reading_counts_anew() -> None:
    """What was due and is not any more after the proof no longer counts."""
    again = [Phase("web1", "prove"), TaskVerdict("web1", "app", "Switch", "change"), Phase("web1", "apply")]
    assert drawn([*at_work("web1"), *again])[0].startswith("web1  applying 2 of 3 ")


def test_output_in_pieces_is_joined() -> None:
    """A progress bar is one line of output, whatever pieces it comes in; empty lines are no news."""
    pieces = ["12 ", "%\r", "99 %", "\n\n", "nearly", " done"]
    events = [*at_work("web1")[:-9], *(TaskOutput("web1", "Install Caddy", piece) for piece in pieces)]
    assert [line.strip() for line in drawn(events) if "|" in line] == ["| 99 %", "| nearly done"]


def test_a_notice_about_the_run_is_no_host() -> None:
    """Only hosts are drawn."""
    assert drawn([Notice("", "stopping")]) == []
