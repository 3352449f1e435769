"""``cron``: a job that cron starts, in a file of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.resources.base import Content, Diff, Digest, Facts, Preview, Read, Stat, State, Step
from provision.resources.fields import option
from provision.resources.filecontent import desired_file, replace_file
from provision.resources.group import check_account
from provision.shell import Sh, lines, sh

_TIME = re.compile(r"[0-9A-Za-z*/,~-]+")


@dataclass(frozen=True, kw_only=True)
class Cron:
    """One job in ``/etc/cron.d/FILE``, run as ``user``. FILE is ``cron_file``, else ``name`` with ``-`` for blanks.

    Unlike Ansible's, a file holds one job only, and no user's own crontab is edited. ``%`` in ``job`` is a line break
    for cron unless it is written ``\\%``. The host needs the package cron. A systemd timer says more and needs nothing:
    systemd_unit writes one, service starts it.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name", "cron_file")

    name: str
    job: str | None = field(default=None, metadata=option(aliases=("value",)))
    state: Literal["present", "absent"] = "present"
    user: str = "root"
    cron_file: str | None = None
    minute: str = "*"
    hour: str = "*"
    day: str = field(default="*", metadata=option(aliases=("dom",)))
    month: str = "*"
    weekday: str = field(default="*", metadata=option(aliases=("dow",)))
    special_time: Literal["annually", "daily", "hourly", "monthly", "reboot", "weekly", "yearly"] | None = None
    disabled: bool = False

    def __post_init__(self) -> None:
        check_account("user", self.user)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self._name):
            about = "name" if self.cron_file is None else "cron_file"
            raise ValueError(
                f"{about} {self._name!r} becomes a file that cron ignores: letters, digits, '-' and '_'"
                + (", or give a cron_file" if self.cron_file is None else "")
            )
        if "\n" in self.name:
            raise ValueError("name has a line break in it")
        if self.state == "present" and not (self.job or "").strip():
            raise ValueError("state: present needs job")
        if "\n" in (self.job or ""):
            raise ValueError("job has a line break in it: put it into a script")
        if wrong := [word for word in self._times if not _TIME.fullmatch(word)]:
            raise ValueError(f"{wrong[0]!r} is no time of crontab(5)")
        if self.special_time and set(self._times) != {"*"}:
            raise ValueError("special_time takes the place of minute, hour, day, month and weekday")

    @property
    def _name(self) -> str:
        return self.name.replace(" ", "-") if self.cron_file is None else self.cron_file

    @property
    def _file(self) -> str:
        return "/etc/cron.d/" + self._name

    @property
    def _times(self) -> tuple[str, ...]:
        return (self.minute, self.hour, self.day, self.month, self.weekday)

    def reads(self) -> Iterable[Read]:
        """The file, and its text for a diff."""
        return (Stat(self._file), Digest(self._file), Content(self._file))

    def desired(self, facts: Facts) -> State:
        """The file or none."""
        if self.state == "absent":
            return {Stat(self._file)["type"]: "absent"}
        return desired_file(self._file, self._text().encode())

    def change(self, diff: Diff) -> list[Step]:
        """One step; cron sees by itself that the folder has changed."""
        if self.state == "absent":
            return [Step(sh("rm -f -- {}", self._file))]
        return [Step(lines(_NEEDS_CRON, replace_file(self._file)), files={"content": self._text().encode()})]

    def preview(self) -> Preview:
        """The new text of the file."""
        return Preview(Content(self._file), self._text() if self.state == "present" else "")

    def _text(self) -> str:
        when = "@" + self.special_time if self.special_time else " ".join(self._times)
        return f"# {self.name}. Managed by provision.\n{'# ' * self.disabled}{when} {self.user} {self.job}\n"


_NEEDS_CRON = Sh("""\
if ! command -v crontab >/dev/null; then
    echo 'cron is not installed: add a task `package: {name: cron}` before this one' >&2
    exit 1
fi""")
