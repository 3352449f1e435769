"""A systemd EnvironmentFile from the values of ``app_env``.

The rules are those of systemd.exec(5), EnvironmentFile=: between double quotes a value may span lines, and a backslash
keeps a quote, backslash, backtick or dollar sign after it. A percent sign means nothing there, unlike in Environment=.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from provision.errors import ConfigError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r'["\\`$]')
_NONCHARACTERS = "".join(chr(plane | low) for plane in range(0, 0x110000, 0x10000) for low in (0xFFFE, 0xFFFF))
_REFUSED = re.compile(f"[\0\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")
"""Characters for which systemd refuses the whole file, so that the unit does not start."""
_LONGEST = 128 * 1024 - 1
"""Bytes of ``NAME=value`` that Linux can pass to a program (MAX_ARG_STRLEN less its NUL)."""


def environment_text(env: Mapping[str, Any]) -> str:
    """The text of an EnvironmentFile, one variable after the other in the order of ``env``.

    A variable that is null is left out; an empty string stays an empty value. Raises ConfigError, which names the
    variable and never shows its value.

    >>> print(environment_text({"DEBUG": False, "PRICE": "5 $", "HOSTS": ["a", "b"]}), end="")
    DEBUG="false"
    PRICE="5 \\$"
    HOSTS="[\\"a\\", \\"b\\"]"
    """
    return "".join(_line(name, environment_value(value)) for name, value in env.items() if value is not None)


def environment_value(value: Any) -> str:
    """A YAML value as apps expect it in a variable: a list or mapping as JSON, a boolean as ``true`` or ``false``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _line(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be the name of an environment variable",
            hint="use letters, digits and underscores, and no digit first",
        )
    if found := _REFUSED.search(value):
        raise ConfigError(f"the value of {name} holds the character U+{ord(found[0]):04X}, which systemd refuses")
    if len(f"{name}={value}".encode()) > _LONGEST:
        raise ConfigError(f"the value of {name} is longer than 128 KiB, which Linux refuses", hint="ship it as a file")
    quoted = _SPECIAL.sub(r"\\\g<0>", value)
    return f'{name}="{quoted}"\n'
