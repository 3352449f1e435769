"""Which Python an app gets: the distribution's where the project accepts it, else the nearest that uv can install."""

from __future__ import annotations

import re
from collections.abc import Mapping

DISTRIBUTIONS: Mapping[str, str] = {
    "bookworm": "3.11.2",
    "trixie": "3.13.5",
    "jammy": "3.10.12",
    "noble": "3.12.3",
}
"""The version of python3 by VERSION_CODENAME: the host may have none installed yet."""

INSTALLABLE = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
"""The minor versions of CPython that the pinned uv installs."""

_CLAUSE = re.compile(r"\s*(~=|===?|!=|<=?|>=?)\s*(\d+)(?:\.(\d+))?(?:\.(\d+|\*))?\s*")


def choose(requires: str, pinned: str, codename: str) -> str:
    """The minor version to install on the release ``codename``; empty where its own Python will do, or none would.

    ``pinned`` is what .python-version asks for, of which a project rarely needs more than it says in requires-python.

    >>> choose(">=3.12", "", "bookworm"), choose(">=3.12", "3.13", "bookworm"), choose("<3.13", "", "trixie")
    ('3.12', '3.13', '3.12')
    """
    have = DISTRIBUTIONS.get(codename, "")
    wanted = requires or (f"=={pinned}.*" if pinned else "")
    if not have or accepts(wanted, have):
        return ""
    fitting = [version for version in INSTALLABLE if accepts(wanted, version)]
    if pinned in fitting:
        return pinned
    own = _numbers(have)[1]
    # The nearest is the likeliest to have wheels of what the project has locked.
    return min(fitting, key=lambda version: abs(_numbers(version)[1] - own), default="")


def accepts(requires: str, version: str) -> bool:
    """Does ``requires`` (a version specifier) allow some release of ``version``? What it cannot read, yes.

    A patch version that it pins exactly stands for its minor version: nobody can have installed just that one.

    >>> accepts(">=3.11,<3.13", "3.11"), accepts(">=3.12", "3.11"), accepts(">=3.11.3", "3.11.2")
    (True, False, False)
    """
    have = _numbers(version)
    return all(_allows(clause, have) for clause in requires.split(",")) if len(have) > 1 else True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def _allows(clause: str, have: tuple[int, ...]) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        return True
    operator, major, minor, patch = found.groups()
    least = tuple(int(part) for part in (major, minor, patch) if part not in (None, "*"))
    have, full = have[:2] if minor else have[:1], have
    limit = least[:2]
    match operator:
        case ">=":
            return have >= limit and full >= least[: len(full)]
        case ">":
            return have > limit if minor is None else have >= limit
        case "<=":
            return have <= limit
        case "<":
            return have <= limit if patch not in (None, "0") else have < limit
        case "!=":
            return patch != "*" or have != limit
        case "~=":
            return have[0] == limit[0] and full >= least[: len(full)] and (patch is None or have == limit)
        case _:
            return have == limit
