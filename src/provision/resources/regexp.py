"""Python's regular expressions, which Ansible's users write, as POSIX extended ones, which a host's `grep -E` reads."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""  \\(?P<escape>.)
        | \[(?P<not>\^?)(?P<set>(?:\]|\\\]|[^]\\]|\\.)(?:\\.|[^]\\])*)\]
        | (?P<group>\(\??[^(]?)
        | (?P<repeat>[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})(?P<lazy>[?+]?)
        | (?P<plain>.)""",
    re.VERBOSE | re.DOTALL,
)
_ITEM = re.compile(r"(\\.|.)(?:-(\\.|.))?", re.DOTALL)

_SAME = {**{letter: "\\" + letter for letter in "wWsSbB123456789"}, "d": "[0-9]", "D": "[^0-9]", "A": "^", "Z": "$"}
_CONTROL = {"t": "\t", "f": "\f", "v": "\v", "r": "\r"}
_CLASSES = {"d": "0-9", "s": "[:space:]", "w": "[:alnum:]_"}


def ere(pattern: str) -> str:
    """The pattern for GNU `grep -E` that finds the same lines as Python's ``re.search``.

    Raises ValueError for what is no regular expression, and for what grep lacks: flags, names, lookaround.

    >>> ere(r"^#?Port\\s+\\d+")
    '^#?Port\\\\s+[0-9]+'
    """
    if "\n" in pattern:
        raise ValueError(f"{pattern!r} has a line break in it, and one line is looked at at a time")
    text = "".join(_translated(token) for token in _TOKEN.finditer(pattern))
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    if "(?:" in pattern and re.search(r"\\[1-9]", pattern):
        raise ValueError(f"{pattern!r} has both (?:...) and \\1: write a plain group, which counts, for each (?:")
    return text


def _translated(token: re.Match[str]) -> str:
    if token["escape"]:
        return _escaped(token["escape"])
    if token["set"]:
        return _set(token["not"], token["set"])
    if token["group"]:
        return _group(token["group"])
    if token["repeat"]:
        if token["lazy"] == "+":
            raise _unknown(token[0])
        # Whether there is a match does not depend on how much of it was tried first.
        return token["repeat"]
    return f"[{token[0]}]" if token[0] in "{}" else token[0]


def _escaped(character: str) -> str:
    if character in _SAME or character in _CONTROL:
        return _SAME.get(character) or _CONTROL[character]
    if character.isalnum():
        raise _unknown("\\" + character)
    # GNU gives \< and \' a meaning that Python has not.
    return "\\" + character if character in r".^$*+?{}[]|()\\" else character


def _group(opening: str) -> str:
    if not opening.startswith("(?"):
        return opening
    if opening == "(?:":
        return "("
    raise _unknown(opening)


def _set(negated: str, content: str) -> str:
    """A bracket expression; in POSIX a backslash means itself, and ``]``, ``^`` and ``-`` have places of their own."""
    if "[" in content.replace("\\[", "") or re.search(r"--|&&|~~|\|\|", content):
        raise ValueError(f"the set [{negated}{content}] is not clear: write \\[ for a bracket, \\s for [:space:]")
    ranges, classes, single = [], [], ""
    for first, last in _ITEM.findall(content):
        if last and not (first + last).isascii():
            raise ValueError(f"the range {first}-{last} means something else in every locale: list its letters")
        if last:
            ranges.append(f"{_member(first)}-{_member(last)}")
        elif first[1:] in _CLASSES:
            classes.append(_CLASSES[first[1:]])
        else:
            single += _member(first)
    plain = "".join(character for character in single if character not in "]^-")
    last = "".join(character for character in "^-" if character in single)
    inside = "]" * ("]" in single) + "".join(ranges) + "".join(classes) + plain + last
    return "\\^" if (negated, inside) == ("", "^") else f"[{negated}{inside}]"


def _member(item: str) -> str:
    """One character of a set."""
    if len(item) == 1:
        return item
    if item[1] in _CONTROL:
        return _CONTROL[item[1]]
    if item[1].isalnum():
        raise _unknown(item)
    return item[1]


def _unknown(token: str) -> ValueError:
    return ValueError(f"{token} of Python's regular expressions has no equal in those of the host (grep -E)")
