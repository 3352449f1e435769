"""The programs that are run on a host for `logs`, `run` and `exec`."""

from __future__ import annotations

import base64
import gzip
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.ops.relay import KILL_GROUP
from provision.resources.programs import program
from provision.shell import Sh, lines, sh

_FIND_PROCESSES = Sh(
    r"set -- $({ process_units blue; process_units green; } | sed 's/\(.*@\).*/--unit=\1blue --unit=\1green/')"
)
_SINCE = re.compile(r"[0-9]+ ?(s|sec|m|min|h|hours?|d|days?|w|weeks?)")


@dataclass(frozen=True)
class Program:
    """A sh program, and how the signal $SIGNAL is handed to what it has started."""

    text: Sh
    signal: Sh = KILL_GROUP


@dataclass(frozen=True)
class LogQuery:
    """Which lines of an app's journal."""

    lines: int | None = None
    """The last so many; None for all."""
    since: str = ""
    """A time as journalctl(1) takes it, or an age: ``10m``, ``2h``."""
    grep: str = ""
    """A PCRE that the message matches; without capital letters case does not matter."""
    follow: bool = False


def on_host(words: Sequence[str]) -> Program:
    """A command as root, with root's home as its folder."""
    command = Sh(words[0]) if _is_line(words) else sh("exec {}", words)
    return Program(lines("umask 022", "cd ~", command))


def logs(app: str, query: LogQuery) -> Program:
    """The journal of both slots of ``app``, their migrations and processes, as JSON, one entry per line.

    Both slots: which of them serves may change while somebody looks.
    """
    # Not app-NAME@*: a pattern misses units that have not run yet when following starts.
    units = [f"app-{app}{kind}@{slot}.service" for kind in ("", "-migrate") for slot in ("blue", "green")]
    options = ["--quiet", "--all", "--output=json"]
    options += ["--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_PID,_SYSTEMD_UNIT,UNIT"]
    options += [f"--unit={unit}" for unit in units]
    if query.lines is not None and not query.since:
        options.append(f"--lines={query.lines}")
    since = f"--since={'-' if _SINCE.fullmatch(query.since) else ''}{query.since}" if query.since else ""
    if since:
        options.append(since)
    if query.grep:
        options.append(f"--grep={query.grep}")
    if query.follow:
        options.append("--follow")
    show = sh('exec journalctl {} "$@"', options)
    if since and query.lines is not None and not query.follow:
        # With --since, journalctl's --lines are the first of them; and a time that it cannot read is lost in a pipe.
        check = sh("journalctl --quiet --lines=0 {}", since)
        show = lines(check, sh('journalctl {} "$@" | tail -n {}', options, query.lines))
    return Program(lines(_slot_program(app), "ensure_app", _FIND_PROCESSES, show))


def in_slot(app: str, words: Sequence[str], *, terminal: bool = False) -> Program:
    """A command as the serving slot's own process: its user, folders, environment, limits and sandbox.

    The unit is a transient one of systemd, so that a command that hangs can neither harm the slot nor outlive its
    `provision run`. With ``terminal`` it gets one, that of whoever runs the program.
    """
    unit = f"app-{app}-run-{secrets.token_hex(4)}.service"
    options = ["--quiet", "--collect", "--wait", "--service-type=exec", f"--unit={unit}"]
    options.append("--pty" if terminal else "--pipe")
    # systemd replaces $NAME in a unit's command. env looks the program up in the unit's PATH, systemd-run in root's.
    argv = ["/bin/sh", "-c", words[0]] if _is_line(words) else words
    command = ["/usr/bin/env", *(word.replace("$", "$$") for word in argv)]
    text = lines(
        _slot_program(app),
        "find_slot",
        'set -- --description="$NAME: provision run"',
        "while IFS= read -r line; do",
        '\tset -- "$@" --property="$line"',
        "done <<END",
        '$(process_lines "$slot")',
        "END",
        sh('exec systemd-run {} "$@" -- {}', options, command),
    )
    return Program(text, sh('systemctl kill --signal="$SIGNAL" {}', unit))


def one_line(text: Sh) -> str:
    """A sh program as one line that every login shell reads alike, for the command line of ssh."""
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return f'eval "$(echo {packed} | base64 -d | gzip -d)"'


def _slot_program(app: str) -> Sh:
    own = Path(__file__).with_name("slot.sh").read_text(encoding="utf-8")
    return lines("set -eu", program("state.sh", "slots.sh", NAME=app), own)


def _is_line(words: Sequence[str]) -> bool:
    """One word that is more than a program's name is a line for the shell; several words are taken as they are."""
    return len(words) == 1 and not re.fullmatch(r"[\w@%+:,./-]+", words[0])
