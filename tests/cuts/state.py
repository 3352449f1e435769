"""The state of a host, less what two undisturbed runs do not have in common either."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import stat
from collections.abc import Mapping
from pathlib import Path

from provision.lab.lab import Lab
from provision.lab.provider import Host

MAY_DIFFER = {
    "/cut|/usr/local/sbin|/etc/dpkg/dpkg.cfg.d": "the harness's own",
    "/(dev|proc|run|sys|tmp)/.*": "mounted over; /run and /tmp are looked at from inside",
    "/var/tmp/systemd-private-.*": "named anew at each boot",
    "/etc/(hostname|hosts|machine-id|resolv.conf|systemd/network/10-lab.network|ssh/.*)": "the lab's: who the host is",
    "/root/.ssh.*": "the lab's",
    "/(var/log|var/cache)/.*": "what happened, and what can be loaded again",
    "/var/lib/apt/.*|/var/lib/dpkg/.*": "apt's own books; the packages are compared by what dpkg says",
    "/var/lib/systemd/.*": "times of timers, and the seed of random numbers",
    "/var/lib/caddy/.*": "keys, certificates and times, made by Caddy",
    "/etc/(passwd|group|shadow|gshadow|subuid|subgid)-": "the former edition of another file",
}
"""Paths that are left out, with the reason."""

NAMES_ONLY = {
    r".*\.pyc": "bytecode holds the time of its source",
    r"/srv/notes/deployments/[^/]*/(deployed|memory_per_worker)": "a time, and a measurement",
    r"/var/lib/app-notes/.*\.db": "compared as tables",
    "/etc/shadow": "the day of the last change",
}
"""Files whose content is left out; that they exist, their type, mode and owner are compared."""

CONTENTS = ("/etc/", "/srv/", "/opt/", "/usr/local/", "/var/lib/provision/", "/var/lib/app-notes/", "/root/")
"""Where contents are compared; elsewhere the files are dpkg's, and their sizes will do."""

ASK = """\
dpkg-query -W -f 'package ${Package} ${Version} ${db:Status-Abbrev}\\n'
dpkg --audit | sed 's/^/audit /'
systemctl list-unit-files --plain --no-legend --state=enabled | awk '{ print "enabled", $1 }'
systemctl list-units --plain --no-legend --state=active,activating 'app-*' 'caddy*' | awk '{ print "runs", $1 }'
systemctl list-units --plain --no-legend --state=failed | awk '{ print "failed", $1 }'
systemctl show -p Id,NeedDaemonReload 'app-*' 'caddy*' | grep -B 1 '=yes'
find /run/app-notes /run/provision* /run/systemd/system /run/systemd/transient -printf 'run %p %y %m %u:%g\\n'
find /tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*' ! -name '.*-unix' ! -name 'uv-*.lock' -printf 'tmp %f\\n'
echo "caddy $(curl --silent --unix-socket /run/caddy/admin.sock http://127.0.0.1/config/ | sha256sum)"
"""
"""What a host says of itself; run as root."""


def state(lab: Lab, host: Host) -> dict[str, str]:
    """What is on ``host``, comparable with another in which the same app was deployed the same number of times."""
    root = lab.root(host)
    done = lab.run(host, ASK)
    said = {line: "" for line in done.stdout.splitlines()}
    files = dict(_files(root))
    files |= {"tables": _tables(root)}
    ranks = _ranks(root / "srv/notes/deployments")
    return {_renumber(path, ranks): text for path, text in (said | files).items()}


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Each thing that is not as in the undisturbed run."""
    return [
        f"{path}: {found.get(path, 'absent')!r}, undisturbed {wanted.get(path, 'absent')!r}"
        for path in sorted(found.keys() | wanted.keys())
        if found.get(path) != wanted.get(path)
    ]


def _files(root: Path) -> dict[str, str]:
    left_out, names_only = _any_of(MAY_DIFFER), _any_of(NAMES_ONLY)
    ranks = _ranks(root / "srv/notes/deployments")
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(folder, name)
            shown = "/" + str(path.relative_to(root))
            if left_out.fullmatch(shown):
                continue
            found[shown] = _describe(path, shown, ranks, with_content=not names_only.fullmatch(shown))
        folders[:] = [
            name for name in folders if not left_out.fullmatch("/" + str(Path(folder, name).relative_to(root)))
        ]
    return found


def _describe(path: Path, shown: str, ranks: Mapping[str, str], *, with_content: bool) -> str:
    status = path.lstat()
    text = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    if stat.S_ISLNK(status.st_mode):
        return f"{text} -> {path.readlink()}"
    if not stat.S_ISREG(status.st_mode) or not with_content:
        return text
    if not shown.startswith(CONTENTS):
        return f"{text} {status.st_size}"
    content = path.read_bytes()
    if re.fullmatch("/srv/notes/(deployments|slots)/.*", shown):
        content = _without_numbers(content.decode(), ranks).encode()
    return f"{text} {hashlib.sha256(content).hexdigest()}"


def _ranks(deployments: Path) -> dict[str, str]:
    """Deployments are numbered as they begin: a cut run may have taken a number more. Number -> place in the row."""
    numbers = sorted(int(path.name) for path in deployments.glob("[0-9]*"))
    return {str(number): f"#{place}" for place, number in enumerate(numbers, 1)}


def _renumber(path: str, ranks: Mapping[str, str]) -> str:
    return re.sub("(?<=^/srv/notes/deployments/)[0-9]+", lambda match: ranks.get(match[0], match[0]), path)


def _without_numbers(text: str, ranks: Mapping[str, str]) -> str:
    """A record or the number of a slot: numbers by their place, and no time."""
    text = re.sub("(?m)^when=.*", "when=", text)
    return re.sub(r"(?m)^(previous=|)(\d+)$", lambda match: match[1] + ranks.get(match[2], "gone"), text)


def _tables(root: Path) -> str:
    """What the app's database holds."""
    path = root / "var/lib/app-notes/notes.db"
    if not path.exists():
        return "none"
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return "\n".join(database.iterdump())
    finally:
        database.close()


def _any_of(patterns: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
