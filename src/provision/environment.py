"""A systemd EnvironmentFile from the values of ``app_env``.

The rules are those of systemd.exec(5), EnvironmentFile=: between double quotes a value may span lines, and a backslash
keeps a quote, backslash, backtick or dollar sign after it. A percent sign means nothing there, unlike in Environment=.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from provision.errors import ConfigError
from provision.masking import SECRET, SHORTEST

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TELLING = re.compile(
    r"SECRET|PASSW|TOKEN|CREDENTIAL|PRIVATE|(^|_)(KEY|PASS|PWD|SALT|DSN|PAT)(_|$)|APIKEY", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^:@/\s]*:([^\s]+)@", re.I)
_KEY = r"""(?P<key>["']?\b(?P<name>[A-Za-z_]\w*)["']?\s*:\s+)"""
_BLOCK = re.compile(r"(?P<key>\s*(?:- +)*[\"']?(?P<name>[A-Za-z_]\w*)[\"']?\s*:\s+)(?P<value>\S.*)")
_FLOW = re.compile(_KEY + r"""(?P<value>"(?!{{)[^"]*"|'(?!{{)[^']*'|[^\s,{}\[\]"'!][^,{}\[\]]*)""")
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


def is_telling(name: str) -> bool:
    """Does a variable of this name hold a secret? A path that says where one lies is none."""
    return _TELLING.search(name) is not None and not name.lower().endswith(("_file", "_path", "_dir", "_folder"))


def discreet(line: str) -> str:
    """A line of YAML without the value of what its name tells to be a secret; a template is none.

    >>> discreet("  db_password: hunter2  # old"), discreet('{host: a, token: "t, x", port: 1}')
    ('  db_password: (secret)', '{host: a, token: (secret), port: 1}')
    """
    whole = _BLOCK.fullmatch(line)
    if whole and is_telling(whole["name"]) and not whole["value"].startswith(("{", "[", "!", '"{{', "'{{")):
        return f"{whole['key']}{SECRET}"
    return _FLOW.sub(lambda found: found["key"] + SECRET if is_telling(found["name"]) else found[0], line)


def confidential_values(secrets: Mapping[str, Any], env: Mapping[str, Any]) -> list[str]:
    """What must not be shown: all of ``secrets``, and of ``env`` what its name gives away, and passwords in URLs.

    A name may mislead: what is short in ``env`` is rather a setting, such as the minutes for which a token is good.

    >>> confidential_values({"PIN": 1234}, {"API_KEY": "k3y-k3y", "TOKEN_MINUTES": 60, "URL": "redis://:p%40ss@h/0"})
    ['1234', 'k3y-k3y', 'p%40ss', 'p@ss']
    """
    told = [value for value in secrets.values() if value is not None and not isinstance(value, bool)]
    found = [environment_value(value) for value in told]
    telling = [environment_value(value) for name, value in env.items() if value is not None and is_telling(name)]
    found += [text for text in telling if len(text) >= SHORTEST]
    everything = [environment_value(value) for value in (*secrets.values(), *env.values()) if value is not None]
    for password in (match[1] for text in everything for match in _URL_PASSWORD.finditer(text)):
        found += dict.fromkeys((password, unquote(password)))
    return [text for text in dict.fromkeys(found) if text]


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
