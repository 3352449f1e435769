"""Builds the file system that every host starts from, once, and keeps it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Addition:
    """What the images of a provider have that those of containers have not."""

    name: str
    packages: tuple[str, ...]
    hooks: tuple[str, ...]
    """Shell, run when the packages are installed; the root is ``$1``."""


def image_folder(base: Path, image: Image, addition: Addition | None = None) -> Path:
    """Where ``image`` lies below ``base`` once it is built: the name holds a digest of its recipe."""
    digest = hashlib.sha256(json.dumps(_recipe(image, addition)).encode()).hexdigest()[:16]
    words = (image.distro, image.flavour, *((addition.name,) if addition else ()), digest)
    return base / "images" / "-".join(words)


def ensure_image(base: Path, image: Image) -> Path:
    """The folder of ``image``, built first if it is missing; never write to it.

    The caller holds the lab's lock. Raises ProvisionError with mmdebstrap's last words.
    """
    folder = image_folder(base, image)
    if not folder.exists():
        with building(folder) as unfinished:
            install(folder, image, unfinished)
    return folder


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """A place that becomes ``folder`` at the end of the block; what a build that was cut has left there is removed."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    folder.parent.mkdir(parents=True, exist_ok=True)
    build(folder, "rm", "-rf", "--one-file-system", str(unfinished))
    yield unfinished
    os.rename(unfinished, folder)


def build(folder: Path, *argv: str) -> None:
    """Run a tool that builds the image ``folder``.

    One whose parent was killed still builds: it keeps this second lock, and we wait for it.
    """
    run("flock", str(folder.parent / "lock"), *argv)


def install(folder: Path, image: Image, root: Path, addition: Addition | None = None) -> None:
    """Let mmdebstrap make ``root`` for the image ``folder``."""
    # Its mounts of /dev and /proc end with its own mount namespace, however it ends.
    mmdebstrap = ("unshare", "--mount", "mmdebstrap", "--quiet", "--format=directory")
    recipe = _recipe(image, addition)
    settings = [f"--aptopt={setting}" for setting in apt_settings()]
    build(folder, *mmdebstrap, *recipe, *settings, image.distro, str(root), *apt_mirrors(image.distro))


def apt_settings() -> list[str]:
    """This machine's own apt settings about proxies and clocks, which its hosts need as well."""
    wanted = ("Acquire::http::", "Acquire::https::", "Acquire::Check-")
    return [line for line in run("apt-config", "dump").splitlines() if line.startswith(wanted)]


def apt_mirrors(distro: str) -> list[str]:
    """Source lines of the mirrors this machine takes Debian from; none where it is no Debian or has no index yet."""
    sites: dict[str, str] = {}
    for line in run("apt-get", "indextargets", "--format", "$(SITE) $(LABEL)").splitlines():
        site, _, label = line.partition(" ")
        if site.startswith("http"):
            sites.setdefault(label, site)
    if "Debian" not in sites:
        return []
    keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    lines = [f"deb {keyring} {sites['Debian']} {suite} main" for suite in (distro, f"{distro}-updates")]
    if "Debian-Security" in sites:
        lines.append(f"deb {keyring} {sites['Debian-Security']} {distro}-security main")
    return lines


def _recipe(image: Image, addition: Addition | None) -> list[str]:
    hooks = (_NO_HOST_KEYS, _NETWORKD, *(_CLOUD_USER if image.flavour == "cloud" else ()))
    packages: tuple[str, ...] = PACKAGES
    if addition:
        hooks, packages = (*hooks, *addition.hooks), (*packages, *addition.packages)
    return [
        "--variant=minbase",
        f"--include={','.join(packages)}",
        *(f"--customize-hook={hook}" for hook in hooks),
    ]
