"""Poetry's version constraints (``^1.2``, ``~1.2``, ``1.2.*``, ``>=1,<2 || ==3``), as far as a lock needs them."""

from __future__ import annotations

import re

_CLAUSE = re.compile(r"\s*(\^|~=|~|===?|!=|<=?|>=?)?\s*v?(\d[A-Za-z0-9+!-]*(?:\.[A-Za-z0-9+!-]+)*|\*)(\.\*)?\s*")
_RELEASE = re.compile(r"(?:\d+!)?(\d+(?:\.\d+)*)[-_.]?(a|b|c|rc|alpha|beta|pre|preview|post|dev)?[-_.]?(\d*)")
_STAGES = {"dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, "c": -1, "rc": -1, "pre": -1, "preview": -1, "post": 1}


def allows(constraint: str, version: str) -> bool:
    """Is ``version`` one that ``constraint`` allows? What it cannot read it takes for a yes.

    >>> allows(">=1.22,<2 || ^3.1", "3.4.0"), allows("^0.2.3", "0.3.0")
    (True, False)
    """
    return any(
        all(_allows(clause, version) for clause in _CLAUSE.finditer(part)) for part in re.split(r"\|\|?", constraint)
    )


def specifier(constraint: str) -> str:
    """The constraint as ``requires-python`` writes it; empty for alternatives, and for what it cannot read.

    >>> specifier("^3.11"), specifier("~3.11"), specifier("3.11.*"), specifier(">=3.9,<4.0")
    ('>=3.11,<4', '>=3.11,<3.12', '==3.11.*', '>=3.9,<4.0')
    """
    clauses = []
    for clause in constraint.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None or "|" in clause or (found[2] == "*" and not found[1]):
            return ""
        operator, version, star = found[1] or "==", found[2], found[3] or ""
        if operator in ("^", "~"):
            limit = ".".join(map(str, _upper(operator, version)))
            clauses.append(f">={version},<{limit}")
        else:
            clauses.append(f"{operator}{version}{star}")
    return ",".join(clauses)


def python_marker(constraint: str) -> str:
    """The marker of a dependency's ``python``: empty for none, and for what a specifier cannot say."""
    clauses = re.findall(r"(~=|[=!<>]=?)\s*([\d.]+)", specifier(constraint).replace(".*", ""))
    return " and ".join(f'python_version {operator} "{version}"' for operator, version in clauses)


def _allows(clause: re.Match[str], version: str) -> bool:
    operator, written, star = clause[1] or "==", clause[2], clause[3]
    if written == "*":
        return True
    wanted, have = _key(written), _key(version)
    if star or operator == "~=":
        prefix = _release(written)[: None if star else -1]
        same = (*have[0], *[0] * len(prefix))[: len(prefix)] == prefix
        return not same if operator == "!=" else same and (bool(star) or have >= wanted)
    match operator:
        case "^" | "~":
            return have >= wanted and have[0] < _upper(operator, written)
        case ">=":
            return have >= wanted
        case ">":
            return have > wanted
        case "<=":
            return have <= wanted
        case "<":
            return have < wanted
        case "!=":
            return have != wanted
        case _:
            return have == wanted


def _upper(operator: str, version: str) -> tuple[int, ...]:
    """The first release that ``^`` or ``~`` refuses."""
    release = _release(version)
    if operator == "~":
        kept = min(2, len(release))
    else:
        kept = next((index for index, part in enumerate(release, start=1) if part), len(release))
    return (*release[: kept - 1], release[kept - 1] + 1)


def _release(version: str) -> tuple[int, ...]:
    found = _RELEASE.match(version)
    return tuple(map(int, found[1].split("."))) if found else (0,)


def _key(version: str) -> tuple[tuple[int, ...], int, int]:
    found = _RELEASE.match(version)
    release = _release(version)
    # 1.0 is 1.0.0, so zeros at the end count for nothing.
    while len(release) > 1 and not release[-1]:
        release = release[:-1]
    return release, _STAGES.get(found[2] or "", 0) if found else 0, int(found[3] or 0) if found else 0
