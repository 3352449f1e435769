"""``group``: a group of the host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from provision.resources.base import Account, Diff, Facts, Read, State, Step
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group; ``gid`` is compared where it is given, ``system`` counts only when the group is made."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    state: Literal["present", "absent"] = "present"
    gid: int | None = None
    system: bool = False

    def __post_init__(self) -> None:
        check_account("name", self.name)

    def reads(self) -> Iterable[Read]:
        """The line of /etc/group, or of another name service."""
        return (Account("group", self.name),)

    def desired(self, facts: Facts) -> State:
        """That it exists, and its number where that is given."""
        account = Account("group", self.name)
        if self.state == "absent":
            return {account["exists"]: "no"}
        number = {} if self.gid is None else {account["id"]: str(self.gid)}
        return {account["exists"]: "yes", **number}

    def change(self, diff: Diff) -> list[Step]:
        """One step of groupadd, groupmod or groupdel."""
        if self.state == "absent":
            return [Step(lines(sh("name={}", self.name), _ABSENT))]
        number = [] if self.gid is None else ["--gid", str(self.gid)]
        return [Step(lines(sh("name={}", self.name), sh(_PRESENT, number, ["--system"] * self.system, number)))]


_ABSENT = Sh('if getent group "$name" >/dev/null; then groupdel -- "$name"; fi')

_PRESENT = """\
if getent group "$name" >/dev/null; then
    groupmod {} -- "$name"
else
    groupadd {} {} -- "$name"
fi"""


def check_account(field_name: str, name: str) -> None:
    """Raise ValueError unless useradd(8) and systemd both take ``name``."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,30}", name):
        raise ValueError(f"{field_name} {name!r} is no account name: letters, digits, '-' and '_', 31 at most")
