"""What decides how a host is reached: the inventory, then ~/.ssh/config."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import pytest

from provision.errors import ConfigError
from provision.transport.protocol import Login
from provision.transport.ssh_settings import Settings, resolve


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@pytest.fixture
def no_ssh(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without OpenSSH's client."""
    monkeypatch.setenv("PATH", str(home))


def config(home: Path, text: str) -> None:
    (home / ".ssh" / "config").write_text(text)


def places(settings: Settings) -> list[str]:
    return [f"{hop.user}@{hop.address}:{hop.port}" for hop in settings.jumps]


def test_defaults(home: Path) -> None:
    settings = resolve(Login("web1", "203.0.113.10"))
    assert (settings.address, settings.port, settings.user) == ("203.0.113.10", 22, getpass.getuser())
    assert settings.known_hosts.files[0] == home / ".ssh" / "known_hosts"
    assert (settings.key_files, settings.jumps, settings.proxy_command) == ((), (), None)
    assert settings.host_key_name == "203.0.113.10"
    assert settings.where == "web1 (203.0.113.10 port 22)"


def test_ssh_config_is_read_and_the_inventory_wins(home: Path) -> None:
    config(
        home,
        "Host web\n HostName 10.0.0.7\n User deploy\n Port 2200\n IdentityFile ~/.ssh/web\n IdentitiesOnly yes\n"
        "StrictHostKeyChecking accept-new\nUserKnownHostsFile ~/known /dev/null\n",
    )
    settings = resolve(Login("web", "web"))
    assert (settings.address, settings.port, settings.user) == ("10.0.0.7", 2200, "deploy")
    assert settings.key_files == (home / ".ssh" / "web",)
    assert settings.identities_only
    assert settings.strict == "accept-new"
    assert settings.known_hosts.files == (home / "known", Path("/dev/null"))
    assert settings.host_key_name == "[10.0.0.7]:2200"
    assert settings.command == "ssh -p 2200 deploy@10.0.0.7"
    settings = resolve(Login("web", "web", port=22, user="root", key_files=("~/.ssh/other",), known_hosts="/k"))
    assert (settings.port, settings.user, settings.known_hosts.files) == (22, "root", (Path("/k"),))
    assert settings.key_files == (home / ".ssh" / "other", home / ".ssh" / "web")


@pytest.mark.parametrize(
    "args",
    [
        "-o Port=2222 -o User=bob -o UserKnownHostsFile=/k -o StrictHostKeyChecking=no -i /key",
        "-oPort=2222 -l bob -o 'userknownhostsfile /k' -o StrictHostKeyChecking=no -o IdentityFile=/key",
        "-p 2222 -lbob -oUserKnownHostsFile=/k -o 'StrictHostKeyChecking no' -i/key",
    ],
)
def test_common_args(args: str) -> None:
    settings = resolve(Login("web", "web", common_args=args))
    assert (settings.port, settings.user, settings.strict) == (2222, "bob", "no")
    assert settings.known_hosts.files == (Path("/k"),)
    assert settings.key_files == (Path("/key"),)


@pytest.mark.parametrize(
    ("args", "wanted"),
    [("", False), ("-tt", True), ("-p 22 -t", True), ("-o RequestTTY=force", True), ("-o RequestTTY=no -tt", False)],
)
def test_a_terminal_for_a_sudo_that_wants_one(args: str, wanted: bool) -> None:
    assert resolve(Login("web", "web", common_args=args)).request_tty is wanted


def test_inventory_variables_win_over_common_args_and_both_over_ssh_config(home: Path) -> None:
    config(home, "Port 1\nUser config\n")
    settings = resolve(Login("web", "web", port=3, common_args="-p 2 -l args"))
    assert (settings.port, settings.user) == (3, "args")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ("-o ControlPersist=60s", "-o ControlPersist"),
        ("-C", "-C"),
        ("bastion", "bastion"),
        ("-o", "-o needs a value"),
        ("-J 'open", "No closing quotation"),
        ("-p 99999", "'99999' is not a port"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(args: str, named: str) -> None:
    with pytest.raises(ConfigError, match=f"^web1: .*{named}"):
        resolve(Login("web1", "203.0.113.10", common_args=args))


def test_a_line_break_cannot_smuggle_an_option_in() -> None:
    with pytest.raises(ConfigError, match="line break"):
        resolve(Login("web1", "web1", user="bob\nProxyCommand touch /tmp/x"))


@pytest.mark.parametrize("address", ["bob@web1", "web1:2222", "web 1", "web1;reboot", "[::1]"])
def test_an_address_is_an_address(address: str) -> None:
    with pytest.raises(ConfigError, match="is neither a name nor an address") as caught:
        resolve(Login("web1", address))
    assert "ansible_user, ansible_port" in caught.value.hint


@pytest.mark.parametrize("address", ["web1", "büro.example", "203.0.113.10", "2001:db8::1", "::1", "fe80::1%eth0"])
def test_names_and_addresses_of_both_kinds(address: str) -> None:
    assert resolve(Login("web1", address)).address == address


def test_jump_hosts_in_order_with_their_own_ssh_config(home: Path) -> None:
    config(home, "Host b\n HostName bastion.example\n User jump\n Port 2200\n ProxyJump c\nHost target\n ProxyJump b\n")
    me = getpass.getuser()
    assert places(resolve(Login("t", "target"))) == [f"{me}@c:22", "jump@bastion.example:2200"]
    assert places(resolve(Login("t", "target", common_args="-J x@a:1,b"))) == ["x@a:1", "jump@bastion.example:2200"]
    assert places(resolve(Login("t", "other", common_args="-J [2001:db8::1]:2,2001:db8::2"))) == [
        f"{me}@2001:db8::1:2",
        f"{me}@2001:db8::2:22",
    ]
    assert resolve(Login("t", "t", user="u", common_args="-J x@a:1")).command == "ssh -J x@a:1 u@t"


def test_a_jump_host_is_not_its_own_jump_host(home: Path) -> None:
    config(home, "Host *\n ProxyJump bastion\n User u\n")
    assert places(resolve(Login("web", "web"))) == ["u@bastion:22"]
    assert places(resolve(Login("bastion", "bastion"))) == []


def test_jump_and_proxy_command_exclude_each_other_and_the_first_given_wins(home: Path) -> None:
    config(home, "Host a\n ProxyJump bastion\nHost b\n ProxyCommand nc %h %p %r\nHost c\n ProxyCommand none\n")
    assert len(resolve(Login("a", "a")).jumps) == 1
    assert resolve(Login("a", "a", common_args="-o ProxyJump=none")).jumps == ()
    settings = resolve(Login("a", "a", common_args="-o ProxyCommand='nc %h %p'"))
    assert (settings.jumps, settings.proxy_command) == ((), "nc a 22")
    assert resolve(Login("c", "c")).proxy_command is None
    settings = resolve(Login("b", "b", common_args="-J bastion"))
    assert (len(settings.jumps), settings.proxy_command) == (1, None)


def test_tokens_of_a_proxy_command_see_what_the_inventory_chose(home: Path) -> None:
    config(home, "Host b\n HostName 10.0.0.7\n Port 2200\n ProxyCommand nc %h %p %r\n")
    assert resolve(Login("b", "b", port=2, user="root")).proxy_command == "nc 10.0.0.7 2 root"


def test_an_identity_file_does_not_look_up_our_own_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(home, "IdentityFile ~/.ssh/key\nControlPath ~/.ssh/%C\n")
    monkeypatch.setattr(socket, "getfqdn", lambda: pytest.fail("asked DNS for our own name"))
    assert resolve(Login("web", "web")).key_files == (home / ".ssh" / "key",)


def test_a_broken_ssh_config_is_named(home: Path, no_ssh: None) -> None:
    config(home, "nonsense\n")
    with pytest.raises(ConfigError, match=r"~/.ssh/config cannot be read: Unparsable line nonsense"):
        resolve(Login("web", "web"))


def test_passwords_are_not_shown() -> None:
    settings = resolve(Login("web", "web", password="hunter2", become_password="hunter3"))
    assert (settings.password, settings.become_password) == ("hunter2", "hunter3")
    assert "hunter" not in repr(settings)
