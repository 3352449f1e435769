"""Hosts as systemd-nspawn containers: a real systemd and sshd, up in two seconds; the kernel is this machine's.

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
from collections.abc import Sequence
from pathlib import Path

from provision.errors import ProvisionError
from provision.lab import cgroup, network, processes
from provision.lab.commands import require_root, require_tools, run
from provision.lab.files import replace_file
from provision.lab.image import USERS, ensure_image, image_folder
from provision.lab.network import Network, free_network
from provision.lab.personality import personalize
from provision.lab.provider import Host, Image
from provision.shell import lines, sh

_TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "ssh": "openssh-client",
}


class Nspawn:
    """The containers of the lab ``name`` below the folder ``base``; see :class:`provision.lab.provider.Provider`."""

    def __init__(self, base: Path, name: str) -> None:
        self._base = base
        self._name = name
        self._folder = base / "labs" / name
        self._network_record = self._folder / "network"

    def require(self) -> None:
        """Raise ProvisionError unless we are root, with the tools, in a folder that can be mounted from."""
        require_root()
        require_tools(_TOOLS)
        if re.search(r"[\s,:\\]", str(self._base)):
            raise ProvisionError(
                f"{self._base}: a mount option cannot hold this path", hint="set PROVISION_LAB_DIR to a plainer one"
            )

    def hosts(self) -> list[Host]:
        """The hosts that exist, by number. One whose creation was cut has no host.json and is none."""
        records = [json.loads(record.read_text()) for record in self._folder.glob("hosts/*/host.json")]
        hosts = [self._host(record["number"], Image(**record["image"])) for record in records]
        return sorted(hosts, key=lambda host: host.number)

    def image_ready(self, image: Image) -> bool:
        """Whether ``image`` is built already."""
        return image_folder(self._base, image).exists()

    def create(self, number: int, image: Image, layers: Sequence[Path] = ()) -> Host:
        """Lay an overlay on the layers and the image, and give it the host's own name, address and keys."""
        lower = ensure_image(self._base, image)
        self._claim_network()
        host = self._host(number, image)
        self._discard(host.name)
        folder = self._host_folder(host.name)
        for part in (folder / "upper", folder / "work", folder / "root"):
            part.mkdir(parents=True)
            part.chmod(0o755)  # The mode of upper is the mode of the host's /.
        for place, layer in enumerate([*layers, lower]):
            (folder / f"lower{place:02}").symlink_to(layer)
        self._mount(host.name)
        personalize(folder / "root", host, self._network())
        replace_file(folder / "host.json", json.dumps({"number": number, "image": dataclasses.asdict(image)}))
        return host

    def start(self, host: Host) -> None:
        """Boot the container; one that runs undamaged is only connected to its bridge again."""
        self._network().ensure()
        if self._undamaged(host):
            self._network().attach(_port(host.name))
            return
        self._end(host.name)
        self._mount(host.name)
        with self.log(host).open("wb") as log:
            # stdin must not be a terminal or a pipe, or the container ends with it.
            subprocess.run(self._boot(host), stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        deadline = time.monotonic() + 10
        while not self.running(host):
            if time.monotonic() > deadline:
                raise ProvisionError(f"{host.name} does not boot: {self.log(host).read_text(errors='replace').strip()}")
            time.sleep(0.02)

    def stop(self, host: Host) -> None:
        """Kill every process of the container; the overlay stays."""
        self._end(host.name)

    def save(self, host: Host, layer: Path) -> None:
        """Copy the overlay's upper folder."""
        self._end(host.name)
        # With its extended attributes: they say which folders replace those below.
        run("cp", "-a", str(self._host_folder(host.name) / "upper"), str(layer))

    def running(self, host: Host) -> bool:
        """Whether a process lives in the container."""
        return processes.exists(processes.container(_group(host.name)))

    def log(self, host: Host) -> Path:
        """What systemd-nspawn and the console said since the last boot."""
        return self._host_folder(host.name) / "console.log"

    def root(self, host: Host) -> Path:
        """The mounted overlay: what is written here is seen in the container, and the other way round."""
        return self._host_folder(host.name) / "root"

    def remove(self, host: Host) -> None:
        """End the container and delete its overlay."""
        self._discard(host.name)

    def close(self) -> None:
        """Remove hosts whose creation was cut, bridge, rules and the lab's folder."""
        for folder in self._folder.glob("hosts/*"):
            self._discard(folder.name)
        if self._network_record.exists():
            self._network().remove()
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def _boot(self, host: Host) -> list[str]:
        nspawn = [
            *("systemd-nspawn", "--quiet", f"--directory={self.root(host)}", f"--machine={host.name}"),
            *("--boot", "--register=no", "--keep-unit", f"--network-bridge={self._network().bridge}"),
            *("--settings=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off"),
        ]
        # --fork makes init its parent: it outlives us and leaves no zombie.
        return ["setsid", "--fork", "sh", "-c", lines(cgroup.enter(_group(host.name)), sh("exec {}", nspawn))]

    def _undamaged(self, host: Host) -> bool:
        group = _group(host.name)
        tests = (processes.supervisor(group), processes.container(group))
        return all(processes.exists(test) for test in tests) and network.exists(_port(host.name))

    def _end(self, name: str) -> None:
        # The container first: systemd-nspawn then tidies up and ends by itself. Killing it alone leaves the container.
        processes.kill(processes.container(_group(name)))
        if not processes.wait_gone(processes.supervisor(_group(name)), timeout=5):
            processes.kill(processes.supervisor(_group(name)))
        cgroup.remove(_group(name))
        network.remove_link(_port(name))

    def _mount(self, name: str) -> None:
        folder = self._host_folder(name)
        if os.path.ismount(folder / "root"):
            return
        lower = ":".join(str(link.resolve()) for link in sorted(folder.glob("lower*")))
        options = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
        run("mount", "-t", "overlay", f"lab-{name}", "-o", options, str(folder / "root"))

    def _discard(self, name: str) -> None:
        folder = self._host_folder(name)
        self._end(name)
        if os.path.ismount(folder / "root"):
            run("umount", "--lazy", str(folder / "root"))  # Lazy: somebody's shell may stand in it.
        if folder.exists():
            (folder / "host.json").unlink(missing_ok=True)  # First, so that a cut removal leaves no host.
            shutil.rmtree(folder)

    def _claim_network(self) -> None:
        if not self._network_record.exists():
            taken = [int(record.read_text()) for record in self._base.glob("labs/*/network")]
            replace_file(self._network_record, str(free_network(taken).index))

    def _network(self) -> Network:
        return Network(int(self._network_record.read_text()))

    def _host(self, number: int, image: Image) -> Host:
        name = f"{self._name}{number}"
        return Host(
            number=number,
            name=name,
            address=self._network().address(number),
            port=22,
            user=USERS[image.flavour],
            key=self._folder / "id_ed25519",
            known_hosts=self._host_folder(name) / "known_hosts",
            image=image,
        )

    def _host_folder(self, name: str) -> Path:
        return self._folder / "hosts" / name


def _port(name: str) -> str:
    # How systemd-nspawn calls the machine's end of the cable (--network-bridge).
    return f"vb-{name}"


def _group(name: str) -> str:
    return f"provision-lab-{name}"
