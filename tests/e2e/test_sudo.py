"""Other sudos than the usual one: sudo-rs, and one that speaks German."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

import pytest
from tests.e2e.test_ssh import PASSWORD, login, user_id

from provision.errors import Refused
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image
from provision.transport import ssh
from provision.transport.ssh_hostkeys import HostKeyPolicy

SETUP = """
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends sudo-rs locales sudo >/dev/null
localedef -i de_DE -f UTF-8 de_DE.UTF-8
for user in asked free never; do
    useradd --create-home --shell /bin/bash $user
    install -d -o $user /home/$user/.ssh
    install -o $user -m 600 /home/debian/.ssh/authorized_keys /home/$user/.ssh/
    printf '%s:%s\\n' $user "$PASSWORD" | chpasswd
done
echo 'asked ALL=(ALL) ALL' >/etc/sudoers.d/asked
echo 'free ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/free
"""


@pytest.fixture(scope="module")
def cloud(lab: Lab) -> Iterator[Host]:
    """A Debian 13 with both."""
    host = lab.add(Image("trixie", "cloud"))
    script = f"PASSWORD={shlex.quote(PASSWORD)}\n{SETUP}"
    (lab.root(host) / "root/setup").write_text(script)
    made = lab.run(host, "sudo sh /root/setup", timeout=300)
    assert made.returncode == 0, made.stdout + made.stderr
    yield host
    lab.remove(host)


@pytest.fixture
def sudo_rs(lab: Lab, cloud: Host) -> Iterator[None]:
    """``sudo`` is sudo-rs, as on Ubuntu since 25.10."""
    link = lab.root(cloud) / "usr/local/bin/sudo"
    link.symlink_to("/usr/bin/sudo-rs")
    try:
        version = lab.run(cloud, "sudo --version")
        assert "sudo-rs" in version.stdout + version.stderr
        yield
    finally:
        link.unlink()


@pytest.fixture
def german(lab: Lab, cloud: Host) -> Iterator[None]:
    """Whoever logs in is spoken to in German."""
    file = lab.root(cloud) / "etc/default/locale"
    before = file.read_text() if file.exists() else ""
    file.write_text("LANG=de_DE.UTF-8\nLC_ALL=de_DE.UTF-8\n")
    try:
        said = lab.run(cloud, "sudo -k; sudo -u nobody-here true")
        assert "Benutzer" in said.stderr, said.stderr
        yield
    finally:
        file.write_text(before)


def connect(cloud: Host, user: str, password: str | None = None) -> contextlib.closing[ssh.SshConnection]:
    return contextlib.closing(ssh.connect(login(cloud, user, password), host_keys=HostKeyPolicy()))


def _becomes_root_and_explains(cloud: Host) -> None:
    for user, password in (("free", None), ("asked", PASSWORD)):
        with connect(cloud, user, password) as connection:
            assert user_id(connection) == b"0\n"
    for user, password, cause in (
        ("asked", None, "sudo asks asked for a password"),
        ("asked", "wrong", "sudo refuses the password of asked"),
        ("never", PASSWORD, "sudo does not let never become root"),
    ):
        with connect(cloud, user, password) as connection, pytest.raises(Refused, match=cause) as caught:
            connection.root_stream("cat").receive()
        assert caught.value.hint
        assert "wrong" not in f"{caught.value} {caught.value.log} {caught.value.hint}"


@pytest.mark.usefixtures("sudo_rs")
def test_sudo_rs(cloud: Host) -> None:
    _becomes_root_and_explains(cloud)


@pytest.mark.usefixtures("german")
def test_a_sudo_that_speaks_german(cloud: Host) -> None:
    _becomes_root_and_explains(cloud)
