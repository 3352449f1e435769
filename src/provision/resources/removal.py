"""``removal``: an app and all that was made for it, gone from the host; its data only on demand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.errors import Refused
from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.programs import program
from provision.resources.release import app_read, check_name


@dataclass(frozen=True, kw_only=True)
class Removal:
    """Nothing of the app ``name``: no unit, no release, no setting.

    With ``purge`` its data in ``/var/lib/app-NAME`` and its user go, too; without it the app finds both again when it
    comes back. What was not made by us is refused.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    purge: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)

    def reads(self) -> Iterable[Read]:
        """Who owns the name, and whether there are data of an app of ours."""
        return [self._read]

    @property
    def _read(self) -> Shell:
        return app_read(self.name)

    def desired(self, facts: Facts) -> State:
        """The name is free."""
        wanted = {"owner": "free", "data": "none"} if self.purge else {"owner": "free"}
        return {self._read[name]: value for name, value in wanted.items()}

    def change(self, diff: Diff) -> list[Step]:
        """Remove it. Raises Refused where something else has the app's name."""
        owner = diff.before(self._read["owner"])
        if owner not in ("ours", "free"):
            raise Refused(
                f"{owner} was not made by provision, so it will not be removed",
                hint="correct app_name, or remove it from the host by hand",
            )
        purge = "yes" if self.purge else "no"
        return [Step(program("state.sh", "remove.sh", NAME=self.name, PURGE=purge), title=f"remove {self.name}")]
