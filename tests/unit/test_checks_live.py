"""``command`` and ``shell`` of tests/verify.yml for real: how they end, what they print, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from provision.diffs import keys
from provision.plan import Verdict
from provision.resources.check import CommandCheck, ShellCheck
from provision.resources.task import Task

from .live_host import Host


@pytest.fixture(params=["dash", "bash"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(request.param, tmp_path_factory.mktemp("host"))


def found(host: Host, check: CommandCheck | ShellCheck) -> tuple[str, ...]:
    """What the report says; nothing where it holds."""
    diff = host.diff(check)
    return keys(Verdict(Task("mine", "Check", "command", check), "change", diff)) if diff.changes else ()


CASES: Mapping[str, tuple[CommandCheck | ShellCheck, tuple[str, ...]]] = {
    "it holds": (CommandCheck(cmd="echo 'a  b' c", stdout="a  b"), ()),
    "in any line": (ShellCheck(cmd="echo one; echo two=2; echo three", stdout="two=2"), ()),
    "a program of a keyword's name": (CommandCheck(argv=("test", "1", "=", "1")), ()),
    "a pattern is no pattern": (CommandCheck(cmd="echo abc", stdout="a*c"), ('stdout is "abc" -> contains a*c',)),
    "nothing printed": (CommandCheck(cmd="true", stdout="x"), ('stdout is "" -> contains x',)),
    "compared words": (
        ShellCheck(cmd="echo contains x", stdout="y"),
        ('stdout is "contains x" -> contains y',),
    ),
    "an end that was meant": (ShellCheck(cmd="exit 3", rc=3), ()),
    "another end": (ShellCheck(cmd="echo no >&2; exit 3"), ("rc 3 -> 0", "stderr ends with: no")),
    "no program": (CommandCheck(cmd="nosuch-program"), ("rc 127 -> 0", "stderr ends with: env: *")),
    "no shell": (ShellCheck(cmd="if then"), ("rc 2 -> 0", "stderr ends with: *")),
    "no input": (CommandCheck(cmd="cat"), ()),
    "too long": (CommandCheck(cmd="sleep 5", timeout=1), ("rc 124 -> 0",)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_check_finds(case: str, host: Host) -> None:
    check, expected = CASES[case]
    said = found(host, check)
    assert len(said) == len(expected)
    for line, wanted in zip(said, expected, strict=True):
        assert line.startswith(wanted.removesuffix("*")) if wanted.endswith("*") else line == wanted


def test_nothing_is_left(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert found(host, ShellCheck(cmd="ls $TMPDIR | wc -l", stdout="1")) == ()
    assert list(tmp_path.iterdir()) == []


def test_the_step_of_a_check_fails(host: Host) -> None:
    assert "a check changes nothing" in host.fails(CommandCheck(cmd="false"))
