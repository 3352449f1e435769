"""What a `vagrant` that was killed has left in libvirt, and no longer knows of."""

from __future__ import annotations

import os
import shutil

from provision.lab.commands import succeeds


def remove_domain(name: str) -> None:
    """End and forget the domain ``name``, if there is one; its disk is left."""
    for verb in ("destroy", "undefine"):
        _virsh(verb, name)


def remove_network(name: str) -> None:
    """Remove the network ``name``, with its bridge and rules, if there is one."""
    for verb in ("net-destroy", "net-undefine"):
        _virsh(verb, name)


def _virsh(*words: str) -> None:
    # Without a virsh or a libvirtd that answers, nothing was made by one.
    if shutil.which("virsh"):
        succeeds("virsh", "--connect", os.environ.get("LIBVIRT_DEFAULT_URI") or "qemu:///system", *words)
