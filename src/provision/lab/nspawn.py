"""Hosts as systemd-nspawn containers: a real systemd and sshd, up in two seconds; the kernel is this machine's.

Each host is an overlay on its image. ``--register=no --keep-unit`` lets it boot where PID 1 is no systemd.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from provision.errors import ProvisionError
from provision.lab import cgroup, network, processes
from provision.lab.commands import require_root, require_tools
from provision.lab.image import ensure_image, image_folder
from provision.lab.network import Network, free_network
from provision.lab.overlay import Overlay
from provision.lab.personality import personalize
from provision.lab.provider import Host, Image
from provision.lab.records import Records
from provision.shell import lines, sh

_TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "ssh": "openssh-client",
}

_WATCHERS = 8192
"""inotify(7) instances for one user; enough for the largest lab and the machine's own."""


class Nspawn:
    """The containers of the lab ``name`` below the folder ``base``; see :class:`provision.lab.provider.Provider`."""

    boot_timeout = 180.0
    keeps_memory = False

    def __init__(self, base: Path, name: str) -> None:
        self._records = Records(base, name)

    def require(self) -> None:
        """Raise ProvisionError unless we are root, with the tools, in a folder that can be mounted from."""
        require_root()
        require_tools(_TOOLS)
        if re.search(r"[\s,:\\]", str(self._records.base)):
            raise ProvisionError(
                f"{self._records.base}: a mount option cannot hold this path",
                hint="set PROVISION_LAB_DIR to a plainer one",
            )

    def hosts(self) -> list[Host]:
        """The hosts that exist, by number."""
        return [self._host(number, image) for number, image in self._records.complete()]

    def image_ready(self, image: Image) -> bool:
        """Whether ``image`` is built already."""
        return image_folder(self._records.base, image).exists()

    def create(self, number: int, image: Image, layers: Sequence[Path] = ()) -> Host:
        """Lay an overlay on the layers and the image, and give it the host's own name, address and keys."""
        self._refuse_namesake(self._records.name(number))
        lower = ensure_image(self._records.base, image)
        self._claim_network()
        host = self._host(number, image)
        self._discard(host.name)
        overlay = self._overlay(host.name)
        overlay.create([*layers, lower])
        personalize(overlay.root, host, self._network().link(number))
        self._records.complete_one(number, image)
        return host

    def start(self, host: Host) -> Host:
        """Boot the container; one that runs undamaged is only connected to its bridge again."""
        _allow_watches()
        self._network().ensure()
        if self._undamaged(host):
            self._network().attach(_port(host.name))
            return host
        self._refuse_namesake(host.name)
        self._end(host.name)
        self._overlay(host.name).mount()
        with self.log(host).open("wb") as log:
            # stdin must not be a terminal or a pipe, or the container ends with it.
            subprocess.run(self._boot(host), stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        deadline = time.monotonic() + 60
        while not self.running(host):
            if time.monotonic() > deadline:
                raise ProvisionError(f"{host.name} does not boot: {self.log(host).read_text(errors='replace').strip()}")
            time.sleep(0.02)
        return host

    def stop(self, host: Host) -> None:
        """Kill every process of the container; the overlay stays."""
        self._end(host.name)

    def save(self, host: Host, layer: Path) -> None:
        """Copy the topmost layer of the overlay."""
        self._end(host.name)
        self._overlay(host.name).save(layer)

    def snapshot(self, host: Host, name: str) -> None:
        """Keep the files as they are; processes are none of it, so the container is booted again."""
        overlay = self._overlay(host.name)
        overlay.require_room()
        self._end(host.name)
        overlay.snapshot(name)
        self.start(host)

    def restore(self, host: Host, name: str) -> None:
        """Boot the container from the files of the snapshot."""
        self._end(host.name)
        self._overlay(host.name).restore(name)
        self.start(host)

    def snapshots(self, host: Host) -> list[str]:
        """The names of the snapshots, in the order of their making."""
        return self._overlay(host.name).snapshots()

    def running(self, host: Host) -> bool:
        """Whether a process lives in the container."""
        return processes.exists(processes.container(self._group(host.name)))

    def log(self, host: Host) -> Path:
        """What systemd-nspawn and the console said since the last boot."""
        return self._records.of(host.name) / "console.log"

    def root(self, host: Host) -> Path:
        """The mounted overlay: what is written here is seen in the container, and the other way round."""
        return self._overlay(host.name).root

    def remove(self, host: Host) -> None:
        """End the container and delete its overlay."""
        self._discard(host.name)

    def close(self) -> None:
        """Remove hosts whose creation was cut, bridge, rules and the lab's folder."""
        for name in list(self._records.all_names()):
            self._discard(name)
        if self._records.network is not None:
            self._network().remove()
        self._records.delete_lab()

    def _boot(self, host: Host) -> list[str]:
        nspawn = [
            *("systemd-nspawn", "--quiet", f"--directory={self.root(host)}", f"--machine={host.name}"),
            *("--boot", "--register=no", "--keep-unit", f"--network-bridge={self._network().bridge}"),
            *("--settings=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off"),
        ]
        # --fork makes init its parent: it outlives us and leaves no zombie.
        return ["setsid", "--fork", "sh", "-euc", lines(cgroup.enter(self._group(host.name)), sh("exec {}", nspawn))]

    def _undamaged(self, host: Host) -> bool:
        group = self._group(host.name)
        tests = (processes.supervisor(group), processes.container(group))
        return all(processes.exists(test) for test in tests) and network.exists(_port(host.name))

    def _end(self, name: str) -> None:
        # The container first: systemd-nspawn then tidies up and ends by itself. Killing it alone leaves the container.
        processes.kill(processes.container(self._group(name)))
        if not processes.wait_gone(processes.supervisor(self._group(name)), timeout=5):
            processes.kill(processes.supervisor(self._group(name)))
            # It may have been about to boot when we first looked.
            processes.kill(processes.container(self._group(name)))
        cgroup.remove(self._group(name))
        if network.exists(_port(name)) and not self._has_namesake(name):
            network.remove_link(_port(name))

    def _group(self, name: str) -> str:
        return f"{self._records.mark}-{name}"

    def _has_namesake(self, name: str) -> bool:
        """Does a host of this name run for a lab of another folder? Names of interfaces are the machine's."""
        alike = re.compile(rf"provision-[0-9a-f]{{8}}-{re.escape(name)}")
        return any(alike.fullmatch(group) for group in processes.groups() - {self._group(name)})

    def _refuse_namesake(self, name: str) -> None:
        if self._has_namesake(name):
            raise ProvisionError(
                f"a host {name} of another folder of labs runs on this machine",
                hint="--name names another lab; PROVISION_LAB_DIR, or HOME, says in which folder labs are",
            )

    def _discard(self, name: str) -> None:
        self._end(name)
        self._overlay(name).unmount()
        self._records.delete(name)

    def _claim_network(self) -> None:
        if self._records.network is None:
            self._records.claim_network(free_network(self._records.taken_networks()).index)

    def _network(self) -> Network:
        index = self._records.network
        if index is None:
            raise ProvisionError(f"{self._records.folder} has lost its network", hint="provision lab down, then up")
        return Network(index)

    def _host(self, number: int, image: Image) -> Host:
        return self._records.host(number, image, self._network().address(number), port=22)

    def _overlay(self, name: str) -> Overlay:
        return Overlay(self._records.of(name))


def _allow_watches() -> None:
    """Let root's processes watch files in more places at a time: containers share this limit with the machine.

    Linux allows 128; each systemd takes about seven, so that the nineteenth host would wait for ever in its boot. Stays
    after the lab, as the network's forwarding does.
    """
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if int(limit.read_text()) < _WATCHERS:
        limit.write_text(str(_WATCHERS))


def _port(name: str) -> str:
    # How systemd-nspawn calls the machine's end of the cable (--network-bridge).
    return f"vb-{name}"
