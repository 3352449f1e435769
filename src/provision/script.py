"""Reads and steps to sh; answers.py has the way back. Pure.

Equal kinds of read become one command: 100 files looked at one by one cost 190 ms of CPU on the host, in one `find`
and one `sha256sum` 4 ms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from provision.resources.base import (
    Account,
    Content,
    Digest,
    Listing,
    Package,
    Read,
    Shell,
    Stat,
    Step,
    Unit,
)
from provision.shell import Sh, lines, sh
from provision.transport.session import program

CONTENT_LIMIT = 64 * 1024
"""Bytes of a managed file whose old text rides along for a diff."""

PRELUDE = Sh("umask 022\nexport PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\ncd /\n")
"""How every script and step starts; driver.sh has already exported LC_ALL and HOME."""

UNIT_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "NeedDaemonReload", "InvocationID")

FACTS = Sh(
    # In a subshell: where there is no such file `.` ends the shell.
    """frame facts
(
. /etc/os-release
printf '%s\\n' "id=${ID-}" "id_like=${ID_LIKE-}" "version=${VERSION_ID-}" "codename=${VERSION_CODENAME-}"
)
printf 'kernel=%s\\n' "$(uname -nm)"
printf 'vcpus=%s\\n' "$cores"
{
read -r _ total _
read -r _
read -r _ available _
} </proc/meminfo
printf '%s\\n' "memory=$total" "available=$available"
# Where python3 leads; who we are, and what time it is, for the folder of this trip was made by this shell just now.
stat --printf='link=%N\\nuid=%u\\ntime=%Y\\n' -- /usr/bin/python3 "$here"
frame disks
stat --file-system --format='%i %a %b %d %c %S %n' / /var /srv
"""
)
_FRAME = Sh('frame() { printf \'\\n@%s %s\\n\' "$nonce" "$*" || exit 141; }')

_QUICK = """\
frame shell {}
(. "$here/read-{}") </dev/null 2>/dev/null
frame rc {} "$?\""""

_CAREFUL = """\
frame shell {}; timeout --kill-after 1 {} sh "$here/read-{}" </dev/null 2>/dev/null
frame rc {} "$?\""""

# A process costs a millisecond, a subshell a tenth of it. So the reads that are programs of their own share one shell
# and one time limit, beside the process that makes all others; only where that goes wrong, because one of them hangs or
# ends the shell, each is made anew in a process of its own.
_PROGRAMS = """\
{{
timeout --kill-after 1 {} sh "$here/programs" </dev/null >"$here/told" || {{
{}
}} >"$here/told"
}} &
programs=$!"""


_FORWARD = """\
if [ -e "${{run-}}/beat" ]; then
    read -r uptime _ </proc/uptime
    echo "$((${{uptime%.*}} + {}))" >"$run/beat"
fi"""
"""The driver reads no heartbeat while this runs: without it, it would take the line for dead, and end the survey."""


def survey(reads: Iterable[Read], *, contents: bool) -> dict[str, bytes]:
    """The files of a survey trip. ``contents`` asks for the old text of managed files, too."""
    wanted = _in_order(reads)
    paths = {kind: [r.path for r in wanted if isinstance(r, kind)] for kind in (Stat, Digest, Listing, Content)}
    programs = list(enumerate(read for read in wanted if isinstance(read, Shell)))
    body = lines(
        # Programs that are read want the number, too.
        Sh("cores=$(nproc) && export cores"),
        _units([read.name for read in wanted if isinstance(read, Unit)]),
        _programs(programs),
        FACTS,
        _find("stat", paths[Stat], "-maxdepth 0 -printf '%p\\0%y\\0%m\\0%u\\0%g\\0%l\\0'"),
        _find("digest", paths[Digest], "-maxdepth 0 -type f -exec sha256sum -z -- {{}} +"),
        _find("listing", paths[Listing], "-mindepth 1 -maxdepth 1 -printf '%h\\0%f\\0'"),
        _contents(paths[Content]) if contents else "",
        _packages([read.name for read in wanted if isinstance(read, Package)]),
        _accounts([read for read in wanted if isinstance(read, Account)]),
        # What could not be written, as where /run is full, must not pass for a program that found nothing.
        Sh('wait "$programs" || exit 1') if programs else "",
        Sh('cat "$here"/told* || exit 141') if programs or any(isinstance(read, Unit) for read in wanted) else "",
    )
    # A cut script is a syntax error instead of half a command.
    # Nothing that a program leaves behind keeps the session's requests or its lock.
    begin = sh("exec 3<&- 9<&-\n" + _FORWARD, patience(wanted)) if programs else Sh("exec 3<&- 9<&-")
    main = lines(PRELUDE, _FRAME, begin, sh("survey() {{\n{}\n}}\nsurvey 2>/dev/null\nframe over\n", body))
    files = {"main": main.encode()}
    for index, read in programs:
        files[f"read-{index}"] = lines(PRELUDE, read.script, "").encode()
    if programs:
        quick = [sh(_QUICK, index, index, index) for index, _ in programs]
        files["programs"] = lines(PRELUDE, _FRAME, *quick, "").encode()
    return files


def patience(reads: Iterable[Read]) -> int:
    """Seconds that a survey of these may be silent because of its programs, each of which has its own time limit."""
    timeouts = [read.timeout + 1 for read in _in_order(reads) if isinstance(read, Shell)]
    return sum(timeouts) + max(timeouts, default=0)


def _programs(programs: Sequence[tuple[int, Shell]]) -> Sh:
    if not programs:
        return Sh()
    careful = [sh(_CAREFUL, index, read.timeout, index, index) for index, read in programs]
    return sh(_PROGRAMS, max(read.timeout for _, read in programs), lines(*careful))


def _in_order(reads: Iterable[Read]) -> list[Read]:
    return sorted(set(reads), key=repr)


def _find(name: str, paths: Sequence[str], action: str) -> Sh:
    return sh("frame " + name + "\nfind {} " + action, paths) if paths else Sh()


def _contents(paths: Sequence[str]) -> Sh:
    """One frame a file; find leaves out what is no regular file or too large."""
    if not paths:
        return Sh()
    loop = (
        "for path in {}; do\n"
        'if [ -f "$path" ] && [ ! -L "$path" ] && [ "$(stat -c %s -- "$path")" -le '
        + str(CONTENT_LIMIT)
        + ' ]; then\nframe content; printf \'%s\\0\' "$path"; cat -- "$path"\nfi\ndone'
    )
    return sh(loop, paths)


def _units(names: Sequence[str]) -> Sh:
    """First of all, since programs that are read may look into its answer instead of asking systemd once more."""
    show = '{{\nframe unit\nsystemctl show --property={} -- {}\n}} >"$here/told-units"'
    return sh(show, ",".join(UNIT_PROPERTIES), names) if names else Sh()


def _packages(names: Sequence[str]) -> Sh:
    query = "frame package\ndpkg-query -W -f '${{Package}}\\t${{db:Status-Abbrev}}\\t${{Version}}\\n' -- {}"
    return sh(query, names) if names else Sh()


def _accounts(reads: Sequence[Account]) -> Sh:
    users = [read.name for read in reads if read.database == "passwd"]
    if not reads:
        return Sh()
    # The whole group database: a user's supplementary groups stand in its lines.
    return lines(sh("frame passwd\ngetent passwd -- {}", users) if users else "", Sh("frame group\ngetent group"))


class Owner(NamedTuple):
    """The task that a step belongs to; ``last`` if the task has no step after it."""

    role: str
    task: str
    last: bool = True


def apply(steps: Sequence[Step], *, audit: Mapping[str, object], owners: Sequence[Owner] = ()) -> dict[str, bytes]:
    """The files of an apply trip: runner.sh, each step as a file of its own, and what is recorded of the run.

    ``owners`` are the tasks of the steps, one for each; without it each step is a task of its own.
    """
    runner = program("runner.sh")
    owners = owners or [Owner("", "") for _ in steps]
    calls = [
        sh("run_step {} {} {} {}", number, step.timeout or 0, _yes(step.secret), _yes(owner.last))
        for number, (step, owner) in enumerate(zip(steps, owners, strict=True), 1)
    ]
    main = lines(sh("apply() {{\n{}\n}}", Sh(runner + "\n".join(calls) + "\nfinish")), Sh("apply\n"))
    tasks = "".join(f', "role": {json.dumps(owner.role)}, "task": {json.dumps(owner.task)}\n' for owner in owners)
    files = {"main": main.encode(), "audit.json": (json.dumps(audit) + "\n").encode(), "tasks": tasks.encode()}
    for number, step in enumerate(steps, 1):
        files[f"{number}.sh"] = lines(PRELUDE, step.script, "").encode()
        files |= {f"{number}.files/{name}": data for name, data in step.files.items()}
    return files


def _yes(value: bool) -> str:
    return "yes" if value else "no"
