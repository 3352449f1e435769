"""Hosts as systemd-nspawn containers: a real systemd and sshd, booted in two seconds; the kernel is this machine's.

Each host is an overlay on its image. ``--register=no --keep-unit`` lets it boot where PID 1 is no systemd.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from provision.errors import ProvisionError
from provision.lab import network, processes
from provision.lab.commands import require_root, require_tools, run
from provision.lab.image import USERS, ensure_image
from provision.lab.network import Network, free_network
from provision.lab.personality import personalize
from provision.lab.provider import Host, Image

_TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "ssh-keygen": "openssh-client",
}


class Nspawn:
    """The containers of the lab called ``name`` below the folder ``base``. See :class:`provision.lab.provider.Provider`."""

    def __init__(self, base: Path, name: str) -> None:
        self._base = base
        self._name = name
        self._folder = base / "labs" / name

    def require(self) -> None:
        """Raise ProvisionError unless we are root on Linux with the tools."""
        require_root()
        require_tools(_TOOLS)
        if re.search(r"[\s,:\\]", str(self._base)):
            raise ProvisionError(
                f"{self._base}: a mount option cannot hold this path", hint="set PROVISION_LAB_DIR to a plainer one"
            )

    def hosts(self) -> list[Host]:
        """The hosts that exist, by number. One whose creation was cut has no host.json and is none."""
        records = (self._folder / "hosts").glob("*/host.json")
        hosts = [self._host(record.parent.name, Image(**json.loads(record.read_text()))) for record in records]
        return sorted(hosts, key=lambda host: self._number(host.name))

    def create(self, number: int, image: Image) -> Host:
        """Lay an overlay on the image and give it the host's own name, address and keys."""
        lower = ensure_image(self._base, image)
        host = self._host(f"{self._name}{number}", image)
        self._discard(host)
        folder = self._host_folder(host)
        for part in ("upper", "work", "root"):
            (folder / part).mkdir(parents=True)
            (folder / part).chmod(0o755)  # The mode of upper is the mode of the host's /.
        (folder / "image").symlink_to(lower)
        self._mount(host)
        personalize(folder / "root", host, self._network())
        (folder / "host.json").write_text(json.dumps(dataclasses.asdict(image)))
        return host

    def start(self, host: Host) -> None:
        """Boot the container; one that runs undamaged is only connected to its bridge again."""
        self._network().ensure()
        if self._undamaged(host):
            self._network().attach(_port(host))
            return
        self._end(host)
        self._mount(host)
        with self.log(host).open("wb") as log:
            # setsid --fork: its parent is init, so it outlives us and leaves no zombie.
            # stdin must not be a pipe or a terminal, or the container ends with it.
            subprocess.run(self._boot(host), stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        deadline = time.monotonic() + 10
        while not self.running(host):
            if time.monotonic() > deadline:
                raise ProvisionError(f"{host.name} does not boot: {self.log(host).read_text(errors='replace').strip()}")
            time.sleep(0.02)

    def running(self, host: Host) -> bool:
        """Whether a process lives in the container."""
        return processes.exists(processes.inside(self._host_folder(host) / "upper"))

    def log(self, host: Host) -> Path:
        """What systemd-nspawn and the console said since the last boot."""
        return self._host_folder(host) / "console.log"

    def root(self, host: Host) -> Path:
        """The mounted overlay: what is written here is seen in the container, and the other way round."""
        return self._host_folder(host) / "root"

    def remove(self, host: Host) -> None:
        """End the container and delete its overlay."""
        self._discard(host)

    def close(self) -> None:
        """Remove bridge, rules and the lab's folder, with whatever a cut creation left in it."""
        for folder in (self._folder / "hosts").glob("*"):
            self._discard(self._host(folder.name, Image()))
        if self._network_record().exists():
            self._network().remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _boot(self, host: Host) -> list[str]:
        return [
            *("setsid", "--fork", "systemd-nspawn", "--quiet", self._directory(host), f"--machine={host.name}"),
            *("--boot", "--register=no", "--keep-unit", f"--network-bridge={self._network().bridge}"),
            *("--settings=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off"),
        ]

    def _undamaged(self, host: Host) -> bool:
        return self.running(host) and processes.exists(self._supervisor(host)) and network.exists(_port(host))

    def _supervisor(self, host: Host) -> processes.Test:
        return processes.started_as("systemd-nspawn", self._directory(host))

    def _directory(self, host: Host) -> str:
        return f"--directory={self.root(host)}"

    def _end(self, host: Host) -> None:
        # The container first: systemd-nspawn then tidies up and ends by itself. Killing it alone leaves the container.
        processes.kill(processes.inside(self._host_folder(host) / "upper"))
        if not processes.wait_gone(self._supervisor(host), timeout=5):
            processes.kill(self._supervisor(host))
        network.remove_link(_port(host))

    def _mount(self, host: Host) -> None:
        folder = self._host_folder(host)
        if os.path.ismount(folder / "root"):
            return
        layers = f"lowerdir={(folder / 'image').resolve()},upperdir={folder}/upper,workdir={folder}/work"
        run("mount", "-t", "overlay", f"lab-{host.name}", "-o", layers, str(folder / "root"))

    def _discard(self, host: Host) -> None:
        folder = self._host_folder(host)
        self._end(host)
        if os.path.ismount(folder / "root"):
            run("umount", "--lazy", str(folder / "root"))  # Lazy: somebody's shell may stand in it.
        if folder.exists():
            (folder / "host.json").unlink(missing_ok=True)
            shutil.rmtree(folder)

    def _network(self) -> Network:
        record = self._network_record()
        if not record.exists():
            taken = [int(other.read_text()) for other in self._base.glob("labs/*/network")]
            record.write_text(str(free_network(taken).index))
        return Network(int(record.read_text()))

    def _network_record(self) -> Path:
        return self._folder / "network"

    def _host(self, name: str, image: Image) -> Host:
        return Host(
            name=name,
            address=self._network().address(self._number(name)),
            port=22,
            user=USERS[image.flavour],
            key=self._folder / "id_ed25519",
            known_hosts=self._folder / "hosts" / name / "known_hosts",
            image=image,
        )

    def _number(self, name: str) -> int:
        return int(name.removeprefix(self._name))

    def _host_folder(self, host: Host) -> Path:
        return self._folder / "hosts" / host.name


def _port(host: Host) -> str:
    # systemd-nspawn's name for the machine's end of the cable (--network-bridge).
    return f"vb-{host.name}"
