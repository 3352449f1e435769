"""Hosts as machines of Vagrant: whatever it runs them with, it makes, starts and destroys them.

Each lab has a folder with a Vagrantfile of its own, in which Vagrant also keeps what it knows of the machines.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provision.errors import ProvisionError
from provision.inventory.vagrant import parse
from provision.lab.clock import set_clock
from provision.lab.commands import run
from provision.lab.files import replace_file
from provision.lab.libvirt import remove_domain, remove_network
from provision.lab.network import Network, free_network
from provision.lab.provider import Host, Image
from provision.lab.records import Records
from provision.lab.vagrant_command import Command
from provision.lab.vagrantfile import Vagrantfile, boxes, complete_settings, named_settings

_NOWHERE = "not-up.invalid"
"""The address of a host that has never been up: it gets one when it boots. RFC 2606 has this end for such names."""


class Vagrant:
    """The machines of the lab ``name`` below the folder ``base``; see :class:`provision.lab.provider.Provider`."""

    boot_timeout = 300.0
    keeps_memory = True

    def __init__(self, base: Path, name: str) -> None:
        self._records = Records(base, name)
        self._folder = self._records.folder / "vagrant"
        self._command = Command(self._folder)
        self._settings_record = self._records.folder / "settings.json"

    def require(self) -> None:
        """Raise ProvisionError unless there is a Vagrant."""
        self._command.require()

    def hosts(self) -> list[Host]:
        """The hosts that exist, by number."""
        return [self._host(number, image) for number, image in self._records.complete()]

    def image_ready(self, image: Image) -> bool:
        """Whether Vagrant has the box already, or downloads it first."""
        return boxes(image, self._settings())["box"] in self._command.boxes()

    def create(self, number: int, image: Image, layers: Sequence[Path] = ()) -> Host:
        """Name the machine; Vagrant makes it when it starts."""
        name = self._records.name(number)
        if layers:
            raise _begins_as_box(name)
        if self._records.network is None:
            self._claim_network()
        if not self._settings_record.exists():
            replace_file(self._settings_record, json.dumps(complete_settings(self._settings())))
        self._discard(name)
        self._records.of(name).mkdir(parents=True)
        self._records.complete_one(number, image)
        return self._host(number, image)

    def start(self, host: Host) -> Host:
        """Let Vagrant make the machine, or boot it; it waits until ssh answers."""
        self._command.end_orphans()
        running = self.running(host)
        if not (self._command.has_made(host.name) and self._login_record(host.name).exists()):
            # Nobody has logged in to it yet: what a cut `vagrant up` has left is no host.
            self._destroy(host.name)
            self._login_record(host.name).unlink(missing_ok=True)
            host.known_hosts.unlink(missing_ok=True)
            running = False
        if not running:
            self._change("up", host.name, log=self.log(host))
        self._meet(host)
        return self._host(host.number, host.image)

    def stop(self, host: Host) -> None:
        """End the machine without a word to what runs in it."""
        self._change("halt", "--force", host.name)

    def save(self, host: Host, layer: Path) -> None:
        """Raises ProvisionError: nothing but a box can be the beginning of a machine."""
        raise _begins_as_box(host.name)

    def snapshot(self, host: Host, name: str) -> None:
        """Let Vagrant do so, where what it runs the machine with can; with libvirt the memory is kept too."""
        self._change("snapshot", "save", "--force", host.name, name)

    def restore(self, host: Host, name: str) -> None:
        """Go on where the snapshot was made."""
        self._change("snapshot", "restore", "--no-provision", host.name, name)
        set_clock(host)

    def snapshots(self, host: Host) -> list[str]:
        """The names of the snapshots, in Vagrant's order."""
        # Besides, in other words, whether there are any.
        return re.findall(r"^\s*([a-z][a-z0-9-]*)\s*$", self._command.ask("snapshot", "list", host.name), re.M)

    def running(self, host: Host) -> bool:
        """Whether Vagrant calls it that."""
        if not self._command.known(host.name).exists():
            return False
        states = self._command.ask("status", host.name, "--machine-readable")
        # `inaccessible`: libvirt runs it, and it has no address yet.
        return re.search(r"^\d+,[^,]*,state,(running|inaccessible)$", states, re.M) is not None

    def log(self, host: Host) -> Path:
        """What Vagrant said at the last boot."""
        return self._records.of(host.name) / "vagrant.log"

    def root(self, host: Host) -> Path:
        """Raises ProvisionError: only the machine itself may touch its file system."""
        raise host.has_no_root()

    def remove(self, host: Host) -> None:
        """Let Vagrant destroy the machine, with its disk."""
        self._discard(host.name)

    def close(self) -> None:
        """Remove machines whose creation was cut, the network that libvirt has for them, and the lab's folder."""
        for name in list(self._records.all_names()):
            self._discard(name)
        remove_network(self._records.mark)
        self._records.delete_lab()

    def _settings(self) -> dict[str, str]:
        """Those that the first machine was made with, else those of the environment."""
        if self._settings_record.exists():
            kept: dict[str, str] = json.loads(self._settings_record.read_text())
            return kept
        return named_settings(os.environ)

    def _claim_network(self) -> None:
        taken = self._records.taken_networks()
        # Others than Linux have no libvirt, and with that no use for it.
        index = free_network(taken).index if shutil.which("ip") else min(set(range(256)) - taken)
        self._records.claim_network(index)

    def _host(self, number: int, image: Image) -> Host:
        record = self._login_record(self._records.name(number))
        login: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
        known = self._records.host(number, image, login.get("address", _NOWHERE), login.get("port", 22))
        return dataclasses.replace(known, user=login.get("user", "vagrant"), key=Path(login.get("key", known.key)))

    def _meet(self, host: Host) -> None:
        """Keep how to log in to the machine, and the first time its keys."""
        login = _login(host.name, self._command.ask("ssh-config", host.name))
        if not host.known_hosts.exists():
            said = run("ssh-keyscan", "-T", "60", "-p", str(login["port"]), str(login["address"]))
            lines = [line.split(" ", 1)[1] for line in said.splitlines() if line and not line.startswith("#")]
            if not lines:
                raise ProvisionError(f"{host.name} shows no host key", hint="provision lab up, once more")
            # `*`: the address may be another one after a boot, and the file is about this host alone.
            replace_file(host.known_hosts, "".join(f"* {line}\n" for line in lines))
        replace_file(self._login_record(host.name), json.dumps(login))

    def _login_record(self, name: str) -> Path:
        return self._records.of(name) / "login.json"

    def _discard(self, name: str) -> None:
        self._destroy(name)
        self._records.delete(name)

    def _destroy(self, name: str) -> None:
        self._command.end_orphans()
        known = self._command.known(name)
        if known.exists():
            if not self._command.has_made(name):
                # A domain of this name that Vagrant has not noted yet would keep it from anything.
                remove_domain(f"{self._records.mark}-{name}")
            self._change("destroy", "--force", name)
            shutil.rmtree(known)

    def _change(self, *words: str, log: Path | None = None) -> None:
        """Let Vagrant change machines, by the Vagrantfile as it has to be now."""
        machines = {name: Image() for name in self._records.all_names()}
        machines |= {self._records.name(number): image for number, image in self._records.complete()}
        subnet = str(Network(self._records.network or 0).subnet)
        Vagrantfile(self._settings(), self._records.mark, subnet, machines).write(self._folder)
        self._command.change(*words, log=log)


def _begins_as_box(name: str) -> ProvisionError:
    return ProvisionError(f"{name}: a machine of Vagrant begins as its box and no other way", hint="--provider qemu")


def _login(name: str, text: str) -> dict[str, str | int]:
    """What `vagrant ssh-config` says in ``text`` of a login to the machine ``name``. Raises ProvisionError."""
    try:
        options = parse(text)[name]
        keys = options["ansible_ssh_private_key_file"]
        login = {
            "address": options["ansible_host"],
            "port": int(options.get("ansible_port", 22)),
            "user": options.get("ansible_user", "vagrant"),
            "key": keys if isinstance(keys, str) else keys[0],
        }
    except (ValueError, KeyError) as error:
        raise ProvisionError(f"what `vagrant ssh-config {name}` printed cannot be used: {error}") from error
    if "ProxyCommand" in options.get("ansible_ssh_common_args", ""):
        raise ProvisionError(
            f"{name} runs on another machine, and a lab is on this one",
            hint="use an inventory with `plugin: provision.vagrant`",
        )
    return login
