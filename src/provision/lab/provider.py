"""What a kind of test host has to offer. One module per provider implements it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from provision.errors import ProvisionError


@dataclass(frozen=True)
class Image:
    """Which image a host is made from."""

    distro: str = "bookworm"
    """Debian's codename: see :data:`provision.lab.image.DISTROS`."""
    flavour: str = "minimal"
    """``minimal``: root logs in; ``cloud``: ``debian`` logs in and has sudo. See :data:`provision.lab.image.USERS`."""

    def __str__(self) -> str:
        return f"{self.distro} ({self.flavour})"


@dataclass(frozen=True)
class Host:
    """One test host and how to log in to it."""

    number: int
    """Its place in the lab, from 1."""
    name: str
    address: str
    port: int
    user: str
    key: Path
    """The private key that opens it."""
    known_hosts: Path
    """The file with its host key."""
    image: Image

    @property
    def ssh_options(self) -> list[str]:
        """OpenSSH options that reach exactly this host, whatever ~/.ssh says."""
        return [
            *("-F", "none", "-p", str(self.port), "-i", str(self.key)),
            *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"),
            *("-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "GlobalKnownHostsFile=none"),
            *("-o", "ConnectTimeout=30", "-o", "LogLevel=ERROR"),
        ]

    def ssh(self, *command: str) -> list[str]:
        """The argument list of an ssh client that runs ``command``, or a login shell without one."""
        return ["ssh", *self.ssh_options, f"{self.user}@{self.address}", *(["--", *command] if command else [])]

    def has_no_root(self) -> ProvisionError:
        """The error that :meth:`Provider.root` of a VM raises."""
        return ProvisionError(f"{self.name} is a VM, whose file system is seen only from inside")


class Provider(Protocol):
    """Makes, boots and removes the hosts of one lab. Every method may be repeated after a crash in its middle."""

    @property
    def boot_timeout(self) -> float:
        """Seconds within which a host answers, on a busy machine."""
        ...

    @property
    def keeps_memory(self) -> bool:
        """Whether a restored host goes on where the snapshot was made, and does not boot."""
        ...

    def require(self) -> None:
        """Raise ProvisionError naming what this machine lacks, with the command that installs it."""
        ...

    def hosts(self) -> list[Host]:
        """The hosts that exist, running or not, in the order of their numbers."""
        ...

    def image_ready(self, image: Image) -> bool:
        """Whether ``image`` is built already; if not, the next ``create`` builds it, which takes half a minute."""
        ...

    def create(self, number: int, image: Image, layers: Sequence[Path] = ()) -> Host:
        """Make the disk of host ``number`` (from 1), which must not exist; it does not boot yet.

        It begins as the image with ``layers`` over it, the topmost first: folders that ``save`` has written.
        """
        ...

    def start(self, host: Host) -> Host:
        """Boot ``host`` unless it runs undamaged; repair what a crash left. Does not wait for its sshd.

        Returns the host with the address it has now.
        """
        ...

    def stop(self, host: Host) -> None:
        """Pull the plug of ``host``: nothing in it is told, and its disk stays."""
        ...

    def save(self, host: Host, layer: Path) -> None:
        """Stop ``host``, and write what differs from what it began with to the new folder ``layer``."""
        ...

    def snapshot(self, host: Host, name: str) -> None:
        """Keep the state of ``host``, which runs and does so afterwards; replaces an earlier one of this name."""
        ...

    def restore(self, host: Host, name: str) -> None:
        """Let ``host`` be as at its snapshot ``name``, running. Does not wait for its sshd.

        One that keeps its memory has answered when this returns, and has the time of today.
        """
        ...

    def snapshots(self, host: Host) -> list[str]:
        """The names of the snapshots of ``host``, in the order of their making."""
        ...

    def running(self, host: Host) -> bool:
        """Whether ``host`` has been booted and not ended since."""
        ...

    def log(self, host: Host) -> Path:
        """The file with the console output of ``host``."""
        ...

    def root(self, host: Host) -> Path:
        """The folder that shows the root of ``host``'s file system on this machine. Raises ProvisionError for a VM."""
        ...

    def remove(self, host: Host) -> None:
        """End ``host`` and delete all of it."""
        ...

    def close(self) -> None:
        """Remove what the hosts shared, once the last one is gone."""
        ...
