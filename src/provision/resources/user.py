"""``user``: an account of the host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.resources.base import Account, Diff, Facts, Read, State, Step
from provision.resources.fields import option
from provision.resources.group import check_account
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class User:
    """An account; only the fields that are given are compared.

    ``group`` is the primary group, by default one of the account's own name. ``groups`` are all its further groups, or
    with ``append`` some of them. ``system`` and ``create_home`` count only when the account is made. Passwords are not
    managed: a new account has none.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name", "groups")

    name: str = field(metadata=option(aliases=("user",)))
    state: Literal["present", "absent"] = "present"
    uid: int | None = None
    group: str | None = None
    groups: tuple[str, ...] | None = None
    append: bool = False
    comment: str | None = None
    home: str | None = None
    shell: str | None = None
    system: bool = False
    create_home: bool = field(default=True, metadata=option(aliases=("createhome",)))

    def __post_init__(self) -> None:
        check_account("name", self.name)
        for group in (*(self.groups or ()), *(() if self.group is None else (self.group,))):
            check_account("group", group)
        if self.append and not self.groups:
            raise ValueError("append says how groups are taken, and there are none")
        if any(character in (self.comment or "") for character in ":\n"):
            raise ValueError("comment cannot hold a colon or a line break")
        if self.state == "absent" and self.name == "root":
            raise ValueError("root will not be removed")

    def reads(self) -> Iterable[Read]:
        """The line of passwd, and the groups."""
        return (Account("passwd", self.name),)

    def desired(self, facts: Facts) -> State:
        """That it exists, and the given fields."""
        account = Account("passwd", self.name)
        if self.state == "absent":
            return {account["exists"]: "no"}
        wanted = {
            account["exists"]: "yes",
            account["id"]: None if self.uid is None else str(self.uid),
            account["home"]: self.home,
            account["shell"]: self.shell,
            account["group"]: self.group,
            account["comment"]: self.comment,
        }
        if self.groups is not None and self.append:
            wanted |= {account[f"in {group}"]: "yes" for group in self.groups}
        elif self.groups is not None:
            wanted[account["groups"]] = ",".join(sorted(set(self.groups)))
        return {prop: value for prop, value in wanted.items() if value is not None}

    def change(self, diff: Diff) -> list[Step]:
        """One step of useradd or usermod; a home folder is neither moved nor removed."""
        if self.state == "absent":
            return [Step(lines(sh("name={}", self.name), _ABSENT))]
        given = self._given()
        update = sh('usermod {} {} -- "$name"', ["--append"] * self.append, given) if given else Sh(":")
        new = ["--system"] * self.system + ["--create-home" if self.create_home else "--no-create-home"]
        return [Step(lines(sh("name={}", self.name), sh(_PRESENT, update, new, given)))]

    def _given(self) -> Sh:
        """The options that useradd and usermod have in common."""
        options = {
            "-u": None if self.uid is None else str(self.uid),
            "-g": self.group,
            "-G": None if self.groups is None else ",".join(self.groups),
            "-c": self.comment,
            "-d": self.home,
            "-s": self.shell,
        }
        return sh("{}", [word for name, value in options.items() if value is not None for word in (name, value)])


_ABSENT = Sh('if getent passwd "$name" >/dev/null; then userdel -- "$name"; fi')

# useradd would make the group of the same name, and fails where there is one already.
_PRESENT = """\
if getent passwd "$name" >/dev/null; then
    {}
else
    set --
    if getent group "$name" >/dev/null; then set -- -g "$name"; fi
    useradd {} "$@" {} -- "$name"
fi"""
