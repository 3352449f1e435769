"""The Vagrantfile of a lab: its machines, with the settings of the Vagrantfile that provision ships."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.lab.acceleration import boots, may_use_kvm
from provision.lab.files import replace_file
from provision.lab.provider import Image

# The data lies beside it: in a string of Ruby's, `#{...}` would be run.
_TEXT = """\
# Written by `provision lab up`, removed by `provision lab down`. `vagrant status` and the like work in this folder.
require "json"
lab = JSON.parse(File.read(File.join(__dir__, "lab.json")))

# What it is told at `lab up` counts, not the environment of each later command; of its own machines it makes none.
ENV.delete_if { |name, _| name.start_with?("PROVISION_") }
ENV.update(lab["settings"]).update("PROVISION_HOSTS" => "0")
load File.join(__dir__, "Vagrantfile.shipped")

Vagrant.configure("2") do |config|
  # Seconds; without KVM, on a busy machine, the usual 300 are too few.
  config.vm.boot_timeout = 900

  config.vm.provider "libvirt" do |libvirt|
    libvirt.default_prefix = "#{lab["mark"]}-"
    libvirt.management_network_name = lab["mark"]
    libvirt.management_network_address = lab["subnet"]
  end

  lab["machines"].each do |name, boxes|
    config.vm.define name do |machine|
      machine.vm.hostname = name
      machine.vm.box = boxes["box"]
      machine.vm.provider("parallels") { |_, override| override.vm.box = boxes["parallels"] }
    end
  end
end
"""

_SHIPPED = Path(__file__).with_name("Vagrantfile")

_BOXES = {
    "bookworm": {"box": "debian/bookworm64", "parallels": "bento/debian-12"},
    "trixie": {"box": "debian/trixie64", "parallels": "bento/debian-13"},
}
"""What machines of a distribution start from; Parallels runs on ARM, for which Debian has no boxes."""

_SETTING = re.compile(r"PROVISION_(BOX|MEMORY|CPUS|LIBVIRT_\w+)")
"""The environment variables of the shipped Vagrantfile that count in a lab too."""

_EMULATED = {"PROVISION_LIBVIRT_DRIVER": "qemu", "PROVISION_LIBVIRT_CPU_MODE": "custom"}


def named_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings that ``environment`` names."""
    return {name: value for name, value in environment.items() if _SETTING.fullmatch(name)}


def complete_settings(named: Mapping[str, str]) -> dict[str, str]:
    """The settings ``named``; libvirt emulates processors where KVM does not work and no driver is named."""
    if "PROVISION_LIBVIRT_DRIVER" in named or _kvm_works(named):
        return dict(named)
    return {**_EMULATED, **named}


def _kvm_works(named: Mapping[str, str]) -> bool:
    if not Path("/dev/kvm").exists():
        return False
    kernel = Path(named.get("PROVISION_LIBVIRT_KERNEL", f"/boot/vmlinuz-{platform.release()}"))
    # libvirt may open it where we may not, and a Vagrant with other virtual machines needs no QEMU.
    can_be_tried = may_use_kvm() and shutil.which("qemu-system-x86_64") and os.access(kernel, os.R_OK)
    return boots(kernel) if can_be_tried else True


def boxes(image: Image, settings: Mapping[str, str]) -> dict[str, str]:
    """The box for ``image``, and that for Parallels."""
    own = settings.get("PROVISION_BOX")
    return {"box": own, "parallels": own} if own else _BOXES[image.distro]


@dataclass(frozen=True)
class Vagrantfile:
    """What the Vagrantfile of a lab says."""

    settings: Mapping[str, str]
    mark: str
    """How libvirt's network of the lab is called, and its machines begin."""
    subnet: str
    machines: Mapping[str, Image]

    def write(self, folder: Path) -> None:
        """Write it into ``folder``."""
        lab = {
            "settings": self.settings,
            "mark": self.mark,
            "subnet": self.subnet,
            "machines": {name: boxes(image, self.settings) for name, image in self.machines.items()},
        }
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "lab.json", json.dumps(lab, indent=2))
        # A copy: the package may be another version's tomorrow, and gone after that.
        replace_file(folder / "Vagrantfile.shipped", _SHIPPED.read_text("utf-8"))
        replace_file(folder / "Vagrantfile", _TEXT)
