"""What a person sees of the commands: on terminals of two widths, with and without colours, and in a pipe."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.cli import DOMAIN, PROVISION, Site
from tests.e2e.terminal import Terminal, terminal

from provision.lab.provider import Host

GONE = "gone-in-frankfurt.example.internal"
SGR = r"\x1b\[[\d;]*m"
PLAIN = {"NO_COLOR": "1"}
DUMB = {"TERM": "dumb"}


@dataclass(frozen=True)
class Shown:
    """The example app's host, how its first run looked, and an inventory with a second host that is not there."""

    site: Site
    first: Terminal
    two: Path


@pytest.fixture(scope="module")
def shown(host: Host, make_site: Callable[..., Site]) -> Shown:
    """Deployed in front of a terminal of 80 columns."""
    site = make_site(host)
    two = site.inventory.with_name("two.yml")
    gone = f"    {GONE}:\n      ansible_host: 127.0.0.1\n      ansible_port: 9\n"
    two.write_text(site.inventory.read_text().replace("  vars:", f"{gone}  vars:"))
    with terminal("up", site.inventory) as first:
        assert first.end(timeout=600) == 0, first.seen
    assert site.up().settled == (0, 1)
    return Shown(site, first, two)


def see(*words: str | Path, columns: int = 80, environ: dict[str, str] | None = None, code: int = 0) -> Terminal:
    """A command on a terminal, to its end."""
    with terminal(*words, columns=columns, environ=environ) as screen:
        assert screen.end(timeout=300) == code, screen.seen
    return screen


def too_wide(screen: Terminal, columns: int = 80) -> list[str]:
    """Lines that the terminal had to wrap; what hosts print is shown as it is."""
    bare = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", screen.written)
    return [part for part in re.split("[\r\n]+", bare) if len(part) > columns and " | " not in part]


def test_the_first_run(shown: Shown) -> None:
    """A tree while it goes on; what is left of it is what changed, the whole recap and the address."""
    first, name = shown.first, shown.site.host.name
    assert too_wide(first) == []
    assert "\x1b[?25l" in first.written
    assert first.written.rindex("\x1b[?25h") > first.written.rindex("\x1b[?25l")
    assert re.search(rf"{name}  applying \d+ of \d+", first.seen)
    left = first.written.rpartition("\x1b[?25h")[2]
    lines = re.sub(SGR, "", re.sub(r"\x1b\[[0-9]*[A-K]|\r", "", left)).strip("\n").split("\n")
    assert lines[0].startswith("changed: ")
    assert re.fullmatch(
        rf"{name} : ok=\d+ changed=\d+ failed=0 unreachable=0( skipped=\d+)? trips=3 (\d+m)?[\d.]+s", lines[-3]
    )
    assert lines[-2:] == ["", f"https://{DOMAIN}"]


def test_a_run_with_nothing_to_do(shown: Shown) -> None:
    """The recap, and nothing that was drawn and taken away but the tree of a slow host."""
    screen = see("up", shown.site.inventory)
    assert too_wide(screen) == []
    assert "changed: " not in screen.seen
    assert re.search(r"changed=0 failed=0 unreachable=0 .*trips=1 ", screen.seen)


@pytest.mark.parametrize("columns", [80, 200])
def test_a_plan_with_its_differences(shown: Shown, columns: int) -> None:
    """The same words with and without colours."""
    words = ("plan", shown.site.inventory, "--diff", "--set", "caddy_email=a@example.com")
    screen = see(*words, columns=columns)
    assert too_wide(screen, columns) == []
    assert re.search(r"^change: +\[\S+\] caddy : Configure Caddy\n +/etc/caddy/Caddyfile: content$", screen.seen, re.M)
    assert re.search(r"^    \+\s+email a@example\.com$", screen.seen, re.M)
    assert re.search(r"^\d+ changes? pending\. `provision up` makes them\.$", screen.seen, re.M)
    assert re.search(SGR, screen.written)
    assert not re.search(r"\x1b\[[\d;]*[1-9][\d;]*m", see(*words, columns=columns, environ=PLAIN).written)
    dumb = see(*words, columns=columns, environ=DUMB)
    assert "\x1b" not in dumb.written
    assert too_wide(dumb, columns) == []


@pytest.mark.parametrize("columns", [80, 200])
def test_a_host_that_is_not_there(shown: Shown, columns: int) -> None:
    """Its block is wrapped, and the recap is whole: beside its long name there is not room for all numbers."""
    screen = see("up", shown.two, columns=columns, code=3)
    assert too_wide(screen, columns) == []
    assert re.search(rf"unreachable: \[{GONE}\]\n  {GONE} \(127\.0\.0\.1 port 9\)", screen.seen)
    recap = " ".join(screen.seen.split())
    assert re.search(rf"{shown.site.host.name} (: )?ok=\d+ +changed=0 failed=0 unreachable=0 .*trips=1 ", recap)
    assert re.search(rf"{GONE} (: )?ok=0 +changed=0 failed=0 unreachable=1 .*trips=0 ", recap)


def test_a_deployment_that_fails(shown: Shown) -> None:
    """The cause stands in the block, and what became of the host in the recap."""
    with shown.site.broken():
        with (shown.site.app / "notes/main.py").open("a") as file:
            file.write("\ndel app  # on a screen\n")
        screen = see("up", shown.site.inventory, code=1)
    assert too_wide(screen) == []
    assert "    | notes.main:app: the module has no such attribute; see app_entrypoint\n" in screen.seen
    assert re.search(rf"^{shown.site.host.name} : ok=\d+ changed=2 failed=1 ", screen.seen, re.M)


def test_control_c_leaves_no_line_of_the_tree(shown: Shown) -> None:
    """The terminal itself writes ^C into it; the steps that ran are brought to their end."""
    with terminal("up", shown.site.inventory, "--set", "app_env={WAIT: '1'}") as screen:
        screen.expect(r"applying 0 of 1")
        screen.press("\x03")
        code = screen.end(timeout=300)
    assert code in (0, 130), screen.seen
    assert too_wide(screen) == []
    assert "\x1b[?25h" in screen.written.rpartition("stopping after the running steps")[2]
    shown.site.up()
    assert shown.site.up().settled == (0, 1)


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("roles", "docs", "app"), 0, "app_workers  str, default auto"),
        (("explain", "INVENTORY", "app_workers"), 0, "in effect  "),
        (("lint", "INVENTORY"), 0, "nothing is wrong (1 host)"),
        (("inventory", "INVENTORY"), 0, "@ungrouped"),
        (("up", "INVENTORY", "--limit", "nosuch"), 2, "error: no host and no group matches 'nosuch'"),
        (("up", "--nosuch"), 2, "error: no such option '--nosuch'"),
        (("logs", "INVENTORY", "-n", "50", "--grep", "startup complete"), 0, "Application startup complete."),
        (("status", "INVENTORY"), 0, "serving"),
        (("releases", "INVENTORY"), 0, "serving"),
        (("history", "INVENTORY"), 0, "provision up"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_page(shown: Shown, words: tuple[str, ...], code: int, says: str, columns: int) -> None:
    """It fits, has colours or none, and into a pipe goes bare text."""
    argv = [str(shown.site.inventory) if word == "INVENTORY" else word for word in words]
    screen = see(*argv, columns=columns, code=code)
    assert says in screen.seen
    # A path is no shorter than it is, and a test's is long.
    assert [line for line in too_wide(screen, columns) if str(shown.site.inventory) not in line] == []
    assert "\x1b" not in see(*argv, columns=columns, environ=PLAIN, code=code).written
    piped = subprocess.run([PROVISION, *argv], capture_output=True, text=True, check=False, timeout=300)
    assert piped.returncode == code
    assert says in piped.stdout + piped.stderr
    assert "\x1b" not in piped.stdout + piped.stderr
    assert "\r" not in piped.stdout + piped.stderr
