"""The disk that every VM starts from: an image with a kernel, as an ext4 file system without a boot loader."""

from __future__ import annotations

import shutil
from pathlib import Path

from provision.lab import clock
from provision.lab.image import Addition, build, building, image_folder, install
from provision.lab.provider import Image
from provision.shell import sh

SIZE = "8G"
"""Of the disk as the host sees it; what nobody has written takes no room here."""

_STAMP = "/var/lib/lab-own-files"
# A second disk holds what personality.py packs. It is unpacked once: what tests write there later stays.
_UNIT = f"""\
[Unit]
Description=Take the files that are this host's own
DefaultDependencies=no
# A container of this image has no such disk.
ConditionVirtualization=vm
After=systemd-remount-fs.service
Before=sysinit.target systemd-networkd.service

[Service]
Type=oneshot
ExecStart=sh -euc 'until [ -b /dev/vdb ]; do sleep 0.1; done; \\
 digest=$$(sha256sum </dev/vdb); [ "$$digest" != "$$(cat {_STAMP} 2>/dev/null)" ] || exit 0; \\
 tar -xf /dev/vdb -C /; sync; echo "$$digest" >{_STAMP}'

[Install]
WantedBy=sysinit.target
"""
_UNIT_NAME = "lab-own-files.service"

VM = Addition(
    name="vm",
    packages=("linux-image-cloud-amd64", "udev", "kmod"),
    hooks=tuple(
        sh('printf %s {} >"$1"/etc/systemd/system/{}; chroot "$1" systemctl --quiet enable {}', text, name, name)
        for name, text in ((_UNIT_NAME, _UNIT), (clock.UNIT, clock.SERVICE))
    ),
)


def disk_folder(base: Path, image: Image) -> Path:
    """Where the disk of ``image`` lies below ``base`` once it is built."""
    return image_folder(base, image, VM)


def ensure_disk(base: Path, image: Image) -> Path:
    """The folder of ``image`` as a disk, built first if it is missing; never write to it.

    It holds ``disk.img``, ``vmlinuz`` and ``initrd.img``, and in ``root`` what is on the disk, for a container. The
    caller holds the lab's lock. Raises ProvisionError with a tool's last words.
    """
    folder = disk_folder(base, image)
    if not folder.exists():
        with building(folder) as unfinished:
            unfinished.mkdir()
            root = unfinished / "root"
            install(folder, image, root, VM)
            for name in ("vmlinuz", "initrd.img"):
                shutil.copyfile(root / name, unfinished / name)
            build(folder, *make_disk(root, unfinished / "disk.img"))
    return folder


def make_disk(root: Path, disk: Path) -> tuple[str, ...]:
    """The command that writes the file system ``root`` to the new file ``disk``."""
    # All inode tables now: no host spends its first minutes on them.
    options = "lazy_itable_init=0,lazy_journal_init=0"
    return ("mke2fs", "-q", "-t", "ext4", "-E", options, "-d", str(root), str(disk), SIZE)
