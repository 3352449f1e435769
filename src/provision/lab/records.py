"""What a lab keeps of its hosts on this machine: one folder each, complete once it has a ``host.json``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from provision.lab.files import replace_file
from provision.lab.image import USERS
from provision.lab.provider import Host, Image


class Records:
    """The folders of the lab ``name`` below the folder ``base``."""

    def __init__(self, base: Path, name: str) -> None:
        self.base = base
        self.folder = base / "labs" / name
        self._name = name
        self._network = self.folder / "network"

    @property
    def mark(self) -> str:
        """What tells this lab from one of its name in another folder, on a machine that has one list of all."""
        return f"provision-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}"

    def name(self, number: int) -> str:
        """What host ``number`` is called."""
        return f"{self._name}{number}"

    def of(self, name: str) -> Path:
        """The folder of the host ``name``."""
        return self.folder / "hosts" / name

    def complete(self) -> list[tuple[int, Image]]:
        """Number and image of the hosts that exist, by number. One whose creation was cut is none."""
        found = [json.loads(record.read_text()) for record in self.folder.glob("hosts/*/host.json")]
        return sorted(
            ((record["number"], Image(**record["image"])) for record in found), key=lambda numbered: numbered[0]
        )

    def all_names(self) -> Iterator[str]:
        """The names of all hosts of which there is a trace."""
        yield from (folder.name for folder in self.folder.glob("hosts/*"))

    def complete_one(self, number: int, image: Image) -> None:
        """From now on the host exists."""
        record = {"number": number, "image": dataclasses.asdict(image)}
        replace_file(self.of(self.name(number)) / "host.json", json.dumps(record))

    def delete(self, name: str) -> None:
        """Delete the folder of the host ``name``, if there is one."""
        if self.of(name).exists():
            (self.of(name) / "host.json").unlink(missing_ok=True)  # First, so that a cut removal leaves no host.
            shutil.rmtree(self.of(name))

    def delete_lab(self) -> None:
        """Delete the folder of the lab, if there is one."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def host(self, number: int, image: Image, address: str, port: int) -> Host:
        """Host ``number``, as others see it."""
        return Host(
            number=number,
            name=self.name(number),
            address=address,
            port=port,
            user=USERS[image.flavour],
            key=self.folder / "id_ed25519",
            known_hosts=self.of(self.name(number)) / "known_hosts",
            image=image,
        )

    @property
    def network(self) -> int | None:
        """The index of the lab's network, once it has one."""
        return int(self._network.read_text()) if self._network.exists() else None

    def claim_network(self, index: int) -> None:
        """Keep network ``index`` for this lab."""
        replace_file(self._network, str(index))

    def taken_networks(self) -> set[int]:
        """The indexes of the networks of all labs of this folder, whoever provides them."""
        return {int(record.read_text()) for record in self.base.glob("labs/*/network")}
