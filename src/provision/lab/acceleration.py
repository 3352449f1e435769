"""Whether this machine's processor helps QEMU: a device is no proof, so a kernel is booted once with it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from provision.lab.files import replace_file

TCG = ("-accel", "tcg,thread=multi", "-cpu", "max")
"""By software; runs everywhere."""

KVM = ("-accel", "kvm", "-cpu", "host")

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PATIENCE = 10.0
"""Seconds; with KVM a kernel speaks within one."""


def acceleration(image: Path) -> tuple[str, ...]:
    """QEMU's options for the fastest way that works here, tried with the kernel in the folder ``image``.

    The answer is kept beside the kernel until this machine boots anew.
    """
    if not may_use_kvm():
        return TCG
    record, boot = image / "kvm", _BOOT.read_text().strip()
    if not record.exists() or record.read_text().split()[0] != boot:
        replace_file(record, f"{boot} {'works' if boots(image / 'vmlinuz') else 'fails'}\n")
    return KVM if record.read_text().split()[1] == "works" else TCG


def may_use_kvm() -> bool:
    """Whether there is a device that we may open."""
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def boots(kernel: Path) -> bool:
    """Does ``kernel`` greet us with KVM? In a virtual machine without nested virtualisation it stops before that."""
    # panic=-1 with -no-reboot: without a root it ends by itself.
    options = ("-kernel", str(kernel), "-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1")
    argv = ("qemu-system-x86_64", *KVM, "-m", "256", "-nodefaults", "-display", "none", "-no-reboot", *options)
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder, "console")
        console.touch()
        with subprocess.Popen(
            [*argv, "-serial", f"file:{console}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as qemu:
            try:
                deadline = time.monotonic() + _PATIENCE
                while b"Linux version" not in console.read_bytes():
                    if qemu.poll() is not None or time.monotonic() > deadline:
                        return b"Linux version" in console.read_bytes()
                    time.sleep(0.05)
                return True
            finally:
                qemu.kill()
