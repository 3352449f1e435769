"""Plain output word for word: what a log of CI shows of a run."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from provision.errors import AuthenticationError, Interrupted, Locked, StepFailed
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
from provision.report.differences import condensed
from provision.report.plain import Plain
from provision.report.transcript import Detail, Transcript

DIFF = "--- /etc/motd (now)\n+++ /etc/motd (wanted)\n@@ -1 +1 @@\n-old\n+new\n"

SURVEY: tuple[Event, ...] = (
    Phase("web1", "connect"),
    Phase("web1", "survey"),
    TaskVerdict("web1", "motd", "Create the folder", "ok"),
    TaskVerdict("web1", "motd", "Greet the French", "skip"),
    TaskVerdict(
        "web1", "motd", "Write the greeting", "change", ("/etc/motd: content", "/etc/motd: mode 0600 -> 0644"), DIFF
    ),
    HandlerVerdict("web1", "motd", "Reload the greeter", "notified by Write the greeting"),
)
APPLY: tuple[Event, ...] = (
    Phase("web1", "apply"),
    TaskStarted("web1", "motd", "Write the greeting"),
    TaskOutput("web1", "Write the greeting", "writ"),
    TaskOutput("web1", "Write the greeting", "ing\n10 %\r100 %\n\x1b[31mdone"),
    TaskFinished("web1", "motd", "Write the greeting", "changed", 0.44),
    TaskStarted("web1", "motd", "Reload the greeter"),
    TaskFinished("web1", "motd", "Reload the greeter", "changed", 65.2),
    Phase("web1", "prove"),
    TaskVerdict("web1", "motd", "Create the folder", "ok"),
)
SUCCESS = HostFinished("web1", 3, 2, 0, 0, 3, 70.04, skipped=1, urls=("https://a.example.com/",))


def shown(events: Sequence[Event], detail: Detail | None = None, *, color: bool = False) -> str:
    """What a run of these events prints."""
    out = io.StringIO()
    plain = Plain(Transcript(detail or Detail()), out, color=color)
    for event in events:
        plain.show(event)
    plain.close()
    return out.getvalue()


def test_up() -> None:
    """One line for each change, the recap, the address."""
    assert shown([*SURVEY, *APPLY, SUCCESS]) == (
        "changed: [web1] motd : Write the greeting  0.4s\n"
        "handler: [web1] motd : Reload the greeter  1m05s\n"
        "\n"
        "web1 : ok=3 changed=2 failed=0 unreachable=0 skipped=1 trips=3 1m10s\n"
        "\n"
        "https://a.example.com/\n"
    )


def test_where_the_time_went() -> None:
    """The slowest first; what is no task has a line too."""
    many = [TaskFinished("web1", "app", f"Step {number}", "ok", 0.1) for number in range(12)]
    assert shown([*SURVEY, *APPLY, *many, SUCCESS], Detail(profile=True)).partition("trips=3 1m10s\n\n")[2] == (
        "https://a.example.com/\n"
        "\n"
        "profile: [web1] 1m10s\n"
        "    1m05s  motd : Reload the greeter\n"
        "     0.4s  motd : Write the greeting\n"
        + "".join(f"     0.1s  app : Step {number}\n" for number in range(8))
        + "     0.4s  4 more\n"
        "     3.2s  connecting, reading, waiting for other hosts, proving\n"
    )


def test_nothing_to_do() -> None:
    """The recap stands alone."""
    assert shown([*SURVEY[:2], HostFinished("web1", 31, 0, 0, 0, 1, 0.6)]) == (
        "web1 : ok=31 changed=0 failed=0 unreachable=0 trips=1 0.6s\n"
    )


def test_verbose_and_diff() -> None:
    """Everything: unchanged tasks once, the output of steps, what differed."""
    assert shown([*SURVEY, *APPLY, SUCCESS], Detail(verbose=True, diff=True)).split("\n\n")[0] == (
        "ok:      [web1] motd : Create the folder\n"
        "skipped: [web1] motd : Greet the French\n"
        "task:    [web1] motd : Write the greeting\n"
        "  web1 | writing\n"
        "  web1 | 100 %\n"
        "  web1 | done\n"
        "changed: [web1] motd : Write the greeting  0.4s\n"
        "    /etc/motd: content, mode 0600 -> 0644\n"
        "    --- /etc/motd (now)\n"
        "    +++ /etc/motd (wanted)\n"
        "    @@ -1 +1 @@\n"
        "    -old\n"
        "    +new\n"
        "task:    [web1] motd : Reload the greeter\n"
        "handler: [web1] motd : Reload the greeter  1m05s"
    )


def test_plan() -> None:
    """What differs is the result of a plan, so it is shown without being asked for; hosts do not mix."""
    other = TaskVerdict("web2", "app", "Build", "unknown", ("depends on Install Python",))
    ends = (HostFinished("web1", 3, 1, 0, 0, 1, 0.5), HostFinished("web2", 3, 1, 0, 0, 1, 0.5, unknown=1))
    assert shown([*SURVEY[:5], other, SURVEY[5], *ends], Detail(check=True)) == (
        "change:  [web1] motd : Write the greeting\n"
        "    /etc/motd: content, mode 0600 -> 0644\n"
        "handler: [web1] motd : Reload the greeter  notified by Write the greeting\n"
        "\n"
        "unknown: [web2] app : Build\n"
        "    depends on Install Python\n"
        "\n"
        "web1 : ok=3 changed=1 failed=0 unreachable=0 unknown=0 trips=1 0.5s\n"
        "web2 : ok=3 changed=1 failed=0 unreachable=0 unknown=1 trips=1 0.5s\n"
        "\n"
        "1 change pending, 1 more can only be known after them. `provision up` makes them.\n"
    )


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (HostFinished("web1", 3, 0, 0, 0, 1, 0.5), "Nothing to change."),
        (HostFinished("web1", 3, 2, 0, 0, 1, 0.5), "2 changes pending. `provision up` makes them."),
        (
            HostFinished("web1", 0, 0, 0, 1, 0, 0.5, error=AuthenticationError("no")),
            "The plan is incomplete: not every host could be read.",
        ),
    ],
)
def test_what_a_plan_comes_to(event: HostFinished, sentence: str) -> None:
    """The last line is the answer."""
    assert shown([event], Detail(check=True)).splitlines()[-1] == sentence


def test_failures() -> None:
    """Each failed host has one block with cause and hint; the recap is aligned and in the order of the hosts."""
    step = StepFailed(
        "apt-get ended with status 100",
        rc=100,
        task="caddy : Install Caddy",
        log=["E: no such host"],
        hint="check DNS on the host",
    )
    events: list[Event] = [Phase(name, "connect") for name in ("web1", "database", "web3", "web4", "web5")]
    events += [
        HostFinished("web4", 2, 0, 1, 0, 2, 3.0, error=Interrupted("stopped before the next step, as asked")),
        TaskFinished("web1", "caddy", "Install Caddy", "failed", 4.0),
        HostFinished("web1", 10, 3, 1, 0, 2, 12.0, error=step),
        HostFinished("database", 0, 0, 0, 1, 0, 0.2, error=AuthenticationError("root was refused")),
        HostFinished("web3", 0, 0, 0, 1, 1, 0.3, error=Locked("held by ann since 10:00")),
        HostNotReached("web5", "web1 failed; this host keeps what it serves"),
    ]
    assert shown(events) == (
        "failed:  [web1] caddy : Install Caddy\n"
        "  apt-get ended with status 100\n"
        "    | E: no such host\n"
        "  hint: check DNS on the host\n"
        "unreachable: [database]\n"
        "  root was refused\n"
        "locked:  [web3]\n"
        "  held by ann since 10:00\n"
        "\n"
        "stopped: [web4]\n"
        "  stopped before the next step, as asked\n"
        "\n"
        "web1     : ok=10 changed=3 failed=1 unreachable=0 trips=2 12.0s\n"
        "database : ok=0  changed=0 failed=0 unreachable=1 trips=0 0.2s\n"
        "web3     : ok=0  changed=0 failed=0 unreachable=1 trips=1 0.3s locked\n"
        "web4     : ok=2  changed=0 failed=1 unreachable=0 trips=2 3.0s stopped\n"
        "web5     : not reached: web1 failed; this host keeps what it serves\n"
    )


def test_a_second_round_shows_what_it_changes() -> None:
    """The differences of a task are those of the last reading."""
    again = TaskVerdict("web1", "motd", "Write the greeting", "change", ("/etc/motd: mode 0640 -> 0644",))
    events = [*SURVEY, Phase("web1", "apply"), Phase("web1", "prove"), again, APPLY[4]]
    assert "mode 0640 -> 0644" in shown(events, Detail(diff=True))
    assert "mode 0600" not in shown(events, Detail(diff=True))


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ((), []),
        (("/etc/x: mode 0600 -> 0644", "/etc/x: content"), ["/etc/x: mode 0600 -> 0644, content"]),
        (("/etc/x: type absent -> file", "/etc/x: mode none -> 0644", "/etc/x: content"), ["/etc/x: absent -> file"]),
        (("/a: type absent -> directory", "/b: owner a -> b"), ["/a: absent -> directory", "/b: owner a -> b"]),
        (("/etc/x: type link -> file", "/etc/x: content"), ["/etc/x: type link -> file, content"]),
        (("due yes -> no", "digest (secret)"), ["due yes -> no", "digest (secret)"]),
    ],
)
def test_differences_are_told_by_subject(keys: tuple[str, ...], lines: list[str]) -> None:
    """One line for a file, however much of it differs."""
    assert list(condensed(keys)) == lines


def test_notices_name_the_host_they_are_about() -> None:
    """A notice about the whole run names none, and is not a host of the recap."""
    assert shown([Notice("", "stopping"), Notice("web1", "no certificate yet")]) == (
        "notice:  stopping\nnotice:  [web1] no certificate yet\n"
    )


def test_addresses_are_shown_once() -> None:
    """The hosts of a fleet share a name."""
    ends = [HostFinished(name, 1, 0, 0, 0, 1, 0.1, urls=("https://a.example.com/",)) for name in ("web1", "web2")]
    assert shown(ends).splitlines()[-1] == "https://a.example.com/  web1, web2"


def test_color_is_added_to_the_same_text() -> None:
    """Colours are Ansible's: changed is yellow."""
    assert "\x1b[38;5;136mchanged:\x1b[0m" not in shown([*SURVEY, *APPLY, SUCCESS])
    assert "\x1b[38;5;136mchanged: \x1b[0m\x1b[1m[web1]\x1b[0m" in shown([*SURVEY, *APPLY, SUCCESS], color=True)
