"""The pages, errors and helps of commands on terminals of two widths, without colours, and in a pipe."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
import pytest
from tests.unit.cli_site import ROLE, SITE, invoke, write

from provision.cli import main

LONG = "a sentence that is much longer than any screen is wide, " * 4
BROKEN = f"""
- name: {LONG}
  copi: {{dest: /etc/x, content: "{LONG}"}}
- copy: {{dest: /etc/x, contnt: x}}
- copy: {{dest: /etc/x}}
  register: y
"""
PAGES = (
    ("roles", "list"),
    ("roles", "docs", "app"),
    ("roles", "docs", "caddy"),
    ("roles", "docs", "site"),
    ("explain", "inventory.yml", "app_workers", "--host", "apps"),
    ("explain", "inventory.yml", "site_title", "--host", "web1"),
    ("inventory",),
    ("lint",),
    ("lint", "broken/inventory.yml"),
    ("up", "broken/inventory.yml"),
    ("up", "nosuch.yml"),
    ("up", "--limit", "nosuch"),
    ("up", "--set", "nothing"),
    ("up", "--nosuch"),
    ("exec", "inventory.yml"),
    ("explain", "app_workers"),
    ("nosuch",),
)


class Screen(io.StringIO):
    """A terminal, whose width the fixture ``on`` sets."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


On = Callable[..., str]


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> On:
    """Runs a command on a terminal, in a folder with a good and a broken inventory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    hosts = SITE.replace("  vars:", "    apps: {roles: [app], caddy_domain: a.example}\n  vars:")
    write(tmp_path, {"inventory.yml": hosts.replace("Shop of", LONG), **ROLE})
    write(tmp_path, {"broken/inventory.yml": SITE, **{f"broken/{name}": text for name, text in ROLE.items()}})
    write(tmp_path, {"broken/roles/site/tasks/main.yml": BROKEN})

    def run(*words: str, width: int, **environ: str) -> str:
        monkeypatch.delenv("NO_COLOR", raising=False)
        for name, value in {"TERM": "xterm-256color", **environ}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((width, 24)))
        screen = Screen()
        with redirect_stdout(screen), redirect_stderr(screen), pytest.raises(SystemExit):
            main(list(words), prog_name="provision")
        return screen.getvalue()

    return run


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_a_page_fits_the_terminal(on: On, words: tuple[str, ...], width: int) -> None:
    """Prose ends at 100 columns, whatever the width; a line of a file is cut to it, around its caret."""
    shown = on(*words, width=width, NO_COLOR="1")
    assert shown
    # What stands alone on its line, a path for one, is one piece.
    assert [text for text in shown.split("\n") if len(text) > width and " " in text.strip()] == []


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_colors_are_left_out_where_they_are_not_wanted(on: On, words: tuple[str, ...]) -> None:
    """NO_COLOR, a terminal that has none, a pipe: the same words, without any escape sequence."""
    colored = on(*words, width=80)
    bare = on(*words, width=80, NO_COLOR="1")
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == bare
    assert on(*words, width=80, TERM="dumb") == bare
    piped = invoke(*words)
    text = piped.stdout + piped.stderr
    assert "\x1b" not in bare + text
    assert sorted(text.split()) == sorted(bare.split()) or "..." in bare


def test_what_is_wrong_is_red(on: On) -> None:
    """A check of the checks: a terminal gets colours."""
    assert "\x1b[1;38;5;196mbroken/roles/site/tasks/main.yml:2:3: error:\x1b[0m" in on(
        "lint", "broken/inventory.yml", width=80
    )


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """All commands and groups."""
    yield path
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(commands(main)), ids=lambda path: " ".join(path) or "provision")
def test_help_fits_and_is_whole(path: tuple[str, ...]) -> None:
    """No line is wider than a terminal, no summary is cut, and examples are set off from the prose."""
    text = invoke(*path, "--help").stdout
    assert [part for part in text.splitlines() if len(part) > 80] == []
    assert "..." not in text.partition("Commands:\n")[2]
    assert all(part.startswith("    ") for part in text.splitlines() if part.strip().startswith("provision "))
