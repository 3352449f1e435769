"""``site_options``: what Caddy does for an app's visitors beside asking the app. Checked, never anything on a host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from provision.resources.base import Diff, Facts, Read, State, Step

_SIZE = re.compile(r"[1-9]\d*[KMG]i?B")
_HSTS = re.compile(r"(?P<seconds>\d+)(?P<domains>; *includeSubDomains)?(?P<preload>; *preload)?")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_VALUE = re.compile(r"[ -~]*[!-~]")
"""Printable ASCII."""
_OF_CADDYFILES = frozenset("{}\\")
"""A placeholder of Caddy, or what ends a quoted word."""

PRELOAD = 31536000
"""Seconds, a year, that browsers' lists ask for: https://hstspreload.org."""

_OF_ONE_ANSWER = frozenset(
    ("connection", "content-encoding", "content-length", "content-type", "set-cookie", "transfer-encoding")
)


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """What the site of an app is to do: refuses what would make it invalid, or promise what it does not keep."""

    IDENTITY: ClassVar[tuple[str, ...]] = ()

    tls: Literal["auto", "internal", "off"] = "auto"
    """Where the certificates of the site come from; ``off`` for plain HTTP."""
    trusted_proxies: tuple[str, ...] = ()
    """Who does HTTPS in front of it."""
    static_cache: str = ""
    """Cache-Control of the files that Caddy serves itself."""
    max_body: str = ""
    """Size of a request's body that is too large, such as ``10MB``."""
    security_headers: Mapping[str, Any] = field(default_factory=dict)
    """Headers of answers that do not have them."""
    hsts: str = ""
    """Strict-Transport-Security, without the ``max-age=`` in front."""

    def __post_init__(self) -> None:
        if self.static_cache:
            _check_value("static_cache", self.static_cache)
        if self.max_body and not _SIZE.fullmatch(self.max_body):
            raise ValueError(f"max_body {self.max_body!r} is no size such as 10MB, 512KB or 1GiB")
        for name, value in self.security_headers.items():
            _check_header(name, value)
        if self.hsts:
            self._check_hsts()

    def _check_hsts(self) -> None:
        found = _HSTS.fullmatch(self.hsts)
        if not found:
            raise ValueError(f"hsts is seconds, such as 31536000 or '31536000; includeSubDomains', not {self.hsts!r}")
        if found["preload"] and not (found["domains"] and int(found["seconds"]) >= PRELOAD):
            raise ValueError(
                f"hsts has preload, which browsers take only with includeSubDomains and from {PRELOAD} seconds on"
            )
        if self.tls == "off" and not self.trusted_proxies:
            raise ValueError(
                "hsts needs HTTPS: set caddy_domain, or where caddy_tls is off the proxy that does it, in "
                "caddy_trusted_proxies"
            )

    def reads(self) -> Iterable[Read]:
        """Nothing."""
        return ()

    def desired(self, facts: Facts) -> State:
        """Nothing."""
        return {}

    def change(self, diff: Diff) -> list[Step]:
        """Never called: there is nothing to differ."""
        return []


def _check_header(name: str, value: Any) -> None:
    if not _HEADER.fullmatch(name):
        raise ValueError(f"security_headers has {name!r}, which is no name of a header")
    if name.lower() == "strict-transport-security":
        raise ValueError(f"security_headers has {name}, which is for HTTPS alone: set app_hsts")
    if name.lower() in _OF_ONE_ANSWER:
        raise ValueError(f"security_headers has {name}, which is not the same for every answer")
    # YAML has made true of `on`, and the template would write that.
    if value is None or isinstance(value, bool | list | dict):
        raise ValueError(f"security_headers has {name} without a text: put it in quotes, or leave it out")
    _check_value("security_headers", str(value))


def _check_value(field: str, value: str) -> None:
    if not _VALUE.fullmatch(value) or _OF_CADDYFILES & set(value):
        raise ValueError(f"{field} takes printable ASCII without {{, }} and \\, not {value!r}")
