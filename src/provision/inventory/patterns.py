"""Ansible's host patterns: ``web*``, ``web:&prod``, ``all:!db1``, ``~regex``, ``web[0]``, ``@file``."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from provision.errors import ConfigError
from provision.inventory.model import Group, Host
from provision.nearest import did_you_mean

_PART = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")
_SUBSCRIPT = re.compile(
    r"(?P<expression>.+)\[(?:(?P<index>-?[0-9]{1,9})|(?P<start>[0-9]{1,9})[:-](?P<end>[0-9]{0,9}))\]"
)


def matching(patterns: Iterable[str], groups: Mapping[str, Group], hosts: Mapping[str, Host]) -> set[str]:
    """The names of the hosts that ``patterns`` choose. Raises ConfigError where one, or a part of it, matches none."""
    parts = [line for pattern in patterns for part in _split(pattern) for line in _from_file(part)]
    chosen: set[str] = set()
    # Ansible's order: first what adds, then what narrows, then what excludes, wherever each one stands.
    adding = [part for part in parts if part[0] not in "!&"] or ["all"]
    for part in adding:
        chosen.update(_names(part, groups, hosts))
    for part in parts:
        if part[0] == "&":
            chosen.intersection_update(_names(part[1:], groups, hosts))
    for part in parts:
        if part[0] == "!":
            chosen.difference_update(_names(part[1:], groups, hosts))
    if not chosen:
        empty = [part for part in adding if part in groups and not groups[part].members()]
        reason = f": the group {empty[0]} has no hosts" if empty else ""
        shown = " ".join(parts)
        raise ConfigError(f"the pattern {shown!r} leaves no host{reason}")
    return chosen


def _split(pattern: str) -> list[str]:
    """The parts of a pattern; colons separate only where no comma does, and not inside an IPv6 address."""
    if "," in pattern:
        parts = [part.strip() for part in pattern.split(",")]
    else:
        parts = [pattern.strip()] if _is_address(pattern.strip()) else _PART.findall(pattern)
    return [part for part in parts if part]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.lstrip("!&"))
    except ValueError:
        return False
    return True


def _from_file(part: str) -> list[str]:
    """``@file``: one pattern per line."""
    if part[0] != "@":
        return [part]
    try:
        lines = Path(part[1:]).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{part[1:]}: cannot be read as a list of hosts: {reason}") from error
    return [line.strip() for line in lines if line.strip()]


def _names(part: str, groups: Mapping[str, Group], hosts: Mapping[str, Host]) -> list[str]:
    """The hosts of one part without its ``!`` or ``&``."""
    if part in hosts:
        return [part]
    subscript = None if part.startswith("~") else _SUBSCRIPT.fullmatch(part)
    expression = subscript["expression"] if subscript else part
    found_groups = _matches(groups, expression)
    names = [host.name for group in found_groups for host in groups[group].members()]
    # A plain word that is a group is not looked up among the hosts.
    if not found_groups or expression.startswith("~") or set(expression) & set(".?*["):
        names += _matches(hosts, expression)
    if not names and not found_groups:
        hint = did_you_mean(part, [*groups, *hosts], "`provision inventory --graph` shows what there is")
        raise ConfigError(f"no host and no group matches {part!r}", hint=hint)
    return _subscripted(names, subscript, part) if subscript and names else names


def _matches(names: Iterable[str], expression: str) -> list[str]:
    try:
        regex = re.compile(expression[1:] if expression.startswith("~") else fnmatch.translate(expression))
    except re.error as error:
        raise ConfigError(f"{expression!r} is not a valid pattern: {error}") from error
    return [name for name in names if regex.match(name)]


def _subscripted(names: list[str], subscript: re.Match[str], part: str) -> list[str]:
    """``[0]`` and ``[-1]`` are one host; ``[1:3]`` and ``[1:]`` include their end."""
    if subscript["index"]:
        index = int(subscript["index"])
        chosen = names[index:][:1] if -len(names) <= index < len(names) else []
    else:
        chosen = names[int(subscript["start"]) : int(subscript["end"] or len(names)) + 1]
    if not chosen:
        raise ConfigError(f"{part!r} matches no host: there are {len(names)}, counted from 0")
    return chosen
