"""``certificate``: waits for the certificates that Caddy gets by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.certificates import FIND, WAITED, look, pairs
from provision.resources.site import check_name
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Waits once for the certificate of each name, ``wait`` seconds at most, and less where Caddy was refused one.

    It never fails: without a certificate the app is up, and what is missing is said by ``site``.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name", "acme_ca")

    name: tuple[str, ...]
    """The site's names."""
    acme_ca: str = ""
    """As ``site`` has it."""
    wait: int = 60
    """Seconds; 0 waits for nothing."""

    def __post_init__(self) -> None:
        for name in self.name:
            check_name(name)
        if not 0 <= self.wait <= 3600:
            raise ValueError(f"wait {self.wait} is not between 0 and 3600 s")

    @property
    def _read(self) -> Shell:
        return look(self.name, "auto", self.acme_ca)

    def reads(self) -> Iterable[Read]:
        """The look of ``site``."""
        return [self._read] if self.name else []

    def desired(self, facts: Facts) -> State:
        """Each name has its certificate, or has been waited for."""
        return {self._read[f"{name}:waited"]: "yes" for name in self.name} if self.wait else {}

    def change(self, diff: Diff) -> list[Step]:
        """One step."""
        return [Step(lines(FIND, sh(_HEAD, self.wait, WAITED, pairs(self.name, "auto", self.acme_ca)), _WAIT))]


_HEAD = """\
patience={} waited={}
set -- {}"""

# Caddy says "will retry" when all its authorities have refused; what it said before its settings changed is of others.
_WAIT = Sh("""\
mkdir -p "$waited"
changed=$(stat -c %Y /etc/caddy/Caddyfile /etc/caddy/sites/*.caddy 2>/dev/null | sort -n | tail -n 1)
refused() { # NAME
    journalctl -qu caddy -o cat --since "@${changed:-0}" --no-pager | grep -F '"msg":"will retry"' | grep -qF "[$1] "
}
begin=$(date +%s)
while [ $# -gt 0 ]; do
    name=$1
    while ! certificate "$1" "$2"; do
        if refused "$name"; then
            echo "Caddy was refused a certificate for $name; it retries by itself"
            break
        fi
        if [ "$(($(date +%s) - begin))" -ge "$patience" ]; then
            echo "no certificate for $name after $patience s; Caddy goes on by itself"
            break
        fi
        sleep 0.5
    done
    : >"$waited/$name"
    shift 2
done""")
