"""The live view: calm, gone at the end, and never in the way of a question."""

from __future__ import annotations

import io
import re

from rich.console import Console

from provision.events import HostFinished, Notice, Phase, TaskFinished, TaskStarted
from provision.report.terminal import Terminal
from provision.report.transcript import Detail, Transcript

HIDE, SHOW, ERASE = "\x1b[?25l", "\x1b[?25h", "\x1b[2K"
END = HostFinished("web1", 3, 1, 0, 0, 3, 2.0, urls=("https://a.example.com/",))


class Screen:
    """A terminal of 60 x 20 and a clock that is set by hand."""

    def __init__(self, detail: Detail | None = None, *, color: bool = True, encoding: str = "utf-8") -> None:
        self.now = 0.0
        self._out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        console = Console(file=self._out, force_terminal=True, width=60, height=20, _environ={"TERM": "xterm"})
        streaming = detail is not None
        transcript = Transcript(detail or Detail(), width=60, streaming=streaming)
        self.view = Terminal(transcript, console, color=color, now=lambda: self.now)

    def written(self) -> str:
        """What was written since the last call."""
        self._out.flush()
        raw = self._out.buffer
        assert isinstance(raw, io.BytesIO)
        text = raw.getvalue().decode(self._out.encoding)
        raw.seek(0)
        raw.truncate()
        return text


def bare(text: str) -> str:
    """Without escape sequences."""
    return re.sub(r"\x1b\[[0-?]*[@-~]", "", text)


def test_a_short_run_shows_its_recap_only() -> None:
    """A tree that appears and goes within the blink of an eye is unrest."""
    screen = Screen()
    screen.view.show(Phase("web1", "connect"))
    screen.now = 0.3
    screen.view.tick()
    screen.view.show(HostFinished("web1", 31, 0, 0, 0, 1, 0.3))
    screen.view.close()
    assert bare(screen.written()) == "web1 : ok=31 changed=0 failed=0 unreachable=0 trips=1 0.3s\n"


def test_the_tree_is_drawn_only_where_it_differs() -> None:
    """Clocks show whole seconds, so between two of them nothing is written at all."""
    screen = Screen()
    screen.view.show(Phase("web1", "survey"))
    screen.now = 1.0
    screen.view.tick()
    first = screen.written()
    assert "web1  gathering facts" in bare(first)
    assert HIDE in first
    screen.now = 1.5
    screen.view.tick()
    assert screen.written() == ""
    screen.now = 2.0
    screen.view.tick()
    assert bare(screen.written()).strip().endswith("2s")


def test_events_in_a_flood_are_drawn_ten_times_a_second() -> None:
    """A build that prints a thousand lines must not be slowed by the screen."""
    screen = Screen()
    for number in range(1000):
        screen.now = 1.0 + number / 1000
        screen.view.show(Phase("web1", f"phase {number}"))
    assert 5 <= screen.written().count("phase") <= 11


def test_the_tree_goes_and_its_changes_stay() -> None:
    """At the end: what changed, the recap, the address; the cursor is back."""
    screen = Screen()
    screen.view.show(Phase("web1", "apply"))
    screen.now = 1.0
    screen.view.show(TaskStarted("web1", "caddy", "Install Caddy"))
    assert "✔" not in screen.written()
    screen.now = 2.0
    screen.view.show(TaskFinished("web1", "caddy", "Install Caddy", "changed", 1.0))
    assert "✔ caddy" in bare(screen.written())
    screen.view.show(END)
    screen.view.close()
    last = screen.written()
    assert SHOW in last
    assert bare(last.rpartition(ERASE)[2]).lstrip("\r") == (
        "changed: caddy  Install Caddy\n"
        "\n"
        "web1 : ok=3 changed=1 failed=0 unreachable=0 trips=3 2.0s\n"
        "\n"
        "https://a.example.com/\n"
    )


def test_lines_that_stay_are_set_apart_from_the_recap() -> None:
    """A notice is printed above the tree, whole, and indented where it is wrapped."""
    screen = Screen()
    screen.view.show(Notice("web1", "no certificate yet: a.example.com resolves to 203.0.113.9"))
    screen.view.show(END)
    screen.view.close()
    assert bare(screen.written()).split("\n")[:4] == [
        "notice:  [web1] no certificate yet: a.example.com resolves",
        "         to 203.0.113.9",
        "",
        "web1 : ok=3 changed=1 failed=0 unreachable=0 trips=3 2.0s",
    ]


def test_verbose_streams_instead_of_listing_changes() -> None:
    """With -v each change has its line already."""
    screen = Screen(Detail(verbose=True))
    screen.view.show(TaskFinished("web1", "caddy", "Install Caddy", "changed", 1.0))
    screen.view.show(END)
    screen.view.close()
    text = bare(screen.written())
    assert text.startswith("changed: [web1] caddy : Install Caddy  1.0s\n\nweb1 : ok=3")


def test_a_question_has_the_screen_for_itself() -> None:
    """Suspended, the tree is gone and the cursor there; afterwards it is drawn again."""
    screen = Screen()
    screen.view.show(Phase("web1", "connect"))
    screen.now = 1.0
    screen.view.tick()
    screen.view.suspend()
    text = screen.written()
    assert text.endswith(ERASE)
    assert text.rfind(SHOW) > text.rfind(HIDE)
    screen.view.resume()
    screen.now = 1.2
    screen.view.tick()
    assert "web1  connecting" in bare(screen.written())


def test_without_color_and_without_unicode() -> None:
    """NO_COLOR leaves bare text; a terminal that is not UTF-8 gets ASCII marks."""
    screen = Screen(color=False, encoding="ascii")
    screen.view.show(Phase("web1", "apply"))
    screen.now = 1.0
    screen.view.show(TaskStarted("web1", "caddy", "Install Caddy"))
    text = screen.written()
    assert "* caddy" in text
    assert not re.search(r"\x1b\[[\d;]*[1-9][\d;]*m", text)
