"""``uri``: a URL that answers as seen from the host."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.shell import Sh, lines, sh

REQUEST_TIMEOUT = 5
"""Seconds for one request."""


@dataclass(frozen=True, kw_only=True)
class Uri:
    """A check: ``url`` answers with one of ``status_code``. Nothing can repair it, so its step waits for ``timeout`` s.

    Redirects are not followed. The host needs curl or python3.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("url", "status_code", "headers", "validate_certs")
    GUARDED: ClassVar[bool] = True
    """An earlier change of the same plan may make the URL answer."""

    url: str
    status_code: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict)
    validate_certs: bool = True
    timeout: int = 30

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"url {self.url!r} must start with http:// or https://")
        for text in (self.url, *self.headers, *self.headers.values()):
            if any(ord(character) < ord(" ") for character in text):
                raise ValueError(f"{text!r} has a control character in it")

    @property
    def _answer(self) -> Shell:
        return Shell(lines(self._request(), _READ), timeout=REQUEST_TIMEOUT + 5)

    def reads(self) -> Iterable[Read]:
        """One request."""
        return (self._answer,)

    def desired(self, facts: Facts) -> State:
        """That it answers as wanted."""
        return {self._answer["answers"]: "yes"}

    def change(self, diff: Diff) -> list[Step]:
        """One step: ask until it answers as wanted."""
        where = urlsplit(self.url)
        shown = where._replace(netloc=where.netloc.rpartition("@")[2], query="").geturl()
        return [Step(lines(self._request(), sh("url={} patience={}", shown, self.timeout), _WAIT))]

    def _request(self) -> Sh:
        """Defines ``request``, which sets ``status`` and ``said``. It may hold a password: it goes by a pipe."""
        where = urlsplit(self.url)
        login, _, address = where.netloc.rpartition("@")
        url, headers = where._replace(netloc=address).geturl(), dict(self.headers)
        if login:
            headers["Authorization"] = "Basic " + b64encode(unquote(login).encode()).decode()
        codes = " ".join(str(code) for code in self.status_code)
        request = json.dumps({"url": url, "headers": headers, "verify": self.validate_certs})
        return sh(_REQUEST, codes, self._curl_config(url, headers), request, REQUEST_TIMEOUT, _PYTHON)

    def _curl_config(self, url: str, headers: Mapping[str, str]) -> str:
        """The request as a curl(1) config file."""
        options = [
            ("url", url),
            *(("header", name + ": " + value) for name, value in headers.items()),
            ("output", "/dev/null"),
            ("write-out", "status %{http_code}"),
            ("max-time", str(REQUEST_TIMEOUT)),
        ]
        flags = ["silent", "show-error", "globoff", *([] if self.validate_certs else ["insecure"])]
        return "\n".join(flags + [name + " = " + _curl_quoted(value) for name, value in options]) + "\n"


def _curl_quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


_REQUEST = """\
wanted={}
request() {{
    if command -v curl >/dev/null; then
        reply=$(printf '%s' {} | curl --config - 2>&1) || :
    elif command -v python3 >/dev/null; then
        reply=$(printf '%s' {} | timeout {} python3 -c {} 2>&1) || :
    else
        reply='the host has neither curl nor python3: install one by a task before this one; status none'
    fi
    said=${{reply%status *}} status=${{reply##*status }}
    case " $wanted " in *" $status "*) return 0 ;; *) return 1 ;; esac
}}"""

_READ = Sh("""\
if request; then echo answers=yes; else echo answers=no; fi""")

_WAIT = Sh("""\
end=$(($(date +%s) + patience))
until request; do
    if [ "$(date +%s)" -ge "$end" ]; then
        echo "$url did not answer with status $wanted within $patience s; last answer: $said${status:-none}" >&2
        exit 1
    fi
    sleep 1
done""")

_PYTHON = """\
import json, ssl, sys, urllib.error, urllib.request

class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None

wanted = json.load(sys.stdin)
context = ssl.create_default_context() if wanted["verify"] else ssl._create_unverified_context()
opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=context))
try:
    request = urllib.request.Request(wanted["url"], headers=wanted["headers"])
    status = opener.open(request, timeout=60).status
except urllib.error.HTTPError as answer:
    status = answer.code
except OSError as error:
    print(error)
    status = 0
print("status", status, end="")
"""
