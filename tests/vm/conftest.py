"""One VM for all tests of this folder: the app is deployed once, and each test begins with that state."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cuts.app import OLD, Releases
from tests.e2e.cli import provision
from tests.vm.machine import SLOW, Machine

from provision.lab.claim import claimed
from provision.lab.commands import run
from provision.lab.disk import ensure_disk, make_disk
from provision.lab.lab import Lab, base_folder
from provision.lab.provider import Image

KEPT = os.environ.get("PROVISION_VM_LAB", "")
"""The name of a lab that is neither removed after the session nor before it, so that the next one begins in seconds."""

IMAGE = Image(os.environ.get("PROVISION_VM_DISTRO", Image.distro))
"""What the VM begins as."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("vm")


@pytest.fixture(scope="session")
def vm_lab() -> Iterator[Lab]:
    """This session's lab of VMs; what a killed session left of it is removed. One that is named is kept."""
    if KEPT:
        yield Lab(KEPT, base_folder(os.environ), "qemu")
        return
    with claimed("vm") as name:
        lab = Lab(name, base_folder(os.environ), "qemu")
        lab.down()
        yield lab
        lab.down()


@pytest.fixture(scope="session")
def deployed(vm_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A VM with a version of the app, and a snapshot of that."""
    folder = tmp_path_factory.mktemp("vm")
    if not vm_lab.hosts:
        place = folder
        if KEPT:
            # Beside the labs, to outlive this session: the VM goes on needing it, and `lab down` knows nothing of it.
            place = base_folder(os.environ) / "layers" / KEPT
            shutil.rmtree(place, ignore_errors=True)
        vm_lab.add(IMAGE, layers=[prepared_disk(place)])
    (host,) = vm_lab.hosts
    assert host.image == IMAGE, f"the lab {KEPT} has a VM of {host.image}"
    machine = Machine(vm_lab, host, folder)
    if "deployed" in vm_lab.snapshots(host):
        vm_lab.restore(host, "deployed")
    else:
        machine.settle(OLD[-1])
        vm_lab.snapshot(host, "deployed")
    machine.trust()
    return machine


def prepared_disk(folder: Path) -> Path:
    """A layer for VMs on which the app is deployed already: in a container of their image, many times as fast."""
    with claimed("vm-c") as name:
        lab = Lab(name, base_folder(os.environ))
        lab.down()
        try:
            host = lab.add(IMAGE, layers=[ensure_disk(base_folder(os.environ), IMAGE) / "root"])
            releases = Releases(folder / "prepared", **SLOW)
            for changes in (True, False):
                result = provision("up", releases.inventory(host, OLD[-1]))
                assert (result.code, bool(result.changed)) == (0, changes), str(result)
            lab.stop(host)
            layer = folder / "layer"
            layer.mkdir(parents=True)
            run(*make_disk(lab.root(host), folder / "disk.img"))
            run("qemu-img", "convert", "-O", "qcow2", str(folder / "disk.img"), str(layer / "disk.qcow2"))
            (folder / "disk.img").unlink()
        finally:
            lab.down()
    return layer


@pytest.fixture
def machine(deployed: Machine) -> Machine:
    """The VM as it was when the app was deployed."""
    deployed.lab.restore(deployed.host, "deployed")
    return deployed
