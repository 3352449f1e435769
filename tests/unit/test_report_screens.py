"""What users see, on screens of several widths, in a log, and without colours: nothing cut, nothing too wide."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest
from rich.console import Console

from provision.errors import ConfigError, Interrupted, Locked, ProvisionError, StepFailed, Unreachable
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
from provision.report import lines
from provision.report.blocks import error_block
from provision.report.lines import Line, ansi, line, text_of, wrapped
from provision.report.plain import Plain
from provision.report.terminal import Terminal
from provision.report.transcript import Detail, Transcript

WIDTHS = (60, 80, 200)
LONG = "web3-in-frankfurt.example.internal"
DIGEST = "2bb9a3cd4f00901a0ceeb3209640a23f"
KEYS = (
    "/etc/caddy/Caddyfile: content",
    "/etc/caddy/Caddyfile: mode 0600 -> 0644",
    f"digest {DIGEST} -> {DIGEST[::-1]}",
)
DIFF = "--- /etc/caddy/Caddyfile (now)\n+++ /etc/caddy/Caddyfile (wanted)\n@@ -1 +1 @@\n-old\n+new\n"
SENTENCE = "of all there is to say about it this is far more than one line of a narrow screen can ever hold, or of two"
ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def survey(host: str) -> list[Event]:
    """A host that has much to do."""
    verdicts: list[Event] = [
        TaskVerdict(host, "caddy", "Install Caddy from the repository that its makers keep for Debian", "change", KEYS),
        TaskVerdict(host, "caddy", "Configure Caddy", "change", KEYS[:2], DIFF),
        TaskVerdict(host, "app", "Deploy", "unknown", (f"depends on {SENTENCE}",)),
        HandlerVerdict(host, "caddy", "restart caddy", f"notified by {SENTENCE}"),
        TaskVerdict(host, "app", "Ship the release", "ok"),
    ]
    return [Phase(host, "survey"), *verdicts]


def work(host: str) -> list[Event]:
    """What it does then."""
    found: list[Event] = [Phase(host, "apply"), Notice(host, SENTENCE)]
    for task in ("Install Caddy from the repository that its makers keep for Debian", "Configure Caddy"):
        found += [TaskStarted(host, "caddy", task), TaskOutput(host, task, f"{'x' * 300}\n")]
        found.append(TaskFinished(host, "caddy", task, "changed", 71.3))
    return found


FAILED = StepFailed(SENTENCE, rc=1, task="app : Deploy", log=["RuntimeError: no such column: colour"], hint=SENTENCE)
STOPPED = Interrupted("stopped as asked, between two steps", hint="run again: it goes on from there")
RUNS: dict[str, list[Event]] = {
    "first run": [
        *(event for host in ("web1", "web2", LONG) for event in (*survey(host), *work(host))),
        *(HostFinished(host, 14, 12, 0, 0, 4, 71.3, skipped=4) for host in ("web1", "web2")),
        HostFinished(LONG, 9, 3, 0, 0, 4, 61.0, skipped=9, unknown=2, urls=("https://notes.example.internal",)),
    ],
    "nothing to do": [HostFinished(host, 31, 0, 0, 0, 1, 0.4, skipped=4) for host in ("web1", "web2")],
    "failures": [
        *survey("web1"),
        HostFinished("web1", 14, 2, 1, 0, 2, 3.5, error=FAILED, skipped=4),
        HostNotReached("web2", f"web1 failed; {SENTENCE}"),
        HostFinished(LONG, 0, 0, 0, 1, 0, 10.1, error=Unreachable(SENTENCE, hint=SENTENCE)),
        HostFinished("web4", 0, 0, 0, 1, 1, 0.3, error=Locked(SENTENCE)),
    ],
    "interrupted": [
        *(event for host in ("web1", "web2", LONG) for event in (*survey(host), *work(host))),
        Notice("", "stopping after the running steps; Ctrl-C again gives them up"),
        *(HostFinished(host, 14, 1, 0, 0, 2, 1.3, error=STOPPED, skipped=4) for host in ("web1", "web2", LONG)),
    ],
}
PLANS: dict[str, list[Event]] = {
    "plan": [
        *(event for number in range(1, 6) for event in survey(f"web{number}")),
        Phase("db", "survey"),
        *(HostFinished(f"web{number}", 14, 3, 0, 0, 1, 0.4, unknown=1) for number in range(1, 6)),
        HostFinished("db", 14, 0, 0, 0, 1, 0.4),
    ],
}
ALL = {**RUNS, **PLANS}


@dataclass
class Shown:
    """What was written, as bytes and as lines."""

    text: str
    lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = re.split("[\r\n]", ESCAPE.sub("", self.text))


def detail_of(run: str, *, verbose: bool = False) -> Detail:
    return Detail(check=run in PLANS, diff=run in PLANS, verbose=verbose)


@cache
def on_terminal(run: str, width: int, *, color: bool = True, verbose: bool = False) -> Shown:
    """The run on a live screen, whose tree is drawn anew at every event."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, height=30, color_system="256", _environ={})
    seconds = iter(range(100_000))
    detail = detail_of(run, verbose=verbose)
    transcript = Transcript(detail, width=width, streaming=detail.check or verbose)
    view = Terminal(transcript, console, color=color, now=lambda: float(next(seconds)))
    for event in ALL[run]:
        view.show(event)
    view.close()
    return Shown(out.getvalue())


def in_lines(run: str, width: int | None, *, verbose: bool = False) -> Shown:
    """The run in a log (``width`` None), or on a terminal that can only print."""
    out = io.StringIO()
    view = Plain(Transcript(detail_of(run, verbose=verbose), width=width), out)
    for event in ALL[run]:
        view.show(event)
    view.close()
    return Shown(out.getvalue())


def too_wide(shown: Shown, width: int) -> list[str]:
    """Lines that a screen would wrap in the middle of a word; output of steps is shown as it came."""
    return [text for text in shown.lines if len(text) > width and " | " not in text]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("run", ALL)
def test_no_line_is_wider_than_the_screen(run: str, width: int, verbose: bool) -> None:
    """Neither in the tree nor in what stays, wherever lines can only be printed too."""
    assert too_wide(on_terminal(run, width, verbose=verbose), width) == []
    assert too_wide(in_lines(run, width, verbose=verbose), width) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("run", ALL)
def test_the_recap_is_complete(run: str, width: int) -> None:
    """Each host in its order, with all its numbers that are not 0, its time, and how it ended."""
    words = " ".join(" ".join(on_terminal(run, width).lines).split())
    recap = words[words.rindex("web1 ok=" if "web1 ok=" in words else "web1 : ok=") :]
    at = 0
    for event in ALL[run]:
        if isinstance(event, HostNotReached):
            at = recap.index(f"{event.host} : not reached: " if f"{event.host} :" in recap else event.host, at)
            assert " ".join(event.reason.split()) in recap
        if isinstance(event, HostFinished):
            numbers = ("ok", "changed", "failed", "unreachable", "unknown", "skipped", "trips")
            told = [f"{name}={getattr(event, name)}" for name in numbers if getattr(event, name)]
            at = recap.index(event.host, at)
            end = recap.index(lines.clock(event.seconds), at)
            assert set(told) <= set(recap[at:end].split())
            at = end


@pytest.mark.parametrize("run", ALL)
def test_a_log_holds_bare_text(run: str) -> None:
    """No escape sequence, no carriage return, no line of a tree; prose is not wrapped, so that it can be searched."""
    shown = in_lines(run, None)
    assert not re.search(r"[^\n -~]", shown.text)
    assert all(part == part.rstrip() for part in shown.lines)
    if SENTENCE in str(RUNS.get(run)):
        assert SENTENCE in shown.text


@pytest.mark.parametrize("run", ALL)
def test_no_color_leaves_only_movements_of_the_cursor(run: str) -> None:
    """The tree still needs those."""
    shown = on_terminal(run, 80, color=False)
    assert re.findall(r"\x1b\[[\d;]+m", shown.text.replace("\x1b[0m", "")) == []
    assert in_lines(run, 80).text == Shown(ESCAPE.sub("", in_lines(run, 80).text)).text


@pytest.mark.parametrize("run", RUNS)
def test_colors_change_no_word(run: str) -> None:
    """Whoever cannot tell red from green reads the same."""
    assert on_terminal(run, 80).lines == on_terminal(run, 80, color=False).lines


def test_the_tree_leaves_room_for_control_c() -> None:
    """A terminal writes ^C behind the last line of the tree; were that wrapped, a line of the tree would stay."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=30, color_system="256", _environ={})
    view = Terminal(Transcript(Detail(), streaming=False), console, now=iter(range(1000)).__next__)
    for event in (*survey("web1"), *work("web1")):
        view.show(event)
    drawn = [part for part in Shown(out.getvalue()).lines if re.search(r" \d+m?\d*s$", part)]
    assert [part for part in drawn if len(part) > 77] == []
    assert len(drawn) > 9


def test_alike_plans_are_one() -> None:
    """Five hosts want the same; who they are is said once, because one more is not among them."""
    shown = in_lines("plan", 80)
    assert shown.lines[:3] == [
        "5 hosts: web1, web2, web3, web4, web5",
        "change:  [5 hosts] caddy : Install Caddy from the repository that its makers",
        "         keep for Debian",
    ]
    assert sum("Configure Caddy" in text for text in shown.lines) == 1
    assert "10 changes pending, 5 more can only be known after them. `provision up` makes" in shown.lines


def test_hosts_that_differ_have_plans_of_their_own() -> None:
    """In the order of the inventory, whichever answers first."""
    change = TaskVerdict("b", "motd", "Greet", "change")
    ends = [HostFinished("b", 1, 1, 0, 0, 1, 0.1), HostFinished("a", 1, 1, 0, 0, 1, 0.1)]
    events: Sequence[Event] = [Phase("a", "survey"), Phase("b", "survey"), change, survey("a")[2], *ends]
    out = io.StringIO()
    view = Plain(Transcript(Detail(check=True)), out)
    for event in events:
        view.show(event)
    view.close()
    assert out.getvalue().startswith(
        "change:  [a] caddy : Configure Caddy\n"
        "    /etc/caddy/Caddyfile: content, mode 0600 -> 0644\n"
        "\n"
        "change:  [b] motd : Greet\n"
        "\n"
        "a : ok=1 "
    )


def test_digests_are_shortened() -> None:
    """As git does it: a user compares, and never types one."""
    text = in_lines("plan", None).text
    assert "    digest 2bb9a3cd4f00 -> f32a0469023b\n" in text
    assert DIGEST not in text


@pytest.mark.parametrize("width", WIDTHS)
def test_an_error_of_a_file_fits(width: int) -> None:
    """Its prose is wrapped, at 100 columns at the latest; what can be pasted stays whole."""
    path = "/an/absolute/path/that/is/longer/than/a/narrow/screen/is/wide/main.yml"
    error: ProvisionError = ConfigError(f"{SENTENCE} {path} {SENTENCE}", hint=SENTENCE)
    block = [text_of(part) for part in error_block(error, width=width)]
    assert all(len(text) <= min(width, 100) or text == path for text in block)
    assert any(path in text for text in block)


STYLED: Line = (("changed: ", "changed"), ("[web1]", "bold"), (" some words that are long", ""), (" 0.4s", "dim"))


@pytest.mark.parametrize("width", range(1, 60))
def test_wrapped_lines_keep_words_and_styles(width: int) -> None:
    """Each word has the colour it had."""

    def styles(content: Sequence[Line]) -> list[tuple[str, str]]:
        return [(char, style) for part in content for text, style in part for char in text if char != " "]

    assert styles(list(wrapped(STYLED, width, 9))) == styles([STYLED])


def test_what_fits_is_not_touched() -> None:
    """Also where nobody knows how wide the screen is."""
    assert list(wrapped(STYLED, None, 9)) == [STYLED]
    assert list(wrapped(line("a  b"), 4)) == [line("a  b")]


def contrast(one: int, other: int) -> float:
    """Of two colours of xterm's cube (WCAG 2.1, "contrast ratio")."""

    def luminance(number: int) -> float:
        levels = [0 if level == 0 else 55 + 40 * level for level in (number // 36, number // 6 % 6, number % 6)]
        red, green, blue = (
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
            for part in (level / 255 for level in levels)
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    bright, dark = sorted((luminance(one - 16), luminance(other - 16)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("style", ["ok", "changed", "unknown", "failed", "added", "removed"])
def test_colors_can_be_read_on_white_and_on_black(style: lines.Style) -> None:
    """231 is white, 16 is black."""
    found = re.search(r"38;5;(\d+)m", ansi(line("x", style), color=True))
    assert found
    assert all(contrast(int(found[1]), ground) >= 3 for ground in (231, 16))
