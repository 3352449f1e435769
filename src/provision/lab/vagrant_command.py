"""Runs `vagrant` in the folder of a lab; ends one that a killed provision has left there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from provision.errors import ProvisionError
from provision.inventory.vagrant import TIMEOUT, run_vagrant
from provision.lab import processes
from provision.lab.commands import require_tools

_PATIENCE = 3600.0
"""Seconds for a command that changes machines: the first one downloads a box."""

_CHANGES = "PROVISION_LAB_CHANGES"
"""In the environment of a `vagrant` that changes machines: the folder of their lab."""

_MOST_LINES = 15


class Command:
    """The command `vagrant` for the Vagrantfile in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def require(self) -> None:
        """Raise ProvisionError unless there is a Vagrant. What it runs machines with is its own to miss."""
        if shutil.which("vagrant") is None:
            raise ProvisionError(
                "this machine lacks vagrant",
                hint="on Debian: apt-get install --yes vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients; "
                "elsewhere install Vagrant, and VirtualBox or Parallels",
            )
        require_tools({"ssh": "openssh-client", "ssh-keyscan": "openssh-client"})

    def known(self, name: str) -> Path:
        """The folder in which Vagrant keeps what it knows of a machine; made before anything of the machine is."""
        return self._folder / ".vagrant" / "machines" / name

    def has_made(self, name: str) -> bool:
        """Whether Vagrant has noted a machine as its own; asked for the state of one that is gone, it forgets it."""
        return any(self.known(name).glob("*/id"))

    def boxes(self) -> list[str]:
        """The boxes that Vagrant has."""
        # Not in our folder, which a new lab has not yet.
        listing = self._run(Path("/"), ["box", "list", "--machine-readable"])
        return re.findall(r"^\d+,[^,]*,box-name,(.*)$", listing, re.M)

    def ask(self, *words: str) -> str:
        """What a command prints that changes nothing. Raises ProvisionError with Vagrant's own words."""
        return self._run(self._folder, words)

    def change(self, *words: str, log: Path | None = None) -> None:
        """Run a command that changes machines; what it says goes into ``log``. Raises ProvisionError with its end.

        The caller holds the lab's lock.
        """
        self.end_orphans()
        self._run(self._folder, words, log=log, timeout=_PATIENCE, environment={_CHANGES: str(self._folder)})

    def end_orphans(self) -> None:
        """End what a provision that was killed has begun and still changes machines.

        The caller holds the lab's lock, so there is no other.
        """
        if Path("/proc/self/environ").exists():
            processes.kill(self._orphan)

    def _run(
        self,
        folder: Path,
        words: Sequence[str],
        *,
        timeout: float = TIMEOUT,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        # Where the user has others of these, they are about Vagrantfiles of theirs.
        own = {"VAGRANT_DOTFILE_PATH": str(self._folder / ".vagrant"), "VAGRANT_VAGRANTFILE": "Vagrantfile"}
        by_hand = shlex.join(["vagrant", *words])
        hint = f"see for yourself: cd {shlex.quote(str(folder))} && {by_hand}"
        try:
            status, said, complaint = run_vagrant(
                folder, *words, timeout=timeout, environment={**own, **(environment or {})}
            )
        except OSError as error:
            raise ProvisionError(f"`vagrant` cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise ProvisionError(f"`{by_hand}` did not end within {timeout:g} s", hint=hint) from error
        if log:
            log.write_text(_at_last(said + complaint))
        if status:
            last = "\n".join(_at_last(complaint.strip() or said.strip()).splitlines()[-_MOST_LINES:])
            raise ProvisionError(f"`{by_hand}` ended with status {status}: {last or 'it said nothing'}", hint=hint)
        return said

    def _orphan(self, process: Path) -> bool:
        # What Vagrant runs machines with may have its environment as well, and stays.
        program = (process / "cmdline").read_bytes().split(b"\0")[:3]
        ours = f"{_CHANGES}={self._folder}".encode()
        return any(word.split(b"/")[-1] == b"vagrant" for word in program) and ours in (
            (process / "environ").read_bytes().split(b"\0")
        )


def _at_last(text: str) -> str:
    """What a terminal would show of ``text`` in the end: of a download a hundred lines of progress are not."""
    # Each begins anew at its left edge; a carriage return has become the end of a line on its way here.
    return re.sub(r"[^\n]*\n(?=\x1b\[K)", "", text).replace("\x1b[K", "")
