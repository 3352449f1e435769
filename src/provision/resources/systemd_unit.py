"""``systemd_unit``: the file of a unit, or a drop-in of one. What runs and what is enabled is service's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from provision.resources.base import Content, Diff, Digest, Facts, Preview, Read, Rendered, Stat, State, Step, Unit
from provision.resources.filecontent import UNIT, desired_file, replace_file
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class SystemdUnit:
    """``/etc/systemd/system/NAME``, or with ``dropin`` the file ``NAME.d/DROPIN.conf``, from ``content`` or a template.

    systemd reads it again at once; for a restart write ``notify:``. The whole unit is stopped and disabled before
    ``state: absent`` removes it.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name", "dropin")

    name: str
    dropin: str | None = None
    src: Rendered | None = None
    content: str | None = None
    state: Literal["present", "absent"] = "present"

    def __post_init__(self) -> None:
        if not UNIT.fullmatch(self.name):
            raise ValueError(f"name {self.name!r} is no full name of a unit, as in backup.timer")
        if self.dropin is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", self.dropin):
            raise ValueError(f"dropin {self.dropin!r} becomes NAME.conf: letters, digits, '-' and '_' only")
        if self.state == "present" and (self.src is None) == (self.content is None):
            raise ValueError("takes one of src (a template) and content (a text)")

    @property
    def _file(self) -> str:
        return f"/etc/systemd/system/{self.name}" + (f".d/{self.dropin}.conf" if self.dropin else "")

    @property
    def _is_template(self) -> bool:
        # systemctl knows no such unit, only its instances.
        return "@." in self.name

    def reads(self) -> Iterable[Read]:
        """The file, its text for a diff, and whether systemd knows it as it is."""
        unit = () if self._is_template else (Unit(self.name),)
        return (Stat(self._file), Digest(self._file), Content(self._file), *unit)

    def desired(self, facts: Facts) -> State:
        """The file, loaded; or no file."""
        if self.state == "absent":
            return {Stat(self._file)["type"]: "absent"}
        loaded = {} if self._is_template else {Unit(self.name)["NeedDaemonReload"]: "no"}
        return {**desired_file(self._file, self._text().encode()), **loaded}

    def change(self, diff: Diff) -> list[Step]:
        """One step."""
        head = sh("unit={} file={}", self.name, self._file)
        if self.state == "absent":
            tidy = _REMOVE_FOLDER if self.dropin else ""
            disable = "" if self.dropin or self._is_template else _DISABLE
            return [Step(lines(head, disable, Sh('rm -f -- "$file"'), tidy, "systemctl daemon-reload"))]
        write = lines(Sh('mkdir -p -- "${file%/*}"'), replace_file(self._file))
        return [Step(lines(head, write, "systemctl daemon-reload"), files={"content": self._text().encode()})]

    def preview(self) -> Preview:
        """The new text of the file."""
        return Preview(Content(self._file), self._text() if self.state == "present" else "")

    def _text(self) -> str:
        return self.src.text if self.src else self.content or ""


_DISABLE = Sh("""\
if [ -e "$file" ]; then systemctl disable --now -- "$unit"; fi""")

_REMOVE_FOLDER = Sh('rmdir -- "${file%/*}" 2>/dev/null || : # other drop-ins may be in it')
