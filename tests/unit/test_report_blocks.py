"""Errors as blocks: where, what, the line or the log, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.errors import ConfigError, Position, ProvisionError, Refused, StepFailed
from provision.report.blocks import error_block, host_block
from provision.report.lines import Line, ansi, clock, printable, prose, text_of, ticking


def text(block: list[Line]) -> str:
    """The block without its colours."""
    return "\n".join(map(text_of, block))


def test_an_error_points_at_its_line(tmp_path: Path) -> None:
    """file:line:column as compilers write it, so that editors and terminals can open it."""
    file = tmp_path / "inventory.yml"
    file.write_text("all:\n  hosts:\n    web1: {ansible_prot: 22}\n")
    error = ConfigError(
        "unknown variable `ansible_prot`", position=Position(file, 3, 12), hint="did you mean ansible_port?"
    )
    assert text(error_block(error)) == (
        f"{file}:3:12: error: unknown variable `ansible_prot`\n"
        "    3 |     web1: {ansible_prot: 22}\n"
        "      |            ^\n"
        "  hint: did you mean ansible_port?"
    )


def test_a_tab_keeps_the_caret_in_its_column(tmp_path: Path) -> None:
    """The line and the caret are expanded alike."""
    file = tmp_path / "inventory.yml"
    file.write_text("\tall:\n")
    block = text(error_block(ConfigError("a tab", position=Position(file, 1, 2))))
    assert block.splitlines()[1:] == ["    1 |     all:", "      |     ^"]


def test_a_line_that_cannot_be_shown_is_left_out(tmp_path: Path) -> None:
    """`--set` has no file."""
    error = ConfigError("not a number", position=Position(Path("--set app_workers"), 1, 1))
    assert text(error_block(error)) == "--set app_workers: error: not a number"


def test_prose_is_wrapped_and_commands_are_not() -> None:
    """A command that is cut in two cannot be copied."""
    command = "    ssh-keygen -R '[203.0.113.10]:2222' -f /home/ann/.ssh/known_hosts"
    hint = f"remove the old key with this command, then try again:\n{command}"
    assert text(error_block(ProvisionError("the key of the host has changed", hint=hint), width=40)) == (
        "error: the key of the host has changed\n"
        "  hint: remove the old key with this\n"
        "        command, then try again:\n"
        "            ssh-keygen -R '[203.0.113.10]:2222' -f /home/ann/.ssh/known_hosts"
    )


def test_a_failed_step_shows_the_end_of_its_log() -> None:
    """The cause stands in the last lines; escape sequences of the host never reach the terminal."""
    error = StepFailed(
        "ended with status 1", rc=1, task="app : Build", log=[f"line {n}" for n in range(25)] + ["\x1b]0;x\x07bad"]
    )
    lines = text(host_block("web1", error)).splitlines()
    assert lines[:3] == ["failed:  [web1] app : Build", "  ended with status 1", "    | ... 6 lines before"]
    assert lines[3] == "    | line 6"
    assert lines[-1] == "    | bad"
    assert len(lines) == 23


def test_a_host_can_fail_because_of_the_configuration(tmp_path: Path) -> None:
    """A template that only fails once facts are known."""
    file = tmp_path / "main.yml"
    file.write_text("x: '{{ nope }}'\n")
    error = ConfigError("`nope` is undefined", position=Position(file, 1, 4))
    assert text(host_block("web1", error)).splitlines() == [
        "failed:  [web1]",
        "  `nope` is undefined",
        f"  {file}:1:4",
        "    1 | x: '{{ nope }}'",
        "      |    ^",
    ]


def test_a_refusal_without_task_or_log_is_short() -> None:
    """Nothing is shown for what is not there."""
    assert (
        text(host_block("web1", Refused("this host runs Fedora 41"))) == "failed:  [web1]\n  this host runs Fedora 41"
    )


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("plain", "plain"),
        ("10%\r50%\r100%\r\n", "100%"),
        ("\x1b[2K\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bcreset\x07\x9b31m", "reset31m"),
        ("a\tb", "a       b"),
        ("a\nb", "ab"),
    ],
)
def test_printable(raw: str, clean: str) -> None:
    """Output of a host cannot move the cursor, set the title or hide text."""
    assert printable(raw) == clean


@pytest.mark.parametrize(
    ("seconds", "over", "running"),
    [
        (0.04, "0.0s", "0s"),
        (0.6, "0.6s", "0s"),
        (59.96, "1m00s", "59s"),
        (65, "1m05s", "1m05s"),
        (7260, "2h01m", "2h01m"),
    ],
)
def test_times(seconds: float, over: str, running: str) -> None:
    """Tenths matter in a time that is over; in one that runs they only flicker."""
    assert clock(seconds) == over
    assert ticking(seconds) == running


def test_empty_prose_is_nothing() -> None:
    """No hint, no line."""
    assert list(prose("", indent="  ", width=80)) == []


def test_ansi_resets_after_each_span() -> None:
    """A cut line cannot colour what follows it."""
    assert ansi((("a", "failed"), ("b", ""), ("", "ok")), color=True) == "\x1b[1;38;5;196ma\x1b[0mb"
