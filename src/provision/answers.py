"""What a host answers to a survey, back into facts and readings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from provision.errors import HostError
from provision.resources.base import Account, Content, Digest, Facts, Listing, Package, Read, Reading, Shell, Stat, Unit
from provision.transport.frames import Frame
from provision.vitals import MB, Disk, Vitals

_PYTHON = re.compile(r"^link='/usr/bin/python3' -> '(?:.*/)?python([0-9.]+)'$", re.MULTILINE)
"""What ``stat --printf=link=%N`` says of the distribution's interpreter."""


@dataclass
class Observed:
    """The answer to a survey: facts, the host's health, and a reading for every read that was asked for."""

    facts: Facts = field(default_factory=Facts)
    readings: dict[Read, Reading] = field(default_factory=dict)
    vitals: Vitals = field(default_factory=Vitals)


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
        return Observed(self._facts(), {read: self._reading(read) for read in self._reads}, self._vitals())

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
        return dict(zip(names, map(_unit, blocks), strict=False))

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
        groups = {name: (gid, members.split(",")) for name, _, gid, members in self._rows("group", ":", 4)}
        found: dict[str, Reading] = {}
        for name, _, uid, gid, comment, home, shell in self._rows("passwd", ":", 7):
            own = next((group for group, (number, _) in groups.items() if number == gid), "")
            member = sorted(group for group, (_, members) in groups.items() if name in members)
            account = {"exists": "yes", "id": uid, "gid": gid, "group": own, "comment": comment, "home": home}
            account |= {"shell": shell, "groups": ",".join(member)}
            found[name] = account | {f"in {group}": "yes" for group in (own, *member)}
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
            python_version=python[1] if (python := _PYTHON.search(self._text("facts"))) else "",
            uid=_number(raw, "uid"),
        )

    def _vitals(self) -> Vitals:
        raw = _pairs(self._text("facts"))
        return Vitals(
            time=_number(raw, "time") or None,
            memory_available_mb=_number(raw, "available") // 1024 if raw.get("available") else None,
            memory_total_mb=_number(raw, "memory") // 1024 if raw.get("memory") else None,
            disks=tuple(map(disk_of, self._rows("disks", " ", 7))),
        )


def disk_of(words: Sequence[str]) -> Disk:
    """A file system, as ``stat --file-system --format='%i %a %b %d %c %S %n'`` has it. Raises HostError."""
    if not all(re.fullmatch("-?[0-9]{1,20}", word) for word in words[1:6]):
        raise _damaged(f"of a file system it says {' '.join(words)!r:.60}")
    free, total, inodes_free, inodes_total, block = map(int, words[1:6])
    return Disk(words[6], free * block // MB, total * block // MB, inodes_free, inodes_total, words[0])


def _number(raw: Mapping[str, str], name: str) -> int:
    text = raw.get(name) or "0"
    if not re.fullmatch("[0-9]{1,15}", text):
        raise _damaged(f"the fact {name} is {text!r:.60}, which is no number")
    return int(text)


def _damaged(what: str) -> HostError:
    return HostError(f"the host's answer cannot be used: {what}", hint="nothing was changed because of it; run again")


def _unit(text: str) -> dict[str, str]:
    """A unit that reloads runs, and what it does at that moment is nothing to put right."""
    found = _pairs(text)
    return {**found, "ActiveState": "active"} if found.get("ActiveState") == "reloading" else found


def _pairs(text: str) -> dict[str, str]:
    """``key=value`` lines; lines without ``=`` are left out."""
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
