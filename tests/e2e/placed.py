"""Small apps of tests/apps, several on one host: each with a name, a domain and ports of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import testinfra.host
from tests.e2e.cli import AUTHORITY, Result, Site
from tests.e2e.visitors import Visitors

from provision.lab.provider import Host

APPS = Path(__file__).parents[1] / "apps"


class Placed(Site):
    """A copy of one of the apps, to be edited, and what of it is on the host."""

    def __init__(
        self, name: str, port: int, folder: Path, host: Host, root: Path, view: testinfra.host.Host, **variables: object
    ) -> None:
        self.name, self.domain = name, f"{name}.test.internal"
        own = {"app_name": name, "app_port": port, "caddy_domain": self.domain, "app_drain": 3}
        super().__init__(folder, host, root, view, **{**own, **variables})
        self.app = Path(shutil.copytree(APPS / name, folder / name))
        self.version = 1
        self.set(app_source=str(self.app))

    def change(self) -> int:
        """Let the source be another release; its version."""
        self.edit("main.py", f"VERSION = {self.version}\n", f"VERSION = {self.version + 1}\n")
        self.version += 1
        return self.version

    def settle(self) -> Result:
        """Run ``up``, and once more with nothing to do; the first result."""
        result = self.up()
        assert self.up().settled == (0, 1)
        return result

    @property
    def slot_name(self) -> str:
        """``blue`` or ``green``."""
        return (self.root / "srv" / self.name / "active").readlink().name

    @property
    def slot(self) -> str:
        return f"app-{self.name}@{self.slot_name}.service"

    @property
    def record(self) -> Path:
        """The record of the deployment that serves, as this machine sees it."""
        home = self.root / "srv" / self.name
        number = (home / "slots" / self.slot_name / self.slot_name).read_text().strip()
        return home / "deployments" / number

    def running(self) -> set[str]:
        """The app's units that run."""
        listed = self.view.check_output(
            "systemctl list-units --plain --no-legend --state=active %s", f"app-{self.name}*"
        )
        return {line.split()[0] for line in listed.splitlines()}

    def say(self, path: str, *options: str) -> str:
        """What the site answers, whatever it is."""
        return self.curl(f"https://{self.domain}{path}", *options).stdout

    def visitors(self) -> Visitors:
        """Who asks ``/version`` and ``/echo``, and waits for a restart on a busy machine."""
        return Visitors(self.domain, self.host.address, self.root / AUTHORITY)


Place = Callable[..., Placed]
"""``place(name, **variables)``: puts an app on the host of a module; see the fixture."""
