"""``blockinfile``: several lines of a text file that others write, too, between two lines that mark them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from provision.resources.fields import option
from provision.resources.filepart import FilePart
from provision.shell import Sh, sh


@dataclass(frozen=True, kw_only=True)
class BlockInFile(FilePart):
    """The lines of ``block``, between ``marker`` with BEGIN and with END for ``{mark}``; an empty one is removed.

    The marker is Ansible's, so a block that Ansible wrote is taken over. Two blocks of one file need two markers.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = (*FilePart.IDENTITY, "block", "marker")
    PART: ClassVar[str] = "block"

    block: str = field(default="", metadata=option(aliases=("content",)))
    marker: str = "# {mark} ANSIBLE MANAGED BLOCK"

    def __post_init__(self) -> None:
        super().__post_init__()
        if "{mark}" not in self.marker or "\n" in self.marker:
            raise ValueError("marker must be one line with {mark} in it, which becomes BEGIN and END")
        if {self._mark("BEGIN"), self._mark("END")} & set(self.block.split("\n")):
            raise ValueError("block has its own marker in it")

    def _mark(self, word: str) -> str:
        return self.marker.replace("{mark}", word)

    @property
    def wanted(self) -> str:
        """``absent`` for an empty block, too, as in Ansible."""
        return self.state if self.block else "absent"

    @property
    def text(self) -> str:
        """The block between its marks."""
        return "\n".join((self._mark("BEGIN"), self.block.removesuffix("\n"), self._mark("END")))

    def edit(self) -> Sh:
        """Defines ``edit``."""
        begin, end = self._mark("BEGIN"), self._mark("END")
        if self.wanted == "absent":
            return sh(_EDIT, begin, end, _CUT, Sh('cat -- "$old"'))
        return sh(_EDIT, begin, end, _REPLACE, self.insert())


_CUT = Sh("""\
head -n "$((begin - 1))" -- "$old"
tail -n "+$((end + 1))" -- "$old\"""")

_REPLACE = Sh('splice "$((begin - 1))" "$((end + 1))"')

_EDIT = """\
edit() {{
    begin=$(last -xF {}) end=$(last -xF {})
    if [ -n "$begin" ] && [ "$begin" -lt "${{end:-0}}" ]; then
        {}
    elif [ -z "$begin$end" ]; then
        {}
    else
        echo "$old has one of the two lines that mark the block, or the second before the first: mend it by hand" >&2
        return 1
    fi
}}"""
