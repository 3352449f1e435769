"""Builds the file system that every host starts from, once, and keeps it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from provision.lab.commands import run
from provision.lab.provider import Image

DISTROS = ("bookworm", "trixie")
"""Debian's codenames that can be built."""

USERS = {"minimal": "root", "cloud": "debian"}
"""The flavours and the login of each."""

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo"),
    *("iproute2", "ca-certificates", "curl", "procps"),
)
"""On top of Debian's minbase. No Python: that is how `provision` meets hosts in the wild."""

# Keys made at build time would be the same on every host.
_NO_HOST_KEYS = 'rm -f "$1"/etc/ssh/ssh_host_*'
_NETWORKD = 'chroot "$1" systemctl --quiet enable systemd-networkd.service'
# What cloud-init's default user has on Debian's cloud images.
_CLOUD_USER = (
    'chroot "$1" useradd --create-home --shell /bin/bash --groups sudo debian',
    'echo "debian ALL=(ALL) NOPASSWD:ALL" >"$1/etc/sudoers.d/90-cloud-init-users"',
    'chmod 0440 "$1/etc/sudoers.d/90-cloud-init-users"',
)


def ensure_image(base: Path, image: Image) -> Path:
    """The folder of ``image`` below ``base``, built first if it is missing; never write to it.

    The caller holds the lab's lock. Raises ProvisionError with mmdebstrap's last words.
    """
    options = _options(image)
    digest = hashlib.sha256(json.dumps(options).encode()).hexdigest()[:16]
    folder = base / "images" / f"{image.distro}-{image.flavour}-{digest}"
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        run("mmdebstrap", "--quiet", "--format=directory", *options, image.distro, str(unfinished))
        os.rename(unfinished, folder)
    return folder


def _options(image: Image) -> list[str]:
    hooks = (_NO_HOST_KEYS, _NETWORKD, *(_CLOUD_USER if image.flavour == "cloud" else ()))
    return [
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        *(f"--customize-hook={hook}" for hook in hooks),
        *(f"--aptopt={setting}" for setting in apt_settings()),
    ]


def apt_settings() -> list[str]:
    """This machine's own apt settings about proxies and clocks, which its hosts need as well."""
    dump = run("apt-config", "dump").splitlines()
    wanted = ("Acquire::http::", "Acquire::https::", "Acquire::Check-")
    return [line for line in dump if line.startswith(wanted)]
