"""``release``: the app's source tree on the host, under the digest of its content."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.errors import Refused
from provision.resources.base import Diff, Facts, Property, Read, Shell, State, Step
from provision.resources.programs import program
from provision.shell import Sh, lines
from provision.source import SourceTree

_OBSERVE = Sh("""\
echo "owner=$(owner)"
if has_data; then echo data=kept; else echo data=none; fi
for id in $(ls "$home/releases" 2>/dev/null); do echo "$id=complete"; done""")


@dataclass(frozen=True, kw_only=True)
class Release:
    """The files of ``src`` below ``/srv/NAME/releases``, owned by root and readable by all.

    It also makes ``/srv/NAME`` ours: a folder, unit or user of that name that we did not make is refused.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    """The app's name."""
    src: SourceTree

    def __post_init__(self) -> None:
        check_name(self.name)

    def reads(self) -> Iterable[Read]:
        """Who owns the name, and which releases are there."""
        return [self._read]

    @property
    def _read(self) -> Shell:
        return app_read(self.name)

    def desired(self, facts: Facts) -> State:
        """The release is complete; a folder has its name only then."""
        return {Property(self._read, "owner"): "ours", Property(self._read, release_id(self.src)): "complete"}

    def change(self, diff: Diff) -> list[Step]:
        """Unpack the archive. Raises Refused where something else has the app's name."""
        owner = diff.before(Property(self._read, "owner"))
        if owner not in ("ours", "free", ""):
            raise Refused(
                f"{owner} exists already and was not made by provision",
                hint="choose another app_name, or remove it from the host",
            )
        script = program("state.sh", "release.sh", NAME=self.name, RELEASE=release_id(self.src))
        return [Step(script, title=f"unpack release {release_id(self.src)}", files={"release.tar": self.src.archive})]


def app_read(name: str) -> Shell:
    """What there is of the app: ``owner``, ``data`` (kept or none), and ``ID``, complete, for each release."""
    return Shell(lines(program("state.sh", NAME=name), _OBSERVE))


def check_name(name: str) -> None:
    """Raise ValueError unless ``app-NAME`` can be a user, a unit and a folder on every host."""
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,22}[a-z0-9])?", name):
        raise ValueError(f"an app's name is 1 to 24 of a-z, 0-9 and - (not first or last), not {name!r}")


def release_id(src: SourceTree) -> str:
    """A release's folder: hex only, since a dot in it would end a module's name."""
    return src.digest[:16]
