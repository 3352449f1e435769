"""What an app is allowed beyond its unit's hardening: the lists of which a typing error would go by in silence.

systemd skips what it does not know, with a line in its journal; the app would fail as before, and nobody knows why.
Names: capabilities(7), systemd.exec(5), `systemd-analyze syscall-filter` of systemd 252.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from provision.nearest import did_you_mean

CAPABILITIES = frozenset(
    f"CAP_{name}"
    for name in (
        *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN"),
        *("DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
        *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST"),
        *("NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT"),
        *("SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME"),
        *("SYS_TTY_CONFIG", "WAKE_ALARM"),
    )
)
ADDRESS_FAMILIES = frozenset(
    f"AF_{name}"
    for name in (
        *("ALG", "BLUETOOTH", "CAN", "INET", "INET6", "KEY", "NETLINK", "PACKET", "QIPCRTR", "TIPC", "UNIX", "VSOCK"),
        "XDP",
    )
)
SYSTEM_CALL_GROUPS = frozenset(
    f"@{name}"
    for name in (
        *("aio", "basic-io", "chown", "clock", "cpu-emulation", "debug", "default", "file-system", "io-event", "ipc"),
        *("keyring", "memlock", "module", "mount", "network-io", "obsolete", "pkey", "privileged", "process"),
        *("raw-io", "reboot", "resources", "setuid", "signal", "swap", "sync", "system-service", "timer"),
    )
)

_PATH = re.compile(r"(?:/[A-Za-z0-9._+-]+)+")
_DEVICE = re.compile(r"/dev(?:/[A-Za-z0-9._+:-]+)+|(?:char|block)-[A-Za-z0-9_*-]+")
_CALL = re.compile(r"[a-z][a-z0-9_]+")
_GROUP = re.compile(r"[a-z_][a-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class Loosened:
    """The lists that the template of an app's unit writes into it; a kind that takes such a unit checks them."""

    capabilities: tuple[str, ...] = ()
    """``CAP_...`` that the app has although it is not root."""
    address_families: tuple[str, ...] = ()
    """``AF_...`` of sockets, beside unix and IP."""
    system_calls: tuple[str, ...] = ()
    """Names, or systemd's groups of them (``@resources``)."""
    devices: tuple[str, ...] = ()
    """Nodes below /dev, or groups of them (``char-nvidia``)."""
    read_write_paths: tuple[str, ...] = ()
    """Absolute paths that it may write to."""
    supplementary_groups: tuple[str, ...] = ()
    """Groups of the host."""

    def check_loosened(self) -> None:
        """Raises ValueError with the field as its first word."""
        _among("capabilities", self.capabilities, CAPABILITIES)
        _among("address_families", self.address_families, ADDRESS_FAMILIES)
        _among("system_calls", (call for call in self.system_calls if call.startswith("@")), SYSTEM_CALL_GROUPS)
        calls = (call for call in self.system_calls if not call.startswith("@"))
        _like("system_calls", calls, _CALL, "names of system calls or @groups of them")
        _like("devices", self.devices, _DEVICE, "paths below /dev or groups like char-nvidia")
        _like("read_write_paths", self.read_write_paths, _PATH, "absolute paths of letters, digits and . _ + -")
        for path in self.read_write_paths:
            if {".", ".."} & set(path.split("/")):
                raise ValueError(f"read_write_paths holds absolute paths without . and .., not {path!r}")
        _like("supplementary_groups", self.supplementary_groups, _GROUP, "names of groups")


def _among(field: str, given: Iterable[str], known: frozenset[str]) -> None:
    for name in given:
        if name not in known:
            there_are = f"There are {', '.join(sorted(known))}."
            raise ValueError(f"{field} holds {name}, which does not exist. {did_you_mean(name, known, there_are)}")


def _like(field: str, given: Iterable[str], pattern: re.Pattern[str], wanted: str) -> None:
    for name in given:
        if not pattern.fullmatch(name):
            raise ValueError(f"{field} holds {wanted}, not {name!r}")
