"""Reads and steps to sh, and what it prints back to readings. Pure.

Equal kinds of read become one command: 100 files looked at one by one cost 190 ms of CPU on the host, in one `find`
and one `sha256sum` 4 ms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources

from provision.errors import HostError
from provision.resources.base import (
    Account,
    Content,
    Digest,
    Facts,
    Listing,
    Package,
    Read,
    Reading,
    Shell,
    Stat,
    Step,
    Unit,
)
from provision.shell import Sh, lines, sh
from provision.transport.frames import Frame

CONTENT_LIMIT = 64 * 1024
"""Bytes of a managed file whose old text rides along for a diff."""

PRELUDE = Sh("umask 022\nexport PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\ncd /\n")
"""How every script and step starts; driver.sh has already exported LC_ALL and HOME."""

UNIT_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NeedDaemonReload", "InvocationID")

FACTS = Sh(
    # In a subshell: where there is no such file `.` ends the shell.
    """frame facts
(
. /etc/os-release
printf '%s\\n' "id=${ID-}" "id_like=${ID_LIKE-}" "version=${VERSION_ID-}" "codename=${VERSION_CODENAME-}"
)
printf 'kernel=%s\\n' "$(uname -nm)"
printf 'vcpus=%s\\n' "$(nproc)"
read -r _ total _ </proc/meminfo
printf 'memory=%s\\n' "$total"
printf 'python=%s\\n' "$(readlink /usr/bin/python3)"
printf 'uid=%s\\n' "$(id -u)"
"""
)
_SHELL = """\
frame shell {}; timeout --kill-after 1 {} sh "$here/read-{}" </dev/null 2>/dev/null
frame rc {} "$?\""""


def survey(reads: Iterable[Read], *, contents: bool) -> dict[str, bytes]:
    """The files of a survey trip. ``contents`` asks for the old text of managed files, too."""
    wanted = sorted(set(reads), key=repr)
    paths = {kind: [r.path for r in wanted if isinstance(r, kind)] for kind in (Stat, Digest, Listing, Content)}
    shells = [read for read in wanted if isinstance(read, Shell)]
    body = lines(
        FACTS,
        _find("stat", paths[Stat], "-maxdepth 0 -printf '%p\\0%y\\0%m\\0%u\\0%g\\0%l\\0'"),
        _find("digest", paths[Digest], "-maxdepth 0 -type f -exec sha256sum -z -- {{}} +"),
        _find("listing", paths[Listing], "-mindepth 1 -maxdepth 1 -printf '%h\\0%f\\0'"),
        _contents(paths[Content]) if contents else "",
        _units([read.name for read in wanted if isinstance(read, Unit)]),
        _packages([read.name for read in wanted if isinstance(read, Package)]),
        _accounts([read for read in wanted if isinstance(read, Account)]),
        *(sh(_SHELL, index, read.timeout, index, index) for index, read in enumerate(shells)),
    )
    main = lines(
        PRELUDE,
        'frame() { printf \'\\n@%s %s\\n\' "$nonce" "$*" || exit 141; }',
        # A cut script is a syntax error instead of half a command.
        sh("survey() {{\n{}\n}}\nsurvey 2>/dev/null\nframe over\n", body),
    )
    files = {"main": main.encode()}
    for index, read in enumerate(shells):
        files[f"read-{index}"] = lines(PRELUDE, read.script, "").encode()
    return files


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
    show = "frame unit\nsystemctl show --property={} -- {}"
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


@dataclass
class Observed:
    """The answer to a survey: facts, and a reading for every read that was asked for."""

    facts: Facts = field(default_factory=Facts)
    readings: dict[Read, Reading] = field(default_factory=dict)


class SurveyParser:
    """Collects the frames of a survey of ``reads``; ``observed()`` when the last has come."""

    def __init__(self, reads: Iterable[Read]) -> None:
        self._reads = sorted(set(reads), key=repr)
        self._shells: list[Read] = [read for read in self._reads if isinstance(read, Shell)]
        self._bodies: dict[str, bytes] = {}
        self._contents: dict[str, bytes] = {}

    def __call__(self, frame: Frame) -> None:
        """Take one frame."""
        if frame.verb == "content":
            path, _, data = frame.body.partition(b"\0")
            self._contents[path.decode("utf-8", "replace")] = data
        else:
            # A status stands in the line of its frame.
            self._bodies[" ".join(frame.words[:2])] = frame.body or " ".join(frame.words[2:]).encode()

    def observed(self) -> Observed:
        """Every read with its reading; what the host did not mention is absent. HostError for a damaged answer."""
        return Observed(self._facts(), {read: self._reading(read) for read in self._reads})

    def _reading(self, read: Read) -> Reading:
        match read:
            case Stat(path):
                return self._stats.get(path, {"type": "absent"})
            case Digest(path):
                return {"sha256": self._digests.get(path, "")}
            case Content(path):
                return self._content(path)
            case Listing(path):
                return {"names": "\n".join(sorted(self._listings.get(path, [])))}
            case Unit(name):
                return self._units.get(name, {"LoadState": "not-found"})
            case Package(name):
                return self._packages.get(name, {"status": "absent", "version": ""})
            case Account("passwd", name):
                return self._users.get(name, {"exists": "no"})
            case Account(_, name):
                return self._groups.get(name, {"exists": "no"})
            case _:
                index = self._shells.index(read)
                return {**_pairs(self._text(f"shell {index}")), "rc": self._text(f"rc {index}")}

    def _text(self, name: str) -> str:
        return self._bodies.get(name, b"").decode("utf-8", "replace")

    def _rows(self, name: str, separator: str, size: int) -> list[list[str]]:
        """The lines of an answer in ``size`` fields each."""
        found = [line for line in self._text(name).split("\n") if line]
        if wrong := [line for line in found if line.count(separator) < size - 1]:
            raise _damaged(f"its part {name} has the line {wrong[0]!r:.60}")
        return [line.split(separator, size - 1) for line in found]

    def _records(self, name: str, size: int) -> list[list[str]]:
        """NUL-terminated fields in groups of ``size``."""
        *fields, rest = self._text(name).split("\0")
        if rest or len(fields) % size:
            raise _damaged(f"its part {name} ends in the middle")
        return [fields[start : start + size] for start in range(0, len(fields), size)]

    @cached_property
    def _stats(self) -> dict[str, Reading]:
        types = {"f": "file", "d": "directory", "l": "link"}
        return {
            path: {"type": types.get(kind, "other"), "mode": mode.zfill(4), "owner": user, "group": group, "target": to}
            for path, kind, mode, user, group, to in self._records("stat", 6)
        }

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {entry[66:]: entry[:64] for (entry,) in self._records("digest", 1)}

    @cached_property
    def _listings(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for folder, name in self._records("listing", 2):
            found.setdefault(folder, []).append(name)
        return found

    def _content(self, path: str) -> Reading:
        try:
            text = self._contents[path].decode()
        except (KeyError, UnicodeDecodeError):
            return {"text": "", "readable": "no"}
        return {"text": text, "readable": "yes"}

    @cached_property
    def _units(self) -> dict[str, Reading]:
        """In the order of the names; systemctl ends at one that it cannot use."""
        names = [read.name for read in self._reads if isinstance(read, Unit)]
        blocks = [block for block in self._text("unit").strip("\n").split("\n\n") if block]
        if "unit" in self._bodies and len(blocks) < len(names):
            hint = "either systemd does not run on this host, or this is no unit but a template (name@)"
            raise HostError(f"systemctl show says nothing of {names[len(blocks)]}", hint=hint)
        return dict(zip(names, map(_pairs, blocks), strict=False))

    @cached_property
    def _packages(self) -> dict[str, Reading]:
        found: dict[str, Reading] = {}
        for name, status, version in self._rows("package", "\t", 3):
            if status[1:2] == "i":
                found[name] = {"status": "installed", "version": version}
            elif status[1:2] not in "nc":
                found[name] = {"status": "half", "version": version}
        return found

    @cached_property
    def _groups(self) -> dict[str, Reading]:
        return {name: {"exists": "yes", "id": gid} for name, _, gid, _ in self._rows("group", ":", 4)}

    @cached_property
    def _users(self) -> dict[str, Reading]:
        groups = {name: members.split(",") for name, _, _, members in self._rows("group", ":", 4)}
        found: dict[str, Reading] = {}
        for name, _, uid, gid, _, home, shell in self._rows("passwd", ":", 7):
            member = ",".join(sorted(group for group, members in groups.items() if name in members))
            found[name] = {"exists": "yes", "id": uid, "gid": gid, "home": home, "shell": shell, "groups": member}
        return found

    def _facts(self) -> Facts:
        raw = _pairs(self._text("facts"))
        name, _, machine = raw.get("kernel", "").rpartition(" ")
        family = {raw.get("id", ""), *raw.get("id_like", "").split()}
        return Facts(
            distribution=raw.get("id", "").capitalize(),
            distribution_release=raw.get("codename", ""),
            distribution_version=raw.get("version", ""),
            os_family="Debian" if "debian" in family else raw.get("id", ""),
            architecture=machine,
            hostname=name.partition(".")[0],
            processor_vcpus=_number(raw, "vcpus") or 1,
            memtotal_mb=_number(raw, "memory") // 1024,
            python_version=raw.get("python", "").removeprefix("python"),
            uid=_number(raw, "uid"),
        )


def _number(raw: Mapping[str, str], name: str) -> int:
    text = raw.get(name) or "0"
    if not re.fullmatch("[0-9]{1,15}", text):
        raise _damaged(f"the fact {name} is {text!r:.60}, which is no number")
    return int(text)


def _damaged(what: str) -> HostError:
    return HostError(f"the host's answer cannot be used: {what}", hint="nothing was changed because of it; run again")


def _pairs(text: str) -> dict[str, str]:
    """``key=value`` lines; lines without ``=`` are left out."""
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line)


def apply(steps: Sequence[Step], *, audit: Mapping[str, object]) -> dict[str, bytes]:
    """The files of an apply trip: runner.sh, each step as a file of its own, and what is recorded of the run."""
    runner = (resources.files("provision.transport") / "runner.sh").read_text(encoding="utf-8")
    calls = [
        sh("run_step {} {} {}", number, step.timeout or 0, "yes" if step.secret else "no")
        for number, step in enumerate(steps, 1)
    ]
    main = lines(sh("apply() {{\n{}\n}}", Sh(runner + "\n".join(calls) + "\nfinish")), Sh("apply\n"))
    files = {"main": main.encode(), "audit.json": (json.dumps({**audit, "result": "@RESULT@"}) + "\n").encode()}
    for number, step in enumerate(steps, 1):
        files[f"{number}.sh"] = lines(PRELUDE, step.script, "").encode()
        files |= {f"{number}.files/{name}": data for name, data in step.files.items()}
    return files
