"""The example app on a VM, whose file system is seen through ssh only."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.cuts.app import Releases, Wanted
from tests.cuts.state import MAY_DIFFER, NAMES_ONLY
from tests.cuts.visitor import Visitor
from tests.e2e.cli import AUTHORITY, DOMAIN, Result, provision, wait_for

from provision.lab.lab import Lab
from provision.lab.monitor import Monitor
from provision.lab.provider import Host

OURS = (
    *("/srv", "/opt/provision", "/etc/caddy", "/etc/app-notes", "/etc/systemd/system", "/usr/local"),
    *("/var/lib/provision", "/var/lib/app-notes", "/var/log/provision"),
)
"""Folders whose files provision writes."""

PATIENCE = 300.0
"""Seconds for what a processor in software needs."""

LONGEST = 1800.0
"""Seconds for a first run on a busy machine."""

SLOW = {"app_start_timeout": 300, "ansible_timeout": 60}
"""Variables of an app that starts on such a processor."""


class Machine:
    """One VM of ``lab``, and what is deployed there from ``folder``."""

    def __init__(self, lab: Lab, host: Host, folder: Path) -> None:
        self.lab, self.host = lab, host
        self.releases = Releases(folder, **SLOW)
        self._authority = folder / "root.crt"
        self.visitor = Visitor(host.address, self._authority)

    @property
    def monitor(self) -> Monitor:
        """The way to speak with QEMU."""
        return Monitor(self.host.known_hosts.parent)

    def run(self, command: str, timeout: float = PATIENCE) -> str:
        """What a command prints; it has to succeed."""
        done = self.lab.run(self.host, command, timeout=timeout)
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def up(self, wanted: Wanted, code: int = 0) -> Result:
        """Run ``provision up`` for a version, which must end with ``code``."""
        result = provision("up", self.releases.inventory(self.host, wanted), timeout=LONGEST)
        assert result.code == code, str(result)
        return result

    def settle(self, wanted: Wanted) -> Result:
        """Run ``up``, and once more with nothing to do; the first result."""
        result = self.up(wanted)
        again = self.up(wanted)
        assert again.settled == (0, 1), str(again)
        return result

    def trust(self) -> None:
        """Fetch the certificate of Caddy's own authority."""
        self._authority.write_text(self.run(f"cat /{AUTHORITY}") + "\n")

    def wait_until_serving(self, *versions: str) -> None:
        """Wait for an answer over HTTPS, which must be that of one of these versions."""
        wait_for("an answer", self.visitor.ask, PATIENCE)
        answer = self.visitor.ask()
        assert answer in versions, f"{answer!r} is served"

    def certificate(self) -> bytes:
        """The certificate that the site shows, as DER."""
        context = ssl.create_default_context(cafile=str(self._authority))
        plain = socket.create_connection((self.host.address, 443), PATIENCE)
        with closing(context.wrap_socket(plain, server_hostname=DOMAIN)) as connection:
            return connection.getpeercert(binary_form=True) or b""

    def boot(self) -> str:
        """One value per boot; empty while nobody answers."""
        return self.lab.run(self.host, "cat /proc/sys/kernel/random/boot_id", timeout=PATIENCE).stdout.strip()

    def slot(self) -> str:
        """The slot that the link names."""
        return self.run("readlink /srv/notes/active").removeprefix("slots/")

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run(f"systemctl show --property {name} --value {unit}")

    def migrations(self) -> set[str]:
        """The slots whose migration has run since the boot."""
        units = {slot: f"app-notes-migrate@{slot}.service" for slot in ("blue", "green")}
        return {slot for slot, unit in units.items() if self.show(unit, "ExecMainStartTimestampMonotonic") != "0"}

    def empty_files(self) -> set[str]:
        """Files of ours without content, less what is in the making; deployments by no number."""
        found = self._find("-size 0 -print").splitlines()
        making = self.run("for b in /srv/notes/builds/*; do [ -e $b/.complete ] || echo $b/; done").split()
        unfinished = re.compile("|".join([r".*\.new(/.*)?", *(f"{re.escape(build)}.*" for build in making)]))
        return {_unnumbered(path) for path in found if not unfinished.fullmatch(path)}

    def contents(self) -> dict[str, str]:
        """Digests of all files of ours, less those that differ between two undisturbed runs."""
        skip = re.compile("|".join(f"(?:{pattern})" for pattern in (*MAY_DIFFER, *NAMES_ONLY, *_RECORDS)))
        lines = (line.split(maxsplit=1) for line in self._find("-exec sha256sum {} +").splitlines())
        return {path: digest for digest, path in lines if not skip.fullmatch(path)}

    def _find(self, what: str) -> str:
        return self.run(f"find $(ls -d {' '.join(OURS)} 2>/dev/null) -xdev -type f {what}")


_RECORDS: Sequence[str] = ("/srv/notes/(deployments|slots)/.*", "/var/lib/app-notes/.*")
"""They hold numbers and times, and tables."""


def _unnumbered(path: str) -> str:
    return re.sub("(?<=^/srv/notes/deployments/)[0-9]+", "N", path)
