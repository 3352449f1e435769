"""What lineinfile and blockinfile share: a part of a text file that is ours, while the rest belongs to others.

Whether the part is as wanted is decided on the host, by the program that would make it so: the read runs ``edit`` and
compares what it prints with the file, the step runs it again and puts what it prints in the file's place. So a step is
right whatever became of the file in between, and a file is due if and only if the step would change it.
Made of grep, head and tail, which keep every other byte, not of awk: Debian's mawk knows no ``{2}``.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.fields import option
from provision.resources.filecontent import check_path, validation
from provision.resources.regexp import ere
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class FilePart(ABC):
    """A part of the text file ``path``; a link is followed. Owner and mode stay (a new file: root, 0644).

    A new part goes behind the last line that ``insertafter`` matches or before the last one that ``insertbefore``
    matches, and to the end of the file where there is none; ``BOF`` and ``EOF`` are its begin and end. Regular
    expressions are Python's as far as `grep -E` knows them. A fact in the part or in a pattern costs every run a
    second trip, since the host is asked whether the part is there.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("path", "state", "insertafter", "insertbefore")
    PART: ClassVar[str]
    """What a plan calls the part."""

    path: str = field(metadata=option(aliases=("dest", "destfile", "name")))
    state: Literal["present", "absent"] = "present"
    insertafter: str | None = None
    insertbefore: str | None = None
    create: bool = False
    validate: str = ""

    def __post_init__(self) -> None:
        check_path("path", self.path)
        if self.insertafter is not None and self.insertbefore is not None:
            raise ValueError("insertafter and insertbefore exclude each other")
        if self.validate and "%s" not in self.validate:
            raise ValueError("validate has no %s, the place for the path that is to be checked")
        shlex.split(self.validate)
        for name, pattern in (("insertafter", self.insertafter), ("insertbefore", self.insertbefore)):
            check_regexp(name, pattern)

    @property
    def wanted(self) -> str:
        """Shall the part be there? ``present`` or ``absent``."""
        return self.state

    @property
    @abstractmethod
    def text(self) -> str:
        """The part itself, without its last line break."""

    @abstractmethod
    def edit(self) -> Sh:
        """Defines ``edit``, which prints the wanted content of the file ``$old``."""

    @property
    def _property(self) -> str:
        return f"{self.PART} of {self.path}".replace("=", "?")

    @property
    def _read(self) -> Shell:
        head = sh("dest={} part={} wanted={} text={}", self.path, self._property, self.wanted, self.text)
        return Shell(lines(head, _FUNCTIONS, self.edit(), _READ))

    def reads(self) -> Iterable[Read]:
        """Whether an edit would change the file."""
        return (self._read,)

    def desired(self, facts: Facts) -> State:
        """That it would not."""
        return {self._read[self._property]: self.wanted}

    def change(self, diff: Diff) -> list[Step]:
        """One step: write beside the file, validate, rename."""
        create = "yes" if self.create else "no"
        head = sh("dest={} wanted={} create={} text={}", self.path, self.wanted, create, self.text)
        check = validation(self.path, self.validate, "") or ""
        return [Step(lines(head, _FUNCTIONS, self.edit(), _BEFORE_REPLACE, check, _REPLACE))]

    def insert(self) -> Sh:
        """Prints the file with ``$text`` where a new part belongs."""
        if "BOF" in (self.insertafter, self.insertbefore):
            return Sh("insert 0")
        if self.insertbefore not in (None, "EOF"):
            return sh('at=$(last -E {})\ninsert "${{at:+$((at - 1))}}"', ere(self.insertbefore or ""))
        if self.insertafter not in (None, "EOF"):
            return sh('insert "$(last -E {})"', ere(self.insertafter or ""))
        return Sh("insert ''")


def check_regexp(name: str, pattern: str | None) -> None:
    """Raise ValueError for a pattern that cannot be used on a host."""
    if pattern == "":
        raise ValueError(f"{name} is empty: it would match every line")
    try:
        ere(pattern or "")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


_FUNCTIONS = Sh("""\
last() { # OPTION PATTERN: the number of the last line that matches, nothing if there is none
    printf '%s\\n' "$2" | grep -an "$1" -f - -- "$old" | tail -n 1 | cut -d : -f 1
}
splice() { # KEPT NEXT: the first KEPT lines, $text, and the lines from NEXT on
    head -n "$1" -- "$old" | sed '$a\\' # adds a missing line break
    printf '%s\\n' "$text"
    tail -n "+$2" -- "$old"
}
insert() { # KEPT: $text after so many lines, or after all
    kept=${1:-$(grep -ac '' -- "$old" || :)}
    splice "$kept" "$((kept + 1))"
}""")

_READ = Sh("""\
old=$dest state=differs
if [ ! -e "$dest" ]; then
    if [ "$wanted" = absent ]; then state=absent; fi
elif [ -f "$dest" ] && edit | cmp -s - "$dest"; then
    state=$wanted
fi
printf '%s\\n' "$part=$state\"""")

_BEFORE_REPLACE = Sh("""\
if [ ! -e "$dest" ]; then
    if [ "$wanted" = absent ]; then exit 0; fi
    if [ "$create" = no ]; then
        echo "there is no file $dest; create: true makes one" >&2
        exit 1
    fi
fi
dest=$(readlink -f -- "$dest") || {
    echo "the folder of $dest is missing: make it by a task before this one (file: with state: directory)" >&2
    exit 1
}
temp=${dest%/*}/.${dest##*/}.provision
trap 'rm -f -- "$temp"' EXIT
trap 'exit 143' HUP INT TERM # an EXIT trap alone is not run when a signal ends dash
rm -f -- "$temp"
if [ -f "$dest" ]; then
    old=$dest
    cp -a --attributes-only -- "$dest" "$temp"
elif [ -e "$dest" ]; then
    echo "$dest is no regular file" >&2
    exit 1
else
    old=/dev/null
fi
edit >"$temp\"""")

_REPLACE = Sh("""\
sync -- "$temp"
mv -fT -- "$temp" "$dest\"""")
