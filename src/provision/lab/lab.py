"""A lab: a few named hosts that are booted, reset and removed together."""

from __future__ import annotations

import fcntl
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from provision.errors import ConfigError, ProvisionError
from provision.lab.files import replace_file
from provision.lab.inventory import is_inventory_of, write_inventory
from provision.lab.nspawn import Nspawn
from provision.lab.personality import create_client_key
from provision.lab.provider import Host, Image, Provider
from provision.lab.qemu import Qemu
from provision.lab.vagrant import Vagrant

_MOST_HOSTS = 99

_FIRST_PATIENCE = 2.0
_LAST_PATIENCE = 30.0
"""Seconds for an sshd's greeting, at first and after many that were awaited in vain."""

PROVIDERS: Mapping[str, Callable[[Path, str], Provider]] = {"nspawn": Nspawn, "qemu": Qemu, "vagrant": Vagrant}
"""Each makes the hosts of a lab below a folder: containers, virtual machines, or virtual machines of Vagrant."""


def base_folder(environment: Mapping[str, str]) -> Path:
    """Where images and labs lie: ``PROVISION_LAB_DIR``, else ``provision/lab`` in the user's cache folder."""
    if own := environment.get("PROVISION_LAB_DIR"):
        return Path(own).resolve()
    cache = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "provision", "lab").resolve()


class Lab:
    """The lab ``name`` below the folder ``base``; it exists on this machine whether or not an object stands for it.

    One that exists keeps its provider; a new one has containers, or hosts of the ``provider`` that is named. Every
    method raises ProvisionError where this machine or a host does not do its part.
    """

    def __init__(self, name: str, base: Path, provider: str | None = None) -> None:
        # A host is called NAME and a number, its interface "vb-" and that: 15 characters at most.
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,8}[a-z])?", name):
            raise ConfigError(f"lab name {name!r}: 1 to 10 of a-z, 0-9 and -, first and last a letter")
        self.name = name
        self._base = base
        self._folder = base / "labs" / name
        self._inventory_record = self._folder / "inventory"
        self._provider_record = self._folder / "provider"
        present = self._provider_record.read_text() if self._provider_record.exists() else None
        if present and provider not in (None, present):
            raise ConfigError(
                f"the lab {name} has hosts of the provider {present}, not {provider}",
                hint=f"`provision lab down --name {name}` first, or another --name",
            )
        self.provider = present or provider or "nspawn"
        self._provider = PROVIDERS[self.provider](base, name)

    @classmethod
    def up(
        cls, name: str, base: Path, *, count: int = 1, image: Image | None = None, provider: str | None = None
    ) -> Lab:
        """The lab with hosts 1 to ``count`` running and answering: see :meth:`ensure`."""
        lab = cls(name, base, provider)
        lab.ensure(count, image or Image())
        return lab

    @property
    def hosts(self) -> list[Host]:
        """The hosts that exist, running or not, in the order of their numbers."""
        return self._provider.hosts()

    def image_ready(self, image: Image) -> bool:
        """Whether ``image`` is built already; building takes half a minute."""
        self._provider.require()
        return self._provider.image_ready(image)

    def ensure(self, count: int, image: Image) -> None:
        """Keep what runs, repair what a crash left, add what is missing up to ``count`` hosts; wait for all.

        Raises ConfigError where a host exists with another image.
        """
        if not 1 <= count <= _MOST_HOSTS:
            raise ConfigError(f"a lab has 1 to {_MOST_HOSTS} hosts, not {count}")
        with self._changing():
            self._make_folder()
            present = {host.number: host for host in self.hosts}
            wanted = range(1, count + 1)
            for number in wanted:
                if number in present and present[number].image != image:
                    raise ConfigError(
                        f"{present[number].name} exists as {present[number].image}, not as {image}",
                        hint=f"`provision lab down --name {self.name}` first, or another --name",
                    )
            hosts = list(present.values())
            hosts += [self._provider.create(number, image) for number in wanted if number not in present]
            hosts = [self._provider.start(host) for host in hosts]
        for host in hosts:
            self.wait(host)

    def add(self, image: Image | None = None, layers: Sequence[Path] = ()) -> Host:
        """One more host, answering; it begins as the image with ``layers`` over it, the topmost first."""
        with self._changing():
            self._make_folder()
            taken = {host.number for host in self.hosts}
            number = min(set(range(1, _MOST_HOSTS + 1)) - taken)
            host = self._provider.start(self._provider.create(number, image or Image(), layers))
        self.wait(host)
        return host

    def save(self, host: Host, layer: Path) -> None:
        """Stop ``host``, and keep what differs from what it began with in the new folder ``layer``, for other hosts."""
        with self._changing():
            self._provider.save(host, layer)

    def reset(self, host: Host) -> Host:
        """``host`` made anew from its image, with a new host key, answering."""
        with self._changing():
            self._provider.remove(host)
            fresh = self._provider.start(self._provider.create(host.number, host.image))
        self.wait(fresh)
        return fresh

    def restart(self, host: Host) -> None:
        """Pull the plug of ``host`` and boot it from its own disk; answering."""
        self.stop(host)
        self.start(host)

    def stop(self, host: Host) -> None:
        """Pull the plug of ``host``."""
        with self._changing():
            self._provider.stop(host)

    def start(self, host: Host) -> Host:
        """Boot ``host`` from its own disk, unless it runs; answering, at the address it then has."""
        with self._changing():
            host = self._provider.start(host)
        self.wait(host)
        return host

    def snapshot(self, host: Host, name: str) -> None:
        """Keep the state of ``host`` as ``name``, in place of an earlier one of this name; answering.

        A VM goes on, a container is booted anew.
        """
        # Not a number: QEMU would take it for the place of a snapshot.
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name):
            raise ConfigError(f"snapshot name {name!r}: 1 to 32 of a-z, 0-9 and -, first a letter")
        if not self.running(host):
            host = self.start(host)
        with self._changing():
            self._provider.snapshot(host, name)
        self.wait(host)

    def restore(self, host: Host, name: str) -> None:
        """``host`` as at its snapshot ``name``, answering."""
        with self._changing():
            there = self.snapshots(host)
            if name not in there:
                raise ConfigError(
                    f"{host.name} has no snapshot {name!r}",
                    hint=f"there are: {', '.join(there) or f'none; provision lab snapshot --name {self.name}'}",
                )
            self._provider.restore(host, name)
        # One that goes on has answered already, and its boot is long over: to wait as well would be another login.
        if not self._provider.keeps_memory:
            self.wait(host)

    def snapshots(self, host: Host) -> list[str]:
        """The names of the snapshots of ``host``, in the order of their making."""
        return self._provider.snapshots(host)

    def remove(self, host: Host) -> None:
        """End ``host`` and delete all of it."""
        with self._changing():
            self._provider.remove(host)

    def down(self) -> None:
        """End every host and leave nothing of the lab, nor its inventory."""
        if not self._folder.exists():
            return  # There is nothing of it, and whose tools would be needed is not known.
        with self._changing():
            self._remove_inventory()
            self._provider.close()

    def refuse_foreign(self, inventory: Path) -> None:
        """Raise ConfigError where there is a file ``inventory`` that this lab has not written."""
        if inventory.exists() and not is_inventory_of(self.name, inventory):
            raise ConfigError(
                f"{inventory} is not an inventory of the lab {self.name}, and is left alone",
                hint="name another file by --inventory",
            )

    def write_inventory(self, path: Path, variables: Mapping[str, object]) -> None:
        """Write the lab's one inventory to ``path``, with ``variables`` for all hosts; an earlier one is removed.

        Raises ConfigError where something else is there.
        """
        self.refuse_foreign(path)
        self._remove_inventory()
        replace_file(self._inventory_record, str(path.resolve()))
        write_inventory(path, self.hosts, variables, lab=self.name)

    def running(self, host: Host) -> bool:
        """Whether ``host`` has been booted and not ended since."""
        return self._provider.running(host)

    def root(self, host: Host) -> Path:
        """The folder that shows the root of ``host``'s file system on this machine."""
        return self._provider.root(host)

    def run(self, host: Host, command: str, *, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run ``command`` in the login's shell on ``host``; a non-zero status is returned, not raised."""
        argv = host.ssh(command)
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )

    def wait(self, host: Host, *, timeout: float | None = None) -> None:
        """Wait until sshd of ``host`` answers and its boot is complete, ``timeout`` seconds at most."""
        timeout = timeout or self._provider.boot_timeout
        deadline = time.monotonic() + timeout
        patience = _FIRST_PATIENCE
        while not (_greets(host, patience) and self._booted(host, deadline)):
            # On a busy machine an sshd that is asked anew each second would only be the later for it.
            patience = min(1.5 * patience, _LAST_PATIENCE)
            if not self.running(host):
                raise ProvisionError(f"{host.name} ended while it booted: {self._last_words(host)}")
            if time.monotonic() > deadline:
                raise ProvisionError(f"{host.name} does not answer within {timeout:g} s: {self._last_words(host)}")
            time.sleep(0.05)

    def _booted(self, host: Host, deadline: float) -> bool:
        left = max(1.0, deadline - time.monotonic())
        try:
            state = self.run(host, "systemctl is-system-running --wait", timeout=left).stdout.strip()
        except subprocess.TimeoutExpired:
            return False
        return state in ("running", "degraded")

    def _last_words(self, host: Host) -> str:
        log = self._provider.log(host)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(lines[-10:]) or "it printed nothing"

    def _remove_inventory(self) -> None:
        if self._inventory_record.exists():
            written = Path(self._inventory_record.read_text())
            # Somebody may have put another one in its place.
            if is_inventory_of(self.name, written):
                written.unlink()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._provider.require()
        self._base.mkdir(parents=True, exist_ok=True)
        # One lock for all labs of a folder: they share images and choose networks beside each other.
        with (self._base / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # The roots of the hosts hold setuid programs and the secrets of tests.
        self._folder.parent.chmod(0o700)
        replace_file(self._provider_record, self.provider)
        create_client_key(self._folder / "id_ed25519")


def labs(base: Path) -> list[Lab]:
    """The labs that exist below ``base``, by name."""
    return [Lab(folder.name, base) for folder in sorted((base / "labs").glob("*"))]


def _greets(host: Host, patience: float) -> bool:
    try:
        # Short: a SYN that the booting host missed would be repeated only after a second.
        with socket.create_connection((host.address, host.port), timeout=0.2) as connection:
            connection.settimeout(patience)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
