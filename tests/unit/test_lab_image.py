"""The image, and what makes a host of it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from tests.unit.lab_tools import stand_ins, tool

from provision.errors import ProvisionError
from provision.lab.image import apt_mirrors, apt_settings, ensure_image, image_folder
from provision.lab.network import Network
from provision.lab.personality import create_client_key, personalize
from provision.lab.provider import Host, Image


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder at the front of PATH; an executable written there stands for the machine's own."""
    return stand_ins(tmp_path / "tools", monkeypatch)


def test_settings_and_mirrors_are_the_machines(tools: Path) -> None:
    keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"

    assert apt_settings() == ['Acquire::http::Proxy "http://proxy.test:3142";', 'Acquire::Check-Date "false";']
    assert apt_mirrors("trixie") == [
        f"deb {keyring} http://mirror.test/debian trixie main",
        f"deb {keyring} http://mirror.test/debian trixie-updates main",
        f"deb {keyring} http://mirror.test/debian-security trixie-security main",
    ]


def test_a_machine_without_debians_indexes_leaves_the_choice_to_mmdebstrap(tools: Path) -> None:
    tool(tools / "apt-get", "echo 'http://archive.test/ubuntu Ubuntu'")

    assert apt_mirrors("bookworm") == []


def test_each_recipe_has_a_folder_of_its_own(tmp_path: Path) -> None:
    images = [Image("bookworm", "minimal"), Image("bookworm", "cloud"), Image("trixie", "minimal")]

    assert len({image_folder(tmp_path, image) for image in images}) == 3
    assert image_folder(tmp_path, Image()) == image_folder(tmp_path, Image("bookworm", "minimal"))


def test_an_image_is_built_once(tools: Path, tmp_path: Path) -> None:
    folder = ensure_image(tmp_path, Image("trixie"))
    made_with = (folder / "made-with").read_text()
    tool(tools / "mmdebstrap", "exit 1")

    assert ensure_image(tmp_path, Image("trixie")) == folder
    assert "--variant=minbase --include=systemd,systemd-sysv,dbus,openssh-server," in made_with
    assert '--aptopt=Acquire::http::Proxy "http://proxy.test:3142";' in made_with
    assert "python" not in made_with


def test_a_build_that_fails_leaves_no_image_and_the_next_starts_anew(tools: Path, tmp_path: Path) -> None:
    good = (tools / "mmdebstrap").read_text()
    tool(tools / "mmdebstrap", f"{good}\necho 'E: no space left' >&2; exit 25")

    with pytest.raises(ProvisionError, match="ended with status 25: E: no space left"):
        ensure_image(tmp_path, Image())
    assert not image_folder(tmp_path, Image()).exists()

    (tools / "mmdebstrap").write_text(good)
    assert (ensure_image(tmp_path, Image()) / "made-with").exists()


@pytest.mark.parametrize(("user", "home"), [("root", "root"), ("debian", "home/debian")])
def test_a_host_has_a_name_address_and_keys_of_its_own(user: str, home: str, tmp_path: Path) -> None:
    host = _host(tmp_path, user)
    root = _root(tmp_path)
    create_client_key(host.key)

    personalize(root, host, Network(4).link(host.number))

    assert (root / "etc/hostname").read_text() == "lab2\n"
    assert (root / "etc/hosts").read_text().startswith("127.0.0.1 localhost\n127.0.1.1 lab2\n")
    network = (root / "etc/systemd/network/10-lab.network").read_text()
    assert "Address=10.77.4.12/24\nGateway=10.77.4.1\n" in network
    public = host.key.with_suffix(".pub").read_text()
    authorized = root / home / ".ssh/authorized_keys"
    assert authorized.read_text() == public
    assert stat.S_IMODE(authorized.stat().st_mode) == 0o600
    assert stat.S_IMODE(host.key.stat().st_mode) == 0o600
    names, *key = host.known_hosts.read_text().split()
    assert names == "10.77.4.12,lab2"
    assert key == (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]


def test_the_cloud_way_of_refusing_root(tmp_path: Path) -> None:
    host = _host(tmp_path, "debian")
    root = _root(tmp_path)
    create_client_key(host.key)

    personalize(root, host, Network(4).link(host.number))

    # As cloud-init writes it.
    assert (root / "root/.ssh/authorized_keys").read_text() == (
        "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,"
        'command="echo \'Please login as the user \\"debian\\" rather than the user \\"root\\".\';'
        f'echo;sleep 10;exit 142" {host.key.with_suffix(".pub").read_text()}'
    )


def test_the_key_of_a_lab_is_made_once(tmp_path: Path) -> None:
    create_client_key(tmp_path / "key")
    before = (tmp_path / "key").read_text()

    create_client_key(tmp_path / "key")

    assert (tmp_path / "key").read_text() == before


def _host(folder: Path, user: str) -> Host:
    return Host(2, "lab2", "10.77.4.12", 22, user, folder / "key", folder / "known_hosts", Image())


def _root(folder: Path) -> Path:
    for part in ("etc/systemd/network", "etc/ssh", "etc/ssl/certs", "root", "home/debian"):
        (folder / "root" / part).mkdir(parents=True)
    return folder / "root"
