"""The state of a site's certificates: reported, never changed. Caddy gets them by itself, in the background."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Facts, Read, Reading, Shell, State, Step
from provision.shell import sh

_NAME = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*")

STORAGE = "/var/lib/caddy/.local/share/caddy/certificates"
"""Where the packaged Caddy keeps them: AUTHORITY/NAME/NAME.crt."""

LOOK = """
[ -d /var/lib/caddy ] || exit 0
for name in {}; do
	set -- {}/*/"$name"/"$name".crt
	if [ -s "$1" ]; then
		echo "$name=yes"
	else
		found=$(timeout 3 getent ahosts "$name" | cut -d ' ' -f 1 | sort -u | tr '\\n' ' ')
		echo "$name=no $found"
		own=$(hostname -I)
	fi
done
echo "own=${{own-}}"
"""
"""Nothing is missing where Caddy is not there yet. The resolver is asked only for a name without a certificate, so a
run with nothing to do costs one stat a name."""


@dataclass(frozen=True)
class Certificate:
    """The certificates Caddy should hold for ``name``, one or several; says so where one is missing."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.name:
            if not _NAME.fullmatch(name):
                raise ValueError(f"name {name!r} is no host name such as api.example.com; give several as a list")
            if name.isdecimal():
                raise ValueError(f"name {name!r} is a number, not a host name")

    def reads(self) -> Iterable[Read]:
        """One look into Caddy's storage."""
        return [self._read] if self.name else []

    @property
    def _read(self) -> Shell:
        return Shell(sh(LOOK, self.name, STORAGE))

    def desired(self, facts: Facts) -> State:
        """Nothing: a missing certificate is no failure of the run."""
        return {}

    def change(self, diff: Diff) -> list[Step]:
        """Never called: there is nothing to differ."""
        return []

    def notices(self, readings: Mapping[Read, Reading]) -> list[str]:
        """A sentence for each name that has no certificate yet."""
        found = readings.get(self._read, {}) if self.name else {}
        return [
            _missing(name, found[name].removeprefix("no").split(), found.get("own", "").split())
            for name in self.name
            if found.get(name, "yes") != "yes"
        ]

    def urls(self, readings: Mapping[Read, Reading]) -> list[str]:
        """Where the site answers."""
        return [f"https://{name}" for name in self.name]


def _missing(name: str, resolved: list[str], own: list[str]) -> str:
    there = f"{name} resolves to {', '.join(resolved)}" if resolved else f"{name} does not resolve"
    here = f", this host is {', '.join(own)}" if own else ""
    return f"the app is up; no certificate yet: {there}{here}; Caddy retries by itself"
