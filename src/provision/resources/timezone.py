"""``timezone``: the time zone of the host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class Timezone:
    """The time zone, a name of the IANA database such as ``Europe/Berlin``: ``/etc/localtime``, and ``/etc/timezone``
    where Debian has that file. Running programs see it when they start anew. The host needs the package tzdata.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ()

    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", self.name):
            raise ValueError(f"name {self.name!r} is no time zone, as in Europe/Berlin")

    def reads(self) -> Iterable[Read]:
        """What both files say."""
        return (_ZONES,)

    def desired(self, facts: Facts) -> State:
        """That both name the zone."""
        return {_ZONES["localtime"]: self.name, _ZONES["timezone"]: self.name}

    def change(self, diff: Diff) -> list[Step]:
        """One step."""
        return [Step(lines(sh("zone={}", self.name), _SET))]


# Debian 13 has no /etc/timezone; where it is missing, it differs from nothing.
_ZONES = Shell(
    Sh("""\
target=$(readlink /etc/localtime)
zone=${target##*/zoneinfo/}
echo "localtime=$zone"
if [ -e /etc/timezone ]; then zone=$(cat /etc/timezone); fi
echo "timezone=$zone\"""")
)

_SET = Sh("""\
if [ ! -f "/usr/share/zoneinfo/$zone" ]; then
    echo "there is no time zone $zone in /usr/share/zoneinfo: check the name, and that tzdata is installed" >&2
    echo "(old names such as US/Eastern are in the package tzdata-legacy)" >&2
    exit 1
fi
ln -sfT "/usr/share/zoneinfo/$zone" /etc/.localtime.provision
if [ -e /etc/timezone ]; then printf '%s\\n' "$zone" >/etc/timezone; fi
mv -fT /etc/.localtime.provision /etc/localtime""")
