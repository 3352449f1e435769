"""``lineinfile``: one line of a text file that others write, too."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from provision.resources.fields import option
from provision.resources.filepart import FilePart, check_regexp
from provision.resources.regexp import ere
from provision.shell import Sh, sh


@dataclass(frozen=True, kw_only=True)
class LineInFile(FilePart):
    """One line. With ``regexp`` it takes the place of the last line that matches; without a match it is added.

    ``state: absent`` removes every line that ``regexp`` matches, or that equals ``line``. ``regexp`` must match
    ``line``, too, or the next run would not know it again. A whole file of one's own is for template or copy.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = (*FilePart.IDENTITY, "line", "regexp")
    PART: ClassVar[str] = "line"

    line: str | None = field(default=None, metadata=option(aliases=("value",)))
    regexp: str | None = field(default=None, metadata=option(aliases=("regex",)))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_regexp("regexp", self.regexp)
        if self.state == "absent":
            if (self.line is None) == (self.regexp is None):
                raise ValueError("state: absent takes one of line and regexp")
        elif self.line is None:
            raise ValueError("state: present needs line")
        if "\n" in (self.line or ""):
            raise ValueError("line has a line break in it: blockinfile takes several lines")
        if self.line is not None and self.regexp is not None and not re.search(self.regexp, self.line):
            raise ValueError(
                f"regexp {self.regexp!r} does not match line {self.line!r}, so the next run would not know it again: "
                "let it match both, as '^#?Port ' does"
            )

    @property
    def text(self) -> str:
        """The line."""
        return self.line or ""

    def edit(self) -> Sh:
        """Defines ``edit``."""
        pattern = ere(self.regexp) if self.regexp is not None else ""
        if self.state == "absent":
            option_, text = ("-E", pattern) if self.regexp is not None else ("-xF", self.text)
            return sh(_WITHOUT, option_, text)
        find = sh("at=$(last -E {})", pattern) if self.regexp is not None else Sh("at=''")
        return sh(_EDIT, find, self.insert())


# `grep -v` alone would add a missing line break at the end of a file that has no such line.
_WITHOUT = """\
edit() {{
    set -- {} {}
    if [ -z "$(last "$1" "$2")" ]; then
        cat -- "$old"
    else
        printf '%s\\n' "$2" | grep -av "$1" -f - -- "$old" || :
    fi
}}"""

_EDIT = """\
edit() {{
    {}
    if [ -z "$at" ] && [ -z "$(last -xF "$text")" ]; then
        {}
    elif [ -z "$at" ] || [ "$(sed -n "${{at}}p" -- "$old")" = "$text" ]; then
        cat -- "$old"
    else
        splice "$((at - 1))" "$((at + 1))"
    fi
}}"""
