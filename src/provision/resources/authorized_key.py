"""``authorized_key``: SSH keys that may log in as a user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.group import check_account
from provision.shell import lines, sh

_KEY = re.compile(
    r"(?:(?P<options>.+?)\s+)?(?P<key>(?:ssh|ecdsa|sk)-[a-z0-9@.-]+\s+AAAA[A-Za-z0-9+/]+=*)(?P<comment>.*)"
)


@dataclass(frozen=True, kw_only=True)
class AuthorizedKey:
    """Public keys in ``~USER/.ssh/authorized_keys``, one or more lines; folder and file become that user's own.

    A key that is there gets the wanted options and comment. ``exclusive`` removes all other keys: give all in one task.
    ``key_options`` are for every key of the task. What is in the user's home is written as that user, never as root.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("user",)

    user: str
    key: str
    state: Literal["present", "absent"] = "present"
    exclusive: bool = False
    key_options: str = ""

    def __post_init__(self) -> None:
        check_account("user", self.user)
        if "://" in self.key:
            raise ValueError("key is no URL here: write the keys themselves, one per line")
        if not self._keys:
            raise ValueError("key holds no key")
        if "\n" in self.key_options:
            raise ValueError("key_options has a line break in it")
        if self.exclusive and self.state == "absent":
            raise ValueError("exclusive goes with state: present")

    @property
    def _keys(self) -> Mapping[str, str]:
        """Each line of the file by the name its key has in a reading."""
        found = {}
        for line in self.key.splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            parts = _KEY.fullmatch(line.strip())
            if parts is None:
                raise ValueError(f"key has the line {line.strip()[:60]!r}, which is no public key of OpenSSH")
            words = (self.key_options or parts["options"] or "", *parts["key"].split(), parts["comment"].strip())
            found["key " + parts["key"].rstrip("=")[-20:]] = " ".join(word for word in words if word)
        return found

    @property
    def _file(self) -> Shell:
        return Shell(lines(sh("user={}", self.user), sh(_READ, _FIND + _PRINT)))

    def reads(self) -> Iterable[Read]:
        """The keys that are there, and whose the file is."""
        return (self._file,)

    def desired(self, facts: Facts) -> State:
        """Each key's line; with ``exclusive`` also their number."""
        read, keys = self._file, self._keys
        if self.state == "absent":
            return {read[name]: "" for name in keys}
        number = {read["keys"]: str(len(keys))} if self.exclusive else {}
        place = {read[".ssh"]: f"{self.user} 700", read["authorized_keys"]: f"{self.user} 600"}
        return {**place, **{read[name]: line for name, line in keys.items()}, **number}

    def change(self, diff: Diff) -> list[Step]:
        """One step."""
        write = sh(_WRITE, _AS_USER, self.state, "yes" if self.exclusive else "no", _FIND + _MERGE)
        text = "".join(line + "\n" for line in self._keys.values())
        return [Step(lines(sh("user={}", self.user), write), files={"keys": text.encode()})]


# awk: what is between the type of a key and its comment; the options before the type may hold anything.
_FIND = r"""
function blob(line) {
    if (!match(line, /(^|[ \t])(ssh|ecdsa|sk)-[a-z0-9@.-]+[ \t]+AAAA[A-Za-z0-9+\/]+/)) return ""
    line = substr(line, RSTART, RLENGTH)
    sub(/^.*[ \t]/, "", line)
    return line
}
"""

_PRINT = r"""
{ gsub(/^[ \t]+|[ \t\r]+$/, "") }
/^#/ || /^$/ { next }
{ count++; id = blob($0); if (id != "") print "key " substr(id, length(id) - 19) "=" $0 }
END { print "keys=" count + 0 }
"""

_MERGE = r"""
NR == FNR { order[++number] = blob($0); wanted[blob($0)] = $0; next }
{ id = blob($0) }
id != "" && (id in wanted) { if (state == "present" && !(id in done)) print wanted[id]; done[id] = 1; next }
exclusive == "yes" && !/^[ \t]*(#|$)/ { next }
{ print }
END {
    for (i = 1; state == "present" && i <= number; i++) if (!(order[i] in done)) print wanted[order[i]]
}
"""

_READ = """\
folder=$(getent passwd -- "$user" | cut -d : -f 6)/.ssh
printf '%s\\n' ".ssh=$(stat -c '%U %a' -- "$folder")" "authorized_keys=$(stat -c '%U %a' -- "$folder"/authorized_keys)"
if [ -f "$folder"/authorized_keys ]; then
    awk {} "$folder"/authorized_keys
fi"""

# chown of the folder alone, and not through a link: a file in it could be swapped for one of another user meanwhile.
_WRITE = """\
home=$(getent passwd -- "$user" | cut -d : -f 6)
if [ ! -d "$home" ]; then
    echo "$user has no home: make the account by a task before this one (user)" >&2
    exit 1
fi
if [ -d "$home"/.ssh ]; then chown -h -- "$user:" "$home"/.ssh; fi
runuser -u "$user" -- sh -euc {} sh "$home" {} {} {} <"$FILES"/keys"""

_AS_USER = """\
umask 077
mkdir -p -- "$1"/.ssh
cd -- "$1"/.ssh
chmod 0700 .
if [ ! -e authorized_keys ]; then : >authorized_keys; fi
if [ ! -r authorized_keys ]; then
    echo "$1/.ssh/authorized_keys does not belong to its user: give it back with chown" >&2
    exit 1
fi
rm -f .authorized_keys.provision
awk -v state="$2" -v exclusive="$3" "$4" - authorized_keys >.authorized_keys.provision
sync .authorized_keys.provision
mv -fT .authorized_keys.provision authorized_keys
"""
