"""A lab: a few named hosts that are booted, reset and removed together."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from provision.errors import ConfigError, ProvisionError
from provision.lab.nspawn import Nspawn
from provision.lab.personality import create_client_key
from provision.lab.provider import Host, Image, Provider

Say = Callable[[str], None]


def base_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where images and labs lie: ``PROVISION_LAB_DIR``, else ``provision/lab`` in the user's cache folder."""
    if own := environment.get("PROVISION_LAB_DIR"):
        return Path(own).resolve()
    cache = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/root"), ".cache")
    return Path(cache, "provision", "lab").resolve()


class Lab:
    """The lab called ``name``; it exists on this machine whether or not an object stands for it."""

    def __init__(self, name: str = "lab", *, base: Path | None = None) -> None:
        # A host's name ends with its number and is, after "vb-", the name of an interface: 15 characters at most.
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,7}[a-z])?", name):
            raise ConfigError(f"lab name {name!r}: 1 to 9 of a-z, 0-9 and -, first and last a letter")
        self.name = name
        self.base = base or base_folder()
        self.folder = self.base / "labs" / name
        self._provider: Provider = Nspawn(self.base, name)

    @classmethod
    def up(
        cls, name: str = "lab", *, count: int = 1, distro: str = "bookworm", image: str = "minimal", base: Path | None = None
    ) -> Lab:
        """A lab whose hosts 1 to ``count`` run and answer; what is there is kept, what is broken repaired.

        Raises ProvisionError where this machine cannot, or a host does not answer in time; ConfigError where a host
        exists with another image.
        """
        lab = cls(name, base=base)
        lab.ensure(count, Image(distro, image))
        return lab

    @property
    def hosts(self) -> list[Host]:
        """The hosts that exist, in the order of their numbers."""
        return self._provider.hosts() if self.folder.exists() else []

    def ensure(self, count: int, image: Image) -> None:
        """See :meth:`up`."""
        self._provider.require()
        wanted = [f"{self.name}{number}" for number in range(1, count + 1)]
        with self._locked():
            self._make_folder()
            present = {host.name: host for host in self.hosts}
            for name in wanted:
                if name in present and present[name].image != image:
                    raise ConfigError(f"{name} runs {present[name].image}, not {image}", hint=f"provision lab down --name {self.name}")
            for number, name in enumerate(wanted, start=1):
                if name not in present:
                    present[name] = self._provider.create(number, image)
            for host in present.values():
                self._provider.start(host)
        for host in present.values():
            self.wait(host)

    def add(self, image: Image | None = None) -> Host:
        """One more host, booted and answering."""
        self._provider.require()
        with self._locked():
            self._make_folder()
            numbers = {int(host.name.removeprefix(self.name)) for host in self.hosts}
            host = self._provider.create(min(set(range(1, 200)) - numbers), image or Image())
            self._provider.start(host)
        self.wait(host)
        return host

    def reset(self, host: Host) -> Host:
        """``host`` made anew from its image, with a new host key, booted and answering."""
        with self._locked():
            self._provider.remove(host)
            fresh = self._provider.create(int(host.name.removeprefix(self.name)), host.image)
            self._provider.start(fresh)
        self.wait(fresh)
        return fresh

    def remove(self, host: Host) -> None:
        """End ``host`` and delete all of it."""
        with self._locked():
            self._provider.remove(host)

    def down(self) -> None:
        """End every host and leave nothing of the lab."""
        self._provider.require()
        with self._locked():
            for host in self.hosts:
                self._provider.remove(host)
            self._provider.close()

    def running(self, host: Host) -> bool:
        """Whether ``host`` has been booted and not ended since."""
        return self._provider.running(host)

    def root(self, host: Host) -> Path:
        """The folder that shows the root of ``host``'s file system on this machine."""
        return self._provider.root(host)

    def run(self, host: Host, command: str, *, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run one line of shell on ``host`` through ssh, as its login; a non-zero status is returned, not raised."""
        return subprocess.run(
            host.ssh(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )

    def wait(self, host: Host, *, timeout: float = 60.0) -> None:
        """Wait until sshd of ``host`` answers and its boot is complete. Raises ProvisionError after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not (_greets(host) and self._booted(host)):
            if not self._provider.running(host):
                raise ProvisionError(f"{host.name} ended while it booted: {self._last_words(host)}")
            if time.monotonic() > deadline:
                raise ProvisionError(f"{host.name} does not answer within {timeout:g} s: {self._last_words(host)}")
            time.sleep(0.05)

    def _booted(self, host: Host) -> bool:
        state = self.run(host, "systemctl is-system-running --wait").stdout.strip()
        return state in ("running", "degraded")

    def _last_words(self, host: Host) -> str:
        log = self._provider.log(host)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(lines[-10:]) or "it printed nothing"

    def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # The roots of the hosts hold setuid programs and secrets of tests.
        self.folder.parent.chmod(0o700)
        create_client_key(self.folder / "id_ed25519")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # One lock for all labs of a folder: they share images and choose networks beside each other.
        self.base.mkdir(parents=True, exist_ok=True)
        with (self.base / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _greets(host: Host) -> bool:
    try:
        with socket.create_connection((host.address, host.port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
