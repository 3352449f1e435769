"""Becoming root on a real cloud image: sudo in all its moods, under every login shell."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shlex
import threading
from collections.abc import Callable, Iterator

import pytest

from provision.errors import AuthenticationError, Refused
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image
from provision.transport import ssh
from provision.transport.protocol import Login
from provision.transport.ssh_hostkeys import HostKeyPolicy

PASSWORD = "correct horse 'battery' \\staple"
SHELLS = ("bash", "dash", "zsh", "fish")

SETUP = """
set -eu
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends zsh fish >/dev/null
login() {
    useradd --create-home --shell "$2" "$1"
    install -d -o "$1" "/home/$1/.ssh"
    install -o "$1" -m 600 /home/debian/.ssh/authorized_keys "/home/$1/.ssh/"
    [ -z "$3" ] || printf '%s\\n' "$3" >"/etc/sudoers.d/$1"
}
for shell in bash dash zsh fish; do login "in-$shell" "/usr/bin/$shell" "in-$shell ALL=(ALL) NOPASSWD: ALL"; done
login asked /bin/bash 'asked ALL=(ALL) ALL'
login pty /bin/bash 'Defaults:pty use_pty
pty ALL=(ALL) ALL'
login seated /bin/bash 'Defaults:seated requiretty
seated ALL=(ALL) NOPASSWD: ALL'
login never /bin/bash ''
while read -r user; do printf '%s:%s\\n' "$user" "$PASSWORD" | chpasswd; done <<END
asked
pty
never
END
"""

Connect = Callable[..., contextlib.closing[ssh.SshConnection]]


@pytest.fixture(scope="module")
def cloud(lab: Lab) -> Iterator[Host]:
    """A host as a provider rents it out, with more logins."""
    host = lab.add(Image("bookworm", "cloud"))
    connection = ssh.connect(login(host), host_keys=HostKeyPolicy())
    stream = connection.root_stream("sh 2>&1; echo rc=$?")
    stream.send(f"PASSWORD={shlex.quote(PASSWORD)}\n{SETUP}exit\n".encode())
    said = b"".join(iter(stream.receive, b"")).decode()
    assert said.endswith("rc=0\n"), said
    connection.close()
    yield host
    lab.remove(host)


def login(host: Host, user: str = "debian", become_password: str | None = None) -> Login:
    return Login(
        host.name,
        host.address,
        port=host.port,
        user=user,
        key_files=(str(host.key),),
        known_hosts=str(host.known_hosts),
        become_password=become_password,
        timeout=60,
    )


@pytest.fixture
def connect(cloud: Host) -> Connect:
    def connect(user: str, password: str | None = None) -> contextlib.closing[ssh.SshConnection]:
        return contextlib.closing(ssh.connect(login(cloud, user, password), host_keys=HostKeyPolicy()))

    return connect


def user_id(connection: ssh.SshConnection) -> bytes:
    script = b"id -u"
    stream = connection.root_stream(f'eval "$(head -c {len(script)})"; cat')
    stream.send(script)
    return stream.receive()


def assert_passes(connection: ssh.SshConnection, data: bytes) -> None:
    """Root's shell sends back what it is sent, while it is sent."""
    stream = connection.root_stream(f"head -c {len(data)}")
    sender = threading.Thread(target=stream.send, args=(data,))
    sender.start()
    received = b"".join(iter(stream.receive, b""))
    sender.join()
    assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("shell", SHELLS)
def test_root_under_every_login_shell(connect: Connect, shell: str) -> None:
    """One quoting for all of them."""
    with connect(f"in-{shell}") as connection:
        assert user_id(connection) == b"0\n"


@pytest.mark.parametrize("user", ["asked", "pty"])
def test_sudo_gets_its_password(connect: Connect, user: str) -> None:
    """Debian's PAM asks; a second process of the same connection is asked again."""
    with connect(user, PASSWORD) as connection:
        assert user_id(connection) == b"0\n"
        assert user_id(connection) == b"0\n"


def test_a_password_that_nobody_asks_for_is_not_sent(connect: Connect) -> None:
    """Sent blindly, the shell would run it as a command."""
    with connect("in-bash", PASSWORD) as connection:
        stream = connection.root_stream("cat")
        stream.send(b"end")
        assert stream.receive() == b"end"
        assert stream.complaint() == ""


@pytest.mark.parametrize(
    ("user", "password", "cause"),
    [
        ("asked", None, "sudo asks asked for a password"),
        ("asked", "wrong", "sudo refuses the password of asked"),
        ("never", None, "sudo asks never for a password"),
        ("never", PASSWORD, "sudo does not let never become root"),
        ("seated", None, "sudo wants a terminal"),
    ],
)
def test_sudo_that_refuses_is_explained(connect: Connect, user: str, password: str | None, cause: str) -> None:
    """In one sentence, and without the password."""
    with connect(user, password) as connection, pytest.raises(Refused, match=cause) as caught:
        connection.root_stream("cat").receive()
    assert caught.value.hint
    assert "wrong" not in f"{caught.value} {caught.value.log} {caught.value.hint}"


def test_a_sudo_that_wants_a_terminal_gets_one(cloud: Host) -> None:
    """With ansible_ssh_common_args: -tt; every byte passes through it in both directions."""
    data = bytes(range(256)) * 4_000
    seated = dataclasses.replace(login(cloud, "seated"), common_args="-tt")
    with contextlib.closing(ssh.connect(seated, host_keys=HostKeyPolicy())) as connection:
        assert user_id(connection) == b"0\n"
        assert_passes(connection, data)


def test_a_wrong_password_counts_once(lab: Lab, cloud: Host, connect: Connect) -> None:
    """More attempts may lock the account."""

    def failures() -> int:
        log = lab.run(cloud, "sudo journalctl --sync; sudo journalctl -q -t sudo --grep 'authentication failure'")
        return len([line for line in log.stdout.splitlines() if "user=asked" in line])

    before = failures()
    with connect("asked", "wrong") as connection, pytest.raises(Refused):
        connection.root_stream("cat")
    assert failures() == before + 1


def test_a_host_without_sudo_is_told(lab: Lab, cloud: Host, connect: Connect) -> None:
    """As minbase is."""
    sudo = lab.root(cloud) / "usr/bin/sudo"
    hidden = sudo.rename(sudo.with_name("sudo.hidden"))
    try:
        for user in ("in-bash", "in-fish"):
            with connect(user) as connection, pytest.raises(Refused, match="sudo is not installed") as caught:
                connection.root_stream("cat").receive()
            assert "ansible_user: root" in caught.value.hint
    finally:
        hidden.rename(sudo)


def test_the_login_that_the_image_wants_is_told_at_once(lab: Lab, cloud: Host, connect: Connect) -> None:
    """The image's own command sleeps ten seconds before it ends; here it does so for ten minutes."""
    keys = lab.root(cloud) / "root/.ssh/authorized_keys"
    text = keys.read_text()
    assert "sleep 10" in text
    keys.write_text(text.replace("sleep 10", "sleep 600"))
    try:
        with connect("root") as connection, pytest.raises(AuthenticationError, match="login as the user") as caught:
            connection.root_stream("cat").receive()
    finally:
        keys.write_text(text)
    assert caught.value.hint == "set ansible_user: debian"


@pytest.mark.parametrize("user", ["asked", "pty"])
def test_bytes_pass_through_sudo_unchanged(connect: Connect, user: str) -> None:
    """Also where sudo puts itself in between, as newer ones do by default."""
    data = bytes(range(256)) * 40_000
    with connect(user, PASSWORD) as connection:
        assert_passes(connection, data)


def test_the_password_is_in_no_process_list(lab: Lab, cloud: Host, connect: Connect) -> None:
    """Every user of the host can read it."""
    with connect("asked", PASSWORD) as connection:
        assert user_id(connection) == b"0\n"
        shown = lab.run(cloud, "ps -eo args; sudo cat /proc/*/environ | tr '\\0' '\\n'").stdout
    assert "sudo -S -p" in shown
    assert "battery" not in shown
