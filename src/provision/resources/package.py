"""``package`` (also ``apt``): Debian packages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.resources import base
from provision.resources.aptget import FUNCTIONS
from provision.resources.base import Diff, Facts, Read, State, Step
from provision.resources.fields import option
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class Package:
    """Packages, installed or removed in one apt transaction; ``NAME=VERSION`` pins a version.

    An installed package is not upgraded. Ansible's ``state: latest`` is left out: what it asks for changes from day to
    day, and could be known only by downloading the index. The index is refreshed when something has to be installed
    and it is older than ``cache_valid_time`` seconds or than a change of the sources, or does not know the package;
    ``update_cache: false`` forbids that. ``install_recommends`` not given leaves it to apt's configuration on the host.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: tuple[str, ...] = field(metadata=option(aliases=("pkg", "package")))
    state: Literal["present", "absent"] = "present"
    update_cache: bool = True
    cache_valid_time: int = 3600
    install_recommends: bool | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name lists no package")
        for name in self.name:
            if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+~:-]+)?", name):
                raise ValueError(f"{name!r} is neither a Debian package name nor NAME=VERSION")
            if "=" in name and self.state == "absent":
                raise ValueError(f"{name!r}: a version goes with state: present only")

    def reads(self) -> Iterable[Read]:
        """dpkg's word on each package."""
        return tuple(base.Package(name.partition("=")[0]) for name in self.name)

    def desired(self, facts: Facts) -> State:
        """The status of each, and the version of those that have one."""
        wanted = {}
        for item in self.name:
            name, _, version = item.partition("=")
            package = base.Package(name)
            wanted[package["status"]] = "installed" if self.state == "present" else "absent"
            if version:
                wanted[package["version"]] = version
        return wanted

    def goes_with(self, other: Package) -> bool:
        """May ``other``'s packages be installed in this one's transaction?"""
        settings = ("state", "update_cache", "cache_valid_time", "install_recommends")
        alike = all(getattr(self, name) == getattr(other, name) for name in settings)
        return alike and self.state == "present" and not any("=" in name for name in (*self.name, *other.name))

    def change(self, diff: Diff, also: Iterable[str] = ()) -> list[Step]:
        """One step, never limited in time: a killed dpkg is worse than a slow one.

        Packages ``also`` are installed in the same transaction, where the host's index knows them.
        """
        if self.state == "absent":
            return [Step(lines(FUNCTIONS, sh("set -- {}", self.name), _PREPARE, _REMOVE))]
        recommends = {None: "", True: "--install-recommends", False: "--no-install-recommends"}
        settings = sh(
            "update_cache={} cache_valid_time={}\nset -- {}",
            "yes" if self.update_cache else "no",
            self.cache_valid_time,
            self.name,
        )
        install = sh(_INSTALL, Sh(recommends[self.install_recommends]))
        more = lines(sh("also={}", " ".join(also)), _ALSO) if also else ""
        return [Step(lines(FUNCTIONS, settings, _PREPARE, _REFRESH, more, install))]


_PREPARE = Sh("""\
wait_for_cloud_init
wait_for_locks
repair_packages""")

_REFRESH = Sh("""\
# Names hold neither blanks nor wildcards.
# shellcheck disable=SC2046
set -- $(not_installed "$@")
if [ $# -eq 0 ]; then exit 0; fi
if [ "$update_cache" = yes ] && ! index_is_fresh "$cache_valid_time"; then refresh_index; fi
unknown=$(without_candidate "$@")
if [ -n "$unknown" ] && [ "$update_cache/$refreshed" = yes/no ]; then
    refresh_index
    unknown=$(without_candidate "$@")
fi
if [ -n "$unknown" ]; then
    echo "no package to install for: $unknown" >&2
    echo 'Check the name. A virtual package: name one that provides it. Another source: add its repository first.' >&2
    exit 1
fi""")

# What is not known here may still be a slip of the pen, which the task that asks for it reports.
_ALSO = Sh("""\
# shellcheck disable=SC2086
unknown=" $(without_candidate $also)"
for name in $also; do
    case $unknown in *" $name "*) ;; *) set -- "$@" "$name" ;; esac
done""")

# A mirror may have moved on since the index was loaded: "404 Not Found" for a version that is gone.
_INSTALL = """\
install() {{ apt_get {} install -- "$@"; }}
if ! install "$@"; then
    if [ "$update_cache" = no ] || [ "$refreshed" = yes ]; then exit 1; fi
    echo 'trying once more with a fresh index'
    refresh_index
    install "$@"
fi
left=$(not_installed "$@")
if [ -n "$left" ]; then
    echo "apt-get ended well, but not installed: $left" >&2
    exit 1
fi"""

_REMOVE = Sh("""\
# shellcheck disable=SC2046
set -- $(not_removed "$@")
if [ $# -gt 0 ]; then apt_get remove -- "$@"; fi""")
