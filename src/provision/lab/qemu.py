"""Hosts as virtual machines: a kernel, a memory and a disk of their own, so a reboot is one and a plug can be pulled.

Each has an address of its own on this machine's loopback, from which QEMU forwards: no bridge, no rule. QEMU emulates
the processor where KVM does not work; a boot then takes half a minute.
"""

from __future__ import annotations

import json
import platform
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from provision.errors import ProvisionError
from provision.lab import cgroup, clock, processes
from provision.lab.acceleration import acceleration
from provision.lab.commands import require_root, require_tools, run
from provision.lab.disk import disk_folder, ensure_disk
from provision.lab.monitor import SOCKET, Monitor
from provision.lab.personality import Link, own_files, pack
from provision.lab.provider import Host, Image
from provision.lab.records import Records
from provision.shell import lines, sh

_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
}

MEMORY_MB = 1024
"""What a VM has."""

_SSH = 2222
"""The port for ssh: a machine's own sshd mostly holds 22 of all addresses."""

_FORWARDED = {_SSH: 22, 80: 80, 443: 443}
"""From port of the address on this machine, to port of the VM."""

_LINK = Link("e*", "10.0.2.15/24", "10.0.2.2")
"""The network that QEMU's user networking pretends to every VM."""

NETWORK_CARD = "card"
"""The name by which QEMU's monitor knows the network card."""


class Qemu:
    """The VMs of the lab ``name`` below the folder ``base``; see :class:`provision.lab.provider.Provider`."""

    boot_timeout = 300.0
    keeps_memory = True

    def __init__(self, base: Path, name: str) -> None:
        self._records = Records(base, name)

    def require(self) -> None:
        """Raise ProvisionError unless we are root, with the tools, on a machine whose kind of VM we know."""
        require_root()
        if platform.machine() != "x86_64":
            raise ProvisionError(
                f"the lab's VMs are x86-64, and this machine is {platform.machine()}", hint="use --provider nspawn"
            )
        require_tools(_TOOLS)

    def hosts(self) -> list[Host]:
        """The hosts that exist, by number."""
        return [self._host(number, image) for number, image in self._records.complete()]

    def image_ready(self, image: Image) -> bool:
        """Whether the disk of ``image`` is built already."""
        return disk_folder(self._records.base, image).exists()

    def create(self, number: int, image: Image, layers: Sequence[Path] = ()) -> Host:
        """Make a disk that keeps what differs from the topmost layer, or the image; and one with the host's own."""
        built = ensure_disk(self._records.base, image)
        self._claim_network()
        host = self._host(number, image)
        self._discard(host.name)
        folder = self._folder(host)
        folder.mkdir(parents=True)
        # Its kernel is that of its disk, also when another version of provision would build another image.
        (folder / "image").symlink_to(built)
        # A layer knows what lies below it.
        beginning = (layers[0] / "disk.qcow2", "qcow2") if layers else (built / "disk.img", "raw")
        _make_overlay(folder / "disk.qcow2", *beginning)
        pack(own_files(host, _LINK), folder / "own.tar")
        self._records.complete_one(number, image)
        return host

    def start(self, host: Host) -> Host:
        """Boot the VM unless it runs."""
        if not self.running(host):
            self._boot(host)
        return host

    def stop(self, host: Host) -> None:
        """Kill QEMU: what the VM has in memory is lost, what it has handed to its disk is not."""
        self._end(host.name)

    def save(self, host: Host, layer: Path) -> None:
        """Copy what the disk has on top of that it began with."""
        if self.running(host):
            run(*host.ssh("sync"))
        self._end(host.name)
        disk = self._folder(host) / "disk.qcow2"
        below = json.loads(run("qemu-img", "info", "--output=json", str(disk)))
        layer.mkdir(parents=True)
        backing = ("-B", below["full-backing-filename"], "-F", below["backing-filename-format"])
        run("qemu-img", "convert", "-O", "qcow2", *backing, str(disk), str(layer / "disk.qcow2"))

    def snapshot(self, host: Host, name: str) -> None:
        """Write disk and memory of the running VM into its disk; it pauses for a few seconds."""
        said = self.monitor(host).human(f"savevm {name}")
        if said.strip():
            raise ProvisionError(f"{host.name}: no snapshot {name!r}: {said.strip()}")

    def restore(self, host: Host, name: str) -> None:
        """Go on where the snapshot was made, in the middle of whatever the VM did."""
        self._end(host.name)
        self._boot(host, "-loadvm", name)
        clock.set_clock_by_line(host, self._folder(host))

    def snapshots(self, host: Host) -> list[str]:
        """The names of the snapshots, in the order of their making."""
        disk = self._folder(host) / "disk.qcow2"
        # --force-share: a running QEMU holds the lock.
        info = json.loads(run("qemu-img", "info", "--force-share", "--output=json", str(disk)))
        return [snapshot["name"] for snapshot in info.get("snapshots", ())]

    def running(self, host: Host) -> bool:
        """Whether its QEMU lives; it ends when the VM powers off."""
        return processes.exists(processes.supervisor(self._group(host.name)))

    def log(self, host: Host) -> Path:
        """What QEMU and the console said since the last boot."""
        return self._folder(host) / "console.log"

    def root(self, host: Host) -> Path:
        """Raises ProvisionError: only the VM itself may touch its file system."""
        raise host.has_no_root()

    def remove(self, host: Host) -> None:
        """End the VM and delete its disk."""
        self._discard(host.name)

    def close(self) -> None:
        """Remove hosts whose creation was cut, and the lab's folder."""
        for name in list(self._records.all_names()):
            self._discard(name)
        self._records.delete_lab()

    def monitor(self, host: Host) -> Monitor:
        """The way to speak with the QEMU of ``host``."""
        return Monitor(self._folder(host))

    def _boot(self, host: Host, *more: str) -> None:
        log = self.log(host)
        log.write_bytes(b"")
        boot = lines(cgroup.enter(self._group(host.name)), sh("exec {}", [*self._qemu(host), *more]))
        # In its folder: a path on QEMU's command line could not hold a comma.
        done = subprocess.run(
            ["sh", "-euc", boot],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self._folder(host),
            check=False,
        )
        if done.returncode:
            self._end(host.name)
            hint = "see who listens there: ss -ltnp" if "forwarding rule" in done.stderr else ""
            raise ProvisionError(f"{host.name} does not boot: {done.stderr.strip()}", hint=hint)

    def _qemu(self, host: Host) -> list[str]:
        image = (self._folder(host) / "image").resolve()
        forwarded = ",".join(f"hostfwd=tcp:{host.address}:{port}-:{to}" for port, to in _FORWARDED.items())
        return [
            # It returns when the VM runs, or with what is wrong.
            *("qemu-system-x86_64", "-daemonize", "-name", host.name),
            *("-nodefaults", "-no-user-config", "-display", "none"),
            *acceleration(image),
            *("-m", str(MEMORY_MB), "-smp", "2", "-rtc", "base=utc", "-device", "virtio-rng-pci"),
            *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img")),
            *("-append", f"root=/dev/vda rw console=ttyS0 systemd.hostname={host.name}"),
            *("-drive", "file=disk.qcow2,if=virtio,format=qcow2"),
            *("-drive", "file=own.tar,if=virtio,format=raw,readonly=on"),
            *("-netdev", f"user,id=network,{forwarded}"),
            *("-device", f"virtio-net-pci,netdev=network,id={NETWORK_CARD}"),
            *("-chardev", "file,id=console,path=console.log,append=on", "-serial", "chardev:console"),
            *("-chardev", f"socket,id=clock,path={clock.SOCKET},server=on,wait=off", "-serial", "chardev:clock"),
            *("-qmp", f"unix:{SOCKET},server=on,wait=off"),
        ]

    def _end(self, name: str) -> None:
        processes.kill(processes.supervisor(self._group(name)))
        cgroup.remove(self._group(name))

    def _group(self, name: str) -> str:
        return f"{self._records.mark}-{name}"

    def _discard(self, name: str) -> None:
        self._end(name)
        self._records.delete(name)

    def _claim_network(self) -> None:
        if self._records.network is None:
            taken = self._records.taken_networks()
            free = (index for index in range(256) if index not in taken and not _listens(_address(index, 1)))
            self._records.claim_network(next(free))

    def _host(self, number: int, image: Image) -> Host:
        index = self._records.network
        if index is None:
            raise ProvisionError(f"{self._records.folder} has lost its network", hint="provision lab down, then up")
        return self._records.host(number, image, _address(index, number), _SSH)

    def _folder(self, host: Host) -> Path:
        return self._records.of(host.name)


def _make_overlay(disk: Path, below: Path, kind: str) -> None:
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(below.resolve()), "-F", kind, str(disk))


def _address(index: int, number: int) -> str:
    return f"127.77.{index}.{10 + number}"


def _listens(address: str) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((address, _SSH)) == 0
