"""The parts of a lab that need neither root nor a host."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from provision.cli.lab import lab as command
from provision.errors import ConfigError, ProvisionError
from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab, base_folder, labs
from provision.lab.provider import Host, Image


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab folder as a reboot leaves it: lab ``demo`` with a minimal host 2 and a cloud host 10."""
    monkeypatch.setenv("PROVISION_LAB_DIR", str(tmp_path))
    folder = tmp_path / "labs" / "demo"
    for number, image in ((10, {"distro": "trixie", "flavour": "cloud"}), (2, {})):
        (folder / "hosts" / f"demo{number}").mkdir(parents=True)
        record = {"number": number, "image": image}
        (folder / "hosts" / f"demo{number}" / "host.json").write_text(json.dumps(record))
    (folder / "hosts" / "demo3").mkdir()  # Its creation was cut.
    (folder / "network").write_text("7")
    return tmp_path


@pytest.mark.parametrize("name", ["", "Lab", "lab1", "1lab", "my_lab", "elevenchars", "-lab", "lab-", "a/b"])
def test_names_that_do_not_fit_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 to 10 of a-z"):
        Lab(name, tmp_path)


@pytest.mark.parametrize("name", ["a", "lab", "e2e", "e2e-b", "tencharact"])
def test_names_that_fit(name: str, tmp_path: Path) -> None:
    assert len(f"vb-{Lab(name, tmp_path).name}99") <= 15


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"PROVISION_LAB_DIR": "/srv/lab", "XDG_CACHE_HOME": "/cache"}, Path("/srv/lab")),
        ({"PROVISION_LAB_DIR": "", "XDG_CACHE_HOME": "/cache"}, Path("/cache/provision/lab")),
        ({}, Path.home().resolve() / ".cache/provision/lab"),
    ],
)
def test_where_labs_lie(environment: Mapping[str, str], folder: Path) -> None:
    assert base_folder(environment) == folder


def test_hosts_are_those_whose_creation_was_complete_by_number(stopped: Path) -> None:
    (lab,) = labs(stopped)

    assert [(host.name, host.address, host.user) for host in lab.hosts] == [
        ("demo2", "10.77.7.12", "root"),
        ("demo10", "10.77.7.20", "debian"),
    ]
    assert lab.hosts[1].image == Image("trixie", "cloud")


def test_a_lab_that_does_not_exist_has_no_hosts(tmp_path: Path) -> None:
    assert Lab("lab", tmp_path).hosts == []
    assert labs(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_ssh_ignores_the_users_own_settings(stopped: Path) -> None:
    argv = labs(stopped)[0].hosts[0].ssh("systemctl --failed")

    assert argv[:3] == ["ssh", "-F", "none"]
    assert argv[-3:] == ["root@10.77.7.12", "--", "systemctl --failed"]
    assert f"UserKnownHostsFile={stopped}/labs/demo/hosts/demo2/known_hosts" in argv


def test_inventory_is_ansibles(tmp_path: Path) -> None:
    path = tmp_path / "inventories" / "lab.yml"
    image = Image()
    vm = Host(1, "vm1", "127.0.0.1", 2222, "debian", Path("/l/key"), Path("/l/known_hosts"), image)
    container = Host(2, "c2", "10.77.0.12", 22, "root", Path("/l/key"), Path("/l/known_hosts"), image)

    write_inventory(path, [vm, container], {"app_workers": 2})

    assert yaml.safe_load(path.read_text()) == {
        "all": {
            "hosts": {
                "vm1": {
                    "ansible_host": "127.0.0.1",
                    "ansible_port": 2222,
                    "ansible_user": "debian",
                    "ansible_ssh_private_key_file": "/l/key",
                    "ansible_ssh_common_args": "-o UserKnownHostsFile=/l/known_hosts",
                },
                "c2": {
                    "ansible_host": "10.77.0.12",
                    "ansible_user": "root",
                    "ansible_ssh_private_key_file": "/l/key",
                    "ansible_ssh_common_args": "-o UserKnownHostsFile=/l/known_hosts",
                },
            },
            "vars": {"app_workers": 2},
        }
    }
    assert [entry.name for entry in path.parent.iterdir()] == ["lab.yml"]


def test_a_lab_has_one_inventory(stopped: Path, tmp_path: Path) -> None:
    (lab,) = labs(stopped)
    lab.write_inventory(tmp_path / "first.yml", {})
    for _ in range(2):
        lab.write_inventory(tmp_path / "second.yml", {})

    assert not (tmp_path / "first.yml").exists()
    assert "demo10" in (tmp_path / "second.yml").read_text()


def test_a_file_that_is_not_the_labs_is_neither_written_nor_removed(stopped: Path, tmp_path: Path) -> None:
    """Also where the lab's was written there before."""
    (lab,) = labs(stopped)
    path = tmp_path / "inventory.yml"
    lab.write_inventory(path, {})
    write_inventory(path, lab.hosts, {}, lab="other")
    others = path.read_text()

    with pytest.raises(ConfigError, match="not an inventory of the lab demo") as caught:
        lab.write_inventory(path, {})
    assert "--inventory" in caught.value.hint
    lab.write_inventory(tmp_path / "own.yml", {})

    assert path.read_text() == others


def test_without_root_the_next_thing_to_do_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(ProvisionError, match="needs root") as caught:
        Lab.up("lab", tmp_path)

    assert caught.value.hint == "run it again with sudo"


def test_missing_tools_are_named_with_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ProvisionError, match="lacks systemd-nspawn, mmdebstrap, ip, iptables, ssh") as caught:
        Lab.up("lab", tmp_path)

    assert caught.value.hint == "apt-get install --yes iproute2 iptables mmdebstrap openssh-client systemd-container"


def test_a_folder_that_no_mount_option_can_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("provision.lab.nspawn.require_tools", lambda tools: None)

    with pytest.raises(ProvisionError, match="a mount option cannot hold this path"):
        Lab.up("lab", tmp_path / "my, lab")


@pytest.mark.parametrize("count", [0, 100])
def test_a_lab_has_1_to_99_hosts(count: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"not {count}"):
        Lab.up("lab", tmp_path, count=count)


def test_list_prints_name_address_and_state(stopped: Path) -> None:
    result = CliRunner().invoke(command, ["list"], catch_exceptions=False)

    assert result.stdout == "demo2  10.77.7.12  stopped\ndemo10  10.77.7.20  stopped\n"


def test_ssh_becomes_the_ssh_client(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda program, argv: executed.append(argv))

    CliRunner().invoke(command, ["ssh", "demo10", "--", "ls", "-l"], catch_exceptions=False)

    assert executed == [labs(stopped)[0].hosts[1].ssh("ls", "-l")]


def test_ssh_to_an_unknown_host_names_those_there_are(stopped: Path) -> None:
    with pytest.raises(ConfigError, match="no lab has a host 'demo3'") as caught:
        CliRunner().invoke(command, ["ssh", "demo3"], catch_exceptions=False)

    assert caught.value.hint == "there are: demo2, demo10"


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [("app_workers", "not of the form K=V"), ("=2", "not of the form K=V"), ("a=[1, 2", "the value is no YAML")],
)
def test_a_variable_that_cannot_be_read_is_refused_before_anything_boots(assignment: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        CliRunner().invoke(command, ["up", "--var", assignment], catch_exceptions=False)


@pytest.mark.parametrize("verb", ["snapshot", "restore"])
def test_a_lab_without_hosts_has_no_state(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVISION_LAB_DIR", str(tmp_path))

    with pytest.raises(ConfigError, match="the lab nolab has no hosts") as caught:
        CliRunner().invoke(command, [verb, "--name", "nolab"], catch_exceptions=False)

    assert caught.value.hint == "provision lab up --name nolab"
