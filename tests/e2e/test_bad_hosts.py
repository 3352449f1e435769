"""Hosts that are not as they should be: each gets one block with the cause and what to do, and the others go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.cli import provision
from tests.e2e.held import Held
from tests.e2e.terminal import terminal

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image

PASSWORD = "correct horse"

LOGINS = """
set -eu
login() { # NAME GROUPS
    useradd --create-home --groups "$2" --shell /bin/bash "$1"
    echo "$1:$PASSWORD" | chpasswd
    install -d -o "$1" "/home/$1/.ssh"
    install -o "$1" -m 600 /home/debian/.ssh/authorized_keys "/home/$1/.ssh/"
}
login plain ''
login asked sudo
"""


@pytest.fixture(scope="module")
def cloud(lab: Lab) -> Iterator[Host]:
    """A host as a provider rents it out, with two more logins."""
    host = lab.add(Image("bookworm", "cloud"))
    script = f"PASSWORD='{PASSWORD}'\n{LOGINS}"
    (lab.root(host) / "root/logins").write_text(script)
    made = lab.run(host, "sudo sh /root/logins")
    assert made.returncode == 0, made.stderr
    yield host
    lab.remove(host)


@pytest.fixture
def log_in(cloud: Host, tmp_path: Path) -> Callable[..., Path]:
    """An inventory with the cloud host, for another login."""

    def log_in(user: str, **variables: object) -> Path:
        inventory = tmp_path / "inventory.yml"
        Held(tmp_path, [], lambda host: tmp_path)
        write_inventory(inventory, [dataclasses.replace(cloud, user=user)], {"roles": ["held"], **variables})
        return inventory

    return log_in


def block(host: Host) -> str:
    """How the messages about a connection name the host."""
    return f"{host.name} ({host.address} port {host.port})"


def test_the_wrong_login_of_a_cloud_image(cloud: Host, log_in: Callable[..., Path]) -> None:
    result = provision("up", log_in("root"))

    assert result.code == 3
    assert result.error["message"] == (
        f'{block(cloud)} refused the login of root: Please login as the user "debian" rather than the user "root".'
    )
    assert result.error["hint"] == "set ansible_user: debian"


def test_a_login_that_nobody_knows(cloud: Host, log_in: Callable[..., Path]) -> None:
    result = provision("up", log_in("nobody-here"))

    assert result.code == 3
    assert result.error["message"] == (f"{block(cloud)} refused the login of nobody-here; tried key {cloud.key}")
    assert result.error["hint"].endswith("logs in; set ansible_user or ansible_ssh_private_key_file")


@pytest.mark.parametrize(
    ("user", "password", "cause", "hint"),
    [
        (
            "asked",
            None,
            "sudo asks asked for a password",
            "use --ask-become-pass, or allow it without: `asked ALL=(ALL) NOPASSWD: ALL` in a file in /etc/sudoers.d",
        ),
        (
            "asked",
            "wrong",
            "sudo refuses the password of asked",
            "check what was typed at -K, or ansible_become_password",
        ),
        (
            "plain",
            PASSWORD,
            "sudo does not let plain become root",
            "set ansible_user to a login that may, or let plain in: `usermod -aG sudo plain`",
        ),
    ],
)
def test_sudo_that_refuses(
    cloud: Host, log_in: Callable[..., Path], user: str, password: str | None, cause: str, hint: str
) -> None:
    secret = {} if password is None else {"ansible_become_password": password}

    result = provision("up", log_in(user, **secret))

    assert result.code == 1
    assert (result.error["message"], result.error["hint"]) == (f"{block(cloud)}: {cause}", hint)


def test_sudo_that_asks_is_answered_on_a_terminal(log_in: Callable[..., Path]) -> None:
    with terminal("plan", log_in("asked"), "--ask-become-pass") as screen:
        screen.read_until("BECOME password: ")
        screen.type(PASSWORD)
        code = screen.end()

    assert code == 0, screen.seen
    assert PASSWORD not in screen.seen


def test_a_host_without_sudo(lab: Lab, cloud: Host, log_in: Callable[..., Path]) -> None:
    sudo = lab.root(cloud) / "usr/bin/sudo"
    hidden = sudo.rename(sudo.with_name("sudo.hidden"))
    try:
        result = provision("up", log_in("debian"))
    finally:
        hidden.rename(sudo)

    assert result.code == 1
    assert result.error["message"] == f"{block(cloud)}: sudo is not installed, and debian is not root"
    assert result.error["hint"] == "set ansible_user: root, or install sudo"


@pytest.fixture
def os_release(lab: Lab, host: Host) -> Iterator[Path]:
    """The host's /etc/os-release, which is put back."""
    path = lab.root(host) / "etc/os-release"
    link = path.readlink()
    path.unlink()
    yield path
    path.unlink()
    path.symlink_to(link)


def test_the_others_go_on(lab: Lab, host: Host, cloud: Host, os_release: Path, tmp_path: Path) -> None:
    """One host is not there, one runs another system, one is as it should be."""
    os_release.write_text('ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.3"\n')
    gone = dataclasses.replace(host, name="gone", address=f"{host.address.rpartition('.')[0]}.250")
    held = Held(tmp_path, [gone, host], lab.root)
    write_inventory(held.inventory, [gone, host, cloud], {"roles": ["held"]})
    (lab.root(cloud) / "root/held").mkdir(exist_ok=True)
    (lab.root(cloud) / "root/held/go").touch()

    result = provision("up", held.inventory)

    errors = {name: recap["error"] for name, recap in result.recaps.items()}
    assert result.code == 1
    assert errors[cloud.name] is None
    assert (lab.root(cloud) / "root/held/second").exists()
    assert errors[host.name]["message"] == "this host runs Rocky 9.3"
    assert errors[host.name]["hint"] == "provision manages Debian and Ubuntu hosts only"
    assert errors["gone"]["exit_code"] == 3
    assert errors["gone"]["message"] == f"{block(gone)} cannot be reached: there is no route to it"
