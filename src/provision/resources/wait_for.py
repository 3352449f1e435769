"""``wait_for``: a port that is open, or a path that exists, as seen from the host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.filecontent import check_path
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class WaitFor:
    """A check, like uri: nothing can repair it, so its step waits for ``timeout`` seconds.

    ``started`` and ``present`` mean the same, an open port or a path that exists; ``stopped`` and ``absent`` the
    opposite. Ansible's wait without port or path is left out: it is a pause, and waits for nothing.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("host", "port", "path", "state")
    GUARDED: ClassVar[bool] = True
    """An earlier change of the same plan may bring about what is waited for."""

    host: str = "127.0.0.1"
    port: int | None = None
    path: str | None = None
    state: Literal["started", "present", "stopped", "absent"] = "started"
    timeout: int = 300
    msg: str = ""

    def __post_init__(self) -> None:
        if (self.port is None) == (self.path is None):
            raise ValueError("takes one of port and path")
        if self.port is not None and not 0 < self.port < 65536:
            raise ValueError(f"port {self.port} is not between 1 and 65535")
        if self.path is not None:
            check_path("path", self.path)
        if not re.fullmatch(r"[A-Za-z0-9_.:-]+", self.host):
            raise ValueError(f"host {self.host!r} is neither a name nor an address")

    @property
    def _what(self) -> str:
        return f"port {self.port} of {self.host}" if self.path is None else self.path.replace("=", "?")

    @property
    def _wanted(self) -> str:
        begin, end = ("open", "closed") if self.path is None else ("there", "gone")
        return begin if self.state in ("started", "present") else end

    @property
    def _test(self) -> Sh:
        """Defines ``look``, which sets ``found``."""
        if self.path is not None:
            return sh(_LOOK, sh("[ -e {} ]", self.path), "there", "gone")
        # bash is essential in Debian; what it opens here is closed with it.
        return sh(_LOOK, sh(_CONNECT, self.host, self.port or 0), "open", "closed")

    @property
    def _answer(self) -> Shell:
        return Shell(lines(self._test, sh("look\nprintf '%s\\n' {}=\"$found\"", self._what)))

    def reads(self) -> Iterable[Read]:
        """One look."""
        return (self._answer,)

    def desired(self, facts: Facts) -> State:
        """What is waited for."""
        return {self._answer[self._what]: self._wanted}

    def change(self, diff: Diff) -> list[Step]:
        """One step: look until it is so."""
        message = self.msg or f"{self._what} is not {self._wanted} after {self.timeout} s"
        head = sh("wanted={} patience={} message={}", self._wanted, self.timeout, message)
        return [Step(lines(self._test, head, _WAIT))]


_LOOK = """\
look() {{
    if {}; then found={}; else found={}; fi
}}"""

_CONNECT = """\
timeout 5 bash -c ': <>"/dev/tcp/$1/$2"' bash {} {} 2>/dev/null"""

_WAIT = Sh("""\
end=$(($(date +%s) + patience))
while
    look
    [ "$found" != "$wanted" ]
do
    if [ "$(date +%s)" -ge "$end" ]; then
        printf '%s\\n' "$message" >&2
        exit 1
    fi
    sleep 0.5
done""")
