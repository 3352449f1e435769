"""The example app on one lab host, brought there by the real command and looked at from outside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import testinfra.host

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host, Image

PROVISION = Path(sys.executable).with_name("provision")
IMAGES = [Image(distro, flavour) for distro in ("bookworm", "trixie") for flavour in ("minimal", "cloud")]
"""Debian 12 and 13: bare, for root, and as a cloud has it, for a user with sudo."""
NOTES = Path(__file__).parents[1] / "apps" / "notes"
DOMAIN = "notes.test.internal"
AUTHORITY = "var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
"""Caddy's own certificate authority, below the root of a host."""

TEST_SITE = {"caddy_domain": DOMAIN, "caddy_source": "distro", "caddy_tls": "internal"}
"""Variables of the role caddy on a test host."""

LIST = (
    # -xdev leaves out what is mounted; /tmp may be.
    "find / /tmp -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /var/log/journal \\) -prune"
    " -o -printf '%p\\t%y %m %u:%g %s %T@ %C@ %l\\n'"
)

Event = dict[str, Any]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Result:
    """What a run printed and how it ended."""

    code: int
    events: Sequence[Event]
    stderr: str

    @cached_property
    def recaps(self) -> dict[str, Event]:
        """The ``host_finished`` event of each host."""
        return {event["host"]: event for event in self.events if event["event"] == "host_finished"}

    @property
    def settled(self) -> tuple[int, ...]:
        """Changed and trips of all hosts: (0, 1) where there is one, with nothing to do."""
        return tuple(recap[name] for recap in self.recaps.values() for name in ("changed", "trips"))

    @property
    def changed(self) -> list[str]:
        """The tasks and handlers that ran, as ``role : name``, in their order."""
        ended = [event for event in self.events if event["event"] == "task_finished"]
        return [f"{event['role']} : {event['task']}" for event in ended if event["status"] == "changed"]

    @property
    def notices(self) -> list[str]:
        """What was worth a notice."""
        return [event["text"] for event in self.events if event["event"] == "notice"]

    @property
    def error(self) -> Event:
        """The error of the one host that failed, or of the run."""
        (error,) = [event["error"] for event in self.events if event.get("error")]
        return dict(error)

    @property
    def log(self) -> str:
        """The last lines of the step that failed."""
        return "\n".join(self.error["log"])

    def __str__(self) -> str:
        return "\n".join([*map(str, self.events), self.stderr, f"exit code {self.code}"])


def provision(*words: str | Path, timeout: float = 1800.0) -> Result:
    """Run ``provision WORDS --json`` to its end."""
    done = subprocess.run([PROVISION, *words, "--json"], capture_output=True, text=True, check=False, timeout=timeout)
    return Result(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)


def prepare(host: Host, folder: Path) -> None:
    """Let the roles python and caddy do on ``host`` all they have to do there."""
    inventory = folder / f"{host.name}.yml"
    write_inventory(inventory, [host], {"roles": ["python", "caddy"], **TEST_SITE})
    for changes in (True, False):
        result = provision("up", inventory)
        assert (result.code, bool(result.changed)) == (0, changes), str(result)


def wait_for(what: str, condition: Callable[[], Found | None], timeout: float = 120.0) -> Found:
    """The first true answer of ``condition``; fails after ``timeout`` seconds, saying ``what`` did not happen."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain for {what}"
        time.sleep(0.1)
    return found


def copy_of_notes(folder: Path) -> Path:
    """The example app in ``folder``, to be edited; what is ignored by git stays behind."""
    return Path(shutil.copytree(NOTES, folder / "notes", ignore=shutil.ignore_patterns(".venv", "__pycache__", "*.db")))


class Site:
    """The example app: its source and inventory in ``folder``, and the host where it is to serve."""

    def __init__(self, folder: Path, host: Host, root: Path, view: testinfra.host.Host, **variables: object) -> None:
        self.inventory = folder / "inventory.yml"
        self.app = copy_of_notes(folder)
        self.host, self.root, self.view = host, root, view
        self.variables: dict[str, object] = {
            "app_source": str(self.app),
            "app_workers": 2,
            **TEST_SITE,
        }
        self.set(**variables)

    def set(self, **variables: object) -> None:
        """Write the inventory anew, with these variables changed."""
        self.variables |= variables
        write_inventory(self.inventory, [self.host], self.variables)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the one ``old`` in a file of the app."""
        text = (self.app / name).read_text()
        assert text.count(old) == 1, f"{name} holds {text.count(old)} of {old!r}"
        (self.app / name).write_text(text.replace(old, new))

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Afterwards source and inventory are as they were."""
        variables, aside = dict(self.variables), self.app.with_name("aside")
        shutil.copytree(self.app, aside)
        try:
            yield
        finally:
            shutil.rmtree(self.app)
            aside.rename(self.app)
            self.variables = variables
            self.set()

    def up(self, *options: str, code: int = 0) -> Result:
        """Run ``provision up``, which must end with ``code``."""
        result = provision("up", self.inventory, *options)
        assert result.code == code, str(result)
        return result

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start ``provision WORDS INVENTORY --json``; its events come as lines of its stdout."""
        argv = [str(PROVISION), *words, str(self.inventory), "--json"]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def curl(self, url: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Ask the host from this machine; only Caddy's own authority is trusted."""
        return subprocess.run(self._curl(url, *options), capture_output=True, text=True, check=False)

    def begin_curl(self, url: str, *options: str) -> subprocess.Popen[str]:
        """The same, with what comes as lines of its stdout."""
        return subprocess.Popen(self._curl(url, *options), stdout=subprocess.PIPE, text=True)

    def _curl(self, url: str, *options: str) -> list[str]:
        domain = str(self.variables["caddy_domain"])
        where = [word for port in (80, 443) for word in ("--resolve", f"{domain}:{port}:{self.host.address}")]
        trust = ("--cacert", str(self.root / AUTHORITY))
        return ["curl", "--silent", "--show-error", "--max-time", "60", *where, *trust, *options, url]

    def plain_curl(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """curl with these words alone."""
        return subprocess.run(["curl", "--max-time", "60", *words], capture_output=True, text=True, check=False)

    def get(self, path: str) -> Event | None:
        """The JSON that the site answers over verified HTTPS; None for any other answer."""
        answer = self.curl(f"https://{self.variables['caddy_domain']}{path}", "--fail")
        return dict(json.loads(answer.stdout)) if answer.returncode == 0 else None

    def answer(self, path: str) -> Event:
        """The JSON that the site answers, as soon as it does; a failure says what it answers instead."""
        try:
            return wait_for("an answer", lambda: self.get(path))
        except AssertionError as error:
            instead = self.curl(f"https://{self.variables['caddy_domain']}{path}", "--include")
            raise AssertionError(f"{error}: {instead.stdout}{instead.stderr}") from None

    def health(self) -> Event:
        """What a worker says of itself, as soon as one does."""
        return self.answer("/health")

    @property
    def slot(self) -> str:
        """The unit that serves."""
        return f"app-notes@{(self.root / 'srv/notes/active').readlink().name}.service"

    def show(self, unit: str, name: str) -> str:
        """A property of a unit, as systemd has it."""
        return str(self.view.check_output("systemctl show -P %s %s", name, unit))

    def kill_main_process(self) -> str:
        """Kill the serving unit's main process and return its pid."""
        pid = self.show(self.slot, "MainPID")
        self.view.check_output("kill -9 %s", pid)
        return pid

    def listing(self) -> dict[str, str]:
        """Every file of the host outside /run and the journal: type, mode, owner, size, times of content and inode."""
        lines = self.view.check_output(LIST).splitlines()
        return dict(line.split("\t", 1) for line in lines)
