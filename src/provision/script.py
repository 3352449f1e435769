"""Reads and steps to sh, and what it prints back to readings. Pure.

Equal kinds of read become one command: 100 files looked at one by one cost 190 ms of CPU on the host, in one `find`
and one `sha256sum` 4 ms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

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
    """frame facts
. /etc/os-release
printf '%s\\n' "id=${ID-}" "id_like=${ID_LIKE-}" "version=${VERSION_ID-}" "codename=${VERSION_CODENAME-}"
printf 'kernel=%s\\n' "$(uname -nm)"
printf 'vcpus=%s\\n' "$(nproc)"
read -r _ total _ </proc/meminfo
printf 'memory=%s\\n' "$total"
printf 'python=%s\\n' "$(readlink /usr/bin/python3)"
printf 'uid=%s\\n' "$(id -u)"
"""
)

UNIT_LINE = "-- unit --"


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
        *(
            sh(
                'frame shell {}; timeout {} sh "$here/read-{}" </dev/null 2>/dev/null\nframe rc {} "$?"',
                index,
                read.timeout,
                index,
                index,
            )
            for index, read in enumerate(shells)
        ),
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
        '[ -f "$path" ] && [ ! -L "$path" ] && [ "$(stat -c %s -- "$path")" -le '
        + str(CONTENT_LIMIT)
        + ' ] || continue\nframe content; printf \'%s\\0\' "$path"; cat -- "$path"\ndone'
    )
    return sh(loop, paths)


def _units(names: Sequence[str]) -> Sh:
    if not names:
        return Sh()
    return sh("frame unit\nsystemctl show --property={} -- {}", ",".join(UNIT_PROPERTIES), names)


def _packages(names: Sequence[str]) -> Sh:
    if not names:
        return Sh()
    return sh("frame package\ndpkg-query -W -f '${{Package}}\\t${{db:Status-Abbrev}}\\t${{Version}}\\n' -- {}", names)


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
        self._bodies: dict[str, bytes] = {}
        self._contents: dict[str, bytes] = {}

    def __call__(self, frame: Frame) -> None:
        """Take one frame."""
        if frame.verb == "content":
            path, _, data = frame.body.partition(b"\0")
            self._contents[path.decode()] = data
        else:
            self._bodies[" ".join(frame.words[:2])] = frame.body if frame.verb != "rc" else frame.words[2].encode()

    def observed(self) -> Observed:
        """Every read with its reading; what the host did not mention is absent."""
        shells = [read for read in self._reads if isinstance(read, Shell)]
        stats, digests = self._stats(), self._digests()
        listings, units = self._listings(), self._units()
        packages, accounts = self._packages(), self._accounts()
        readings: dict[Read, Reading] = {}
        for read in self._reads:
            match read:
                case Stat(path):
                    readings[read] = stats.get(path, {"type": "absent"})
                case Digest(path):
                    readings[read] = {"sha256": digests.get(path, "")}
                case Content(path):
                    readings[read] = self._content(path)
                case Listing(path):
                    readings[read] = {"names": "\n".join(sorted(listings.get(path, [])))}
                case Unit(name):
                    readings[read] = units.get(name, {"LoadState": "not-found"})
                case Package(name):
                    readings[read] = packages.get(name, {"status": "absent", "version": ""})
                case Account(database, name):
                    readings[read] = accounts.get((database, name), {"exists": "no"})
                case Shell():
                    readings[read] = self._shell(shells.index(read))
        return Observed(self._facts(), readings)

    def _text(self, name: str) -> str:
        return self._bodies.get(name, b"").decode("utf-8", "surrogateescape")

    def _records(self, name: str, size: int) -> list[list[str]]:
        """NUL-terminated fields in groups of ``size``."""
        fields = self._text(name).split("\0")[:-1]
        return [fields[start : start + size] for start in range(0, len(fields), size)]

    def _stats(self) -> dict[str, Reading]:
        types = {"f": "file", "d": "directory", "l": "link"}
        return {
            path: {
                "type": types.get(kind, "other"),
                "mode": mode.zfill(4),
                "owner": owner,
                "group": group,
                "target": target,
            }
            for path, kind, mode, owner, group, target in self._records("stat", 6)
        }

    def _digests(self) -> dict[str, str]:
        return {entry[66:]: entry[:64] for entry in self._text("digest").split("\0") if entry}

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

    def _units(self) -> dict[str, Reading]:
        names = [read.name for read in self._reads if isinstance(read, Unit)]
        blocks = self._text("unit").strip("\n").split("\n\n")
        if len(blocks) != len(names):
            return {}
        return {name: _pairs(block) for name, block in zip(names, blocks, strict=True)}

    def _packages(self) -> dict[str, Reading]:
        found: dict[str, Reading] = {}
        for line in self._text("package").splitlines():
            name, status, version = line.split("\t")
            if status[1:2] == "i":
                found[name] = {"status": "installed", "version": version}
            elif status[1:2] not in "nc":
                found[name] = {"status": "half", "version": version}
        return found

    def _accounts(self) -> dict[tuple[str, str], Reading]:
        found: dict[tuple[str, str], Reading] = {}
        memberships: dict[str, list[str]] = {}
        for line in self._text("group").splitlines():
            name, _, gid, members = line.split(":", 3)
            found["group", name] = {"exists": "yes", "id": gid}
            for member in filter(None, members.split(",")):
                memberships.setdefault(member, []).append(name)
        for line in self._text("passwd").splitlines():
            name, _, uid, gid, _, home, shell = line.split(":", 6)
            found["passwd", name] = {
                "exists": "yes",
                "id": uid,
                "gid": gid,
                "home": home,
                "shell": shell,
                "groups": ",".join(sorted(memberships.get(name, []))),
            }
        return found

    def _shell(self, index: int) -> Reading:
        return {**_pairs(self._text(f"shell {index}")), "rc": self._text(f"rc {index}")}

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
            processor_vcpus=int(raw.get("vcpus") or 1),
            memtotal_mb=int(raw.get("memory") or 0) // 1024,
            python_version=raw.get("python", "").removeprefix("python"),
            uid=int(raw.get("uid") or 0),
        )


def _pairs(text: str) -> dict[str, str]:
    """``key=value`` lines; lines without ``=`` are left out."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


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
