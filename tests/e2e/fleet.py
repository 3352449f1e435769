"""One app on several hosts: its source, its inventory, and what each host serves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import testinfra.host
import yaml
from tests.e2e.cli import TEST_SITE, Result, provision, wait_for
from tests.e2e.placed import APPS

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host


class Fleet:
    """A copy of one of the apps in ``folder``, and the hosts of its inventory; ``usual`` are their variables."""

    def __init__(
        self, app: str, folder: Path, hosts: Sequence[Host], views: Sequence[testinfra.host.Host], **usual: object
    ) -> None:
        self.hosts, self.views = hosts, views
        self.inventory, self.domain = folder / "inventory.yml", f"{app}.test.internal"
        self.app = Path(shutil.copytree(APPS / app, folder / app))
        self.version = 1
        self._usual = {
            "app_source": str(self.app),
            "app_workers": 1,
            "app_drain": 1,
            **TEST_SITE,
            "caddy_domain": self.domain,
            **usual,
        }
        self.set()

    @property
    def names(self) -> list[str]:
        return [host.name for host in self.hosts]

    def set(self, of_hosts: Mapping[str, Mapping[str, object]] | None = None, **variables: object) -> None:
        """Write the inventory, with these variables besides the usual ones, and what differs from host to host."""
        write_inventory(self.inventory, self.hosts, {**self._usual, **variables})
        folder = self.inventory.with_name("host_vars")
        folder.mkdir(exist_ok=True)
        for name in self.names:
            (folder / f"{name}.yml").write_text(yaml.safe_dump(dict((of_hosts or {}).get(name, {}))))

    def change(self, by: int = 1) -> int:
        """Another release, or with -1 the one before as it was; its version."""
        self.version += by
        main = self.app / "main.py"
        main.write_text(re.sub(r"(?m)^VERSION = \d+$", f"VERSION = {self.version}", main.read_text()))
        return self.version

    def up(self, *options: str, code: int = 0) -> Result:
        """Run ``provision up``, which must end with ``code``."""
        result = provision("up", self.inventory, *options)
        assert result.code == code, str(result)
        return result

    def settle(self) -> None:
        """Nothing is left to do on any host, and one trip each shows it."""
        assert self.up().settled == (0, 1) * len(self.hosts)

    def get(self, host: Host, path: str) -> dict[str, object] | None:
        """The JSON that the site of a host answers; None for any other answer."""
        where = ["--resolve", f"{self.domain}:443:{host.address}", "--insecure", "--max-time", "30"]
        argv = ["curl", "--fail", "--silent", *where, f"https://{self.domain}{path}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return dict(json.loads(done.stdout)) if done.returncode == 0 else None

    def answers(self, path: str, hosts: Sequence[Host] | None = None) -> list[dict[str, object]]:
        """What each host's site answers, as soon as it does."""
        return [wait_for("an answer", lambda host=host: self.get(host, path)) for host in hosts or self.hosts]  # type: ignore[misc]

    def serving(self, hosts: Sequence[Host] | None = None) -> list[object]:
        """The version each host answers with, through Caddy."""
        return [answer["version"] for answer in self.answers("/version", hosts)]

    def releases(self) -> dict[str, list[str]]:
        """The states of each host's deployments, the newest first."""
        result = provision("releases", self.inventory)
        assert result.code == 0, str(result)
        return {name: [event["state"] for event in result.events if event["host"] == name] for name in self.names}
