"""The app that needs PostgreSQL, on one host with its server or on another."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import testinfra.host
import yaml
from tests.e2e.cli import PROVISION, Event, Result, wait_for

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host

LEDGER = Path(__file__).parents[1] / "apps" / "ledger"
DOMAIN = "ledger.test.internal"
APP = ("python", "postgresql", "caddy", "app")


class Ledger:
    """A copy of the app and its inventory in ``folder``; the app is on the last of ``hosts``."""

    def __init__(self, folder: Path, hosts: Sequence[Host], views: Sequence[testinfra.host.Host]) -> None:
        self.folder, self.hosts, self.views = folder, hosts, views
        self.inventory = folder / "inventory.yml"
        self.app = Path(
            shutil.copytree(LEDGER, folder / "ledger", ignore=shutil.ignore_patterns(".venv", "__pycache__"))
        )
        self.version = "1.0.0"

    @property
    def host(self) -> Host:
        """Where the app is."""
        return self.hosts[-1]

    @property
    def view(self) -> testinfra.host.Host:
        """Where the app is, from within."""
        return self.views[-1]

    def set(self, *of_hosts: Mapping[str, object], **variables: object) -> None:
        """Write the inventory: ``variables`` of all hosts besides the usual ones, and those of each."""
        usual = {
            "app_source": str(self.app),
            "app_workers": 2,
            "app_drain": 1,
            "app_health_path": "/health",
            "app_env": {"DATABASE_URL": "{{ postgresql_url }}"},
            "caddy_domain": DOMAIN,
            "caddy_source": "distro",
            "caddy_tls": "internal",
        }
        write_inventory(self.inventory, self.hosts, {**usual, **variables})
        (self.folder / "host_vars").mkdir(exist_ok=True)
        for host, own in zip(self.hosts, of_hosts, strict=True):
            (self.folder / "host_vars" / f"{host.name}.yml").write_text(yaml.safe_dump(dict(own)))

    def up(self, *options: str, code: int = 0, password: str | None = None) -> Result:
        """Run ``provision up``, with a password that a variable of the environment holds."""
        argv = [str(PROVISION), "up", str(self.inventory), "--json", *options]
        script = 'printf "postgresql_password: \'%s\'\\n" "$DB_PASSWORD" | "$@" --set @/dev/stdin'
        if password is not None:
            argv = ["env", f"DB_PASSWORD={password}", "sh", "-c", script, "sh", *argv]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=900)
        result = Result(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)
        assert result.code == code, str(result)
        return result

    def settle(self, password: str | None = None) -> None:
        """Nothing is left to do, and one trip to each host shows it."""
        assert self.up(password=password).settled == (0, 1) * len(self.hosts)

    def release(self) -> str:
        """Another release of the app; its version."""
        old = self.version
        self.version = f"1.0.{int(old.rpartition('.')[2]) + 1}"
        main = self.app / "ledger/__init__.py"
        main.write_text(main.read_text().replace(old, self.version))
        return self.version

    def curl(self, path: str, *options: str) -> str:
        """The answer of the site to a request from this machine; nothing where it is no good one."""
        where = [
            "--resolve",
            f"{DOMAIN}:443:{self.host.address}",
            "--insecure",
            "--fail",
            "--silent",
            "--max-time",
            "10",
        ]
        argv = ["curl", *where, *options, f"https://{DOMAIN}{path}"]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

    def get(self, path: str) -> Event:
        """The JSON the site answers, as soon as it does."""
        return dict(json.loads(wait_for(f"an answer at {path}", lambda: self.curl(path))))

    def add(self, text: str, cents: int) -> None:
        """Write an entry."""
        body = json.dumps({"text": text, "cents": cents})
        assert self.curl("/entries", "--header", "content-type: application/json", "--data", body)

    def entries(self) -> list[str]:
        """The texts of all entries."""
        return [entry["text"] for entry in json.loads(wait_for("the entries", lambda: self.curl("/entries")))]

    def sql(self, text: str, database: str = "postgres") -> str:
        """What the server on the first host says, to its superuser."""
        command = "cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d %s -c %s"
        return str(self.views[0].check_output(command, database, text))
