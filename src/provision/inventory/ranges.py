"""Host names as an inventory writes them: ``web[01:10].example.com``, ``db-[a:c]``, ``web1:2222``."""

from __future__ import annotations

import re
import string

from provision.errors import ConfigError, Position

MAX_HOSTS = 100_000
"""One name may stand for at most so many hosts; a longer range is a slip of the keyboard."""

_BRACKETED_PORT = re.compile(r"\[([^\[\]]+)\]:([0-9]+)")
_PORT = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)")
_RANGE = re.compile(r"([^\[\]]*)\[([^\[\]]*)\](.*)", re.DOTALL)
# What would break a path (host_vars/NAME), an ssh command line or a list of hosts.
_UNFIT = re.compile(r"[\s/\\,\x00-\x1f\x7f\[\]]|^-|^$")


def expand(text: str, position: Position) -> tuple[list[str], int | None]:
    """The host names that ``text`` stands for, and the port it gives them. Raises ConfigError."""
    port = None
    if match := _BRACKETED_PORT.fullmatch(text) or _PORT.fullmatch(text):
        text, port = match[1], int(match[2])
        if not 1 <= port <= 65535:
            raise ConfigError(f"{port} is not a port", position=position, hint="a port lies between 1 and 65535")
    names = [""]
    while match := _RANGE.fullmatch(text):
        head, bounds, text = match.groups()
        sequence = _sequence(bounds, position)
        if len(names) * len(sequence) > MAX_HOSTS:
            raise ConfigError(f"this range makes more than {MAX_HOSTS} hosts", position=position)
        names = [name + head + item for name in names for item in sequence]
    names = [name + text for name in names]
    if unfit := next((name for name in names if _UNFIT.search(name)), None):
        raise ConfigError(
            f"{unfit!r} cannot be the name of a host",
            position=position,
            hint="use letters, digits, dots, dashes and underscores; give the address in ansible_host",
        )
    return names, port


def _sequence(bounds: str, position: Position) -> list[str]:
    """The items of ``01:10``, ``a:f`` or ``0:20:5``."""

    def wrong(message: str) -> ConfigError:
        return ConfigError(
            f"the range [{bounds}] {message}", position=position, hint="ranges look like [01:10] or [a:f]"
        )

    parts = bounds.split(":")
    if len(parts) not in (2, 3):
        raise wrong("must be begin:end or begin:end:step")
    begin, end, step_text = parts[0] or "0", parts[1], parts[2] if len(parts) == 3 else "1"
    if not step_text.isdecimal() or int(step_text[:9]) < 1:
        raise wrong("must have a step of 1 or more")
    step = int(step_text[:9])
    if len(begin) == len(end) == 1 and begin in string.ascii_letters and end in string.ascii_letters:
        first, last = string.ascii_letters.index(begin), string.ascii_letters.index(end)
        items = list(string.ascii_letters[first : last + 1 : step])
    elif begin.isdecimal() and end.isdecimal() and begin.isascii() and end.isascii():
        width = len(begin) if begin[0] == "0" and len(begin) > 1 else 0
        if width and len(end) != width:
            raise wrong("must have as many digits at its end as at its beginning")
        first, last = int(begin[:18]), int(end[:18])
        if (last - first) // step >= MAX_HOSTS:
            raise wrong(f"makes more than {MAX_HOSTS} hosts")
        items = [str(number).zfill(width) for number in range(first, last + 1, step)]
    else:
        raise wrong("must have two numbers or two letters")
    if not items:
        raise wrong("ends before it begins")
    return items
