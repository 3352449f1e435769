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
    def _test(self) -> Sh:
        """Defines ``holds``."""
        # bash is essential in Debian, and what it opens here is closed with it.
        port = sh("timeout 5 bash -c ': <>\"/dev/tcp/$1/$2\"' bash {} {} 2>/dev/null", self.host, self.port or 0)
        test = port if self.path is None else sh("[ -e {} ]", self.path)
        return sh("holds() {{ {}{}; }}", Sh("! " * (self.state in ("stopped", "absent"))), test)

    @property
    def _answer(self) -> Shell:
        return Shell(lines(self._test, Sh("if holds; then echo holds=yes; else echo holds=no; fi")))

    def reads(self) -> Iterable[Read]:
        """One look."""
        return (self._answer,)

    def desired(self, facts: Facts) -> State:
        """That it is so."""
        return {self._answer["holds"]: "yes"}

    def change(self, diff: Diff) -> list[Step]:
        """One step: look until it is so."""
        what = self.path if self.path is not None else f"port {self.port} of {self.host}"
        wanted = {"started": "open", "present": "open", "stopped": "closed", "absent": "closed"}[self.state]
        if self.path is not None:
            wanted = "there" if wanted == "open" else "gone"
        message = self.msg or f"{what} is not {wanted} after {self.timeout} s"
        return [Step(lines(self._test, sh("patience={} message={}", self.timeout, message), _WAIT))]


_WAIT = Sh("""\
end=$(($(date +%s) + patience))
until holds; do
    if [ "$(date +%s)" -ge "$end" ]; then
        printf '%s\\n' "$message" >&2
        exit 1
    fi
    sleep 0.5
done""")
