"""Connection variables become a Login."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.errors import ConfigError, Position
from provision.inventory import Inventory, login_from
from provision.inventory.connection import login_variables
from provision.transport.protocol import Login
from provision.yamlfile import from_plain

BASE = Path("/srv/inventory")

LOGINS: list[tuple[dict[str, Any], Login]] = [
    ({}, Login("web1", "web1")),
    ({"ansible_host": "192.0.2.1", "ansible_port": 2222}, Login("web1", "192.0.2.1", port=2222)),
    ({"ansible_ssh_host": "192.0.2.1", "ansible_ssh_port": "22"}, Login("web1", "192.0.2.1", port=22)),
    ({"ansible_host": "192.0.2.1", "ansible_ssh_host": "192.0.2.2"}, Login("web1", "192.0.2.2")),
    ({"ansible_user": "debian"}, Login("web1", "web1", user="debian")),
    ({"ansible_ssh_user": "debian"}, Login("web1", "web1", user="debian")),
    (
        {"ansible_ssh_private_key_file": "keys/id"},
        Login("web1", "web1", key_files=("/srv/inventory/keys/id",)),
    ),
    (
        {"ansible_private_key_file": ["~/.ssh/id", "/etc/keys/id"]},
        Login("web1", "web1", key_files=("/home/me/.ssh/id", "/etc/keys/id")),
    ),
    ({"ansible_password": "0123"}, Login("web1", "web1", password="0123")),
    ({"ansible_ssh_pass": 123}, Login("web1", "web1", password="123")),
    ({"ansible_become_pass": " x "}, Login("web1", "web1", become_password=" x ")),
    ({"ansible_become_password": "x"}, Login("web1", "web1", become_password="x")),
    (
        {"ansible_ssh_common_args": "-o ProxyJump=gate", "ansible_ssh_extra_args": "-o Compression=yes"},
        Login("web1", "web1", common_args="-o ProxyJump=gate -o Compression=yes"),
    ),
    ({"ansible_ssh_common_args": ""}, Login("web1", "web1")),
    ({"ansible_ssh_timeout": "2.5"}, Login("web1", "web1", timeout=2.5)),
    ({"ansible_user": None, "ansible_connection": "ssh", "app_workers": 3}, Login("web1", "web1")),
]

ERRORS = [
    ({"ansible_port": True}, "web1: ansible_port must be a port between 1 and 65535"),
    ({"ansible_port": "99999"}, "web1: ansible_port must be a port between 1 and 65535"),
    ({"ansible_user": "a b"}, "web1: ansible_user must be one word that does not begin with a dash"),
    ({"ansible_user": ""}, "web1: ansible_user must be text without spaces around it"),
    ({"ansible_password": ["x"]}, "web1: ansible_password must be text"),
    ({"ansible_ssh_timeout": 0}, "web1: ansible_ssh_timeout must be a number of seconds above 0"),
    (
        {"ansible_connection": "local"},
        "web1: ansible_connection must be ssh: every host is reached by SSH, "
        "this machine too (`ansible_host: 127.0.0.1`)",
    ),
    ({"ansible_private_key_file": "~nobody_at_all/id"}, "~nobody_at_all/id: there is no such user on this machine"),
]


@pytest.mark.parametrize(("variables", "login"), LOGINS, ids=[" ".join(given) or "none" for given, _ in LOGINS])
def test_variables_make_a_login(variables: dict[str, Any], login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert login_from("web1", variables, BASE) == login


@pytest.mark.parametrize(("variables", "message"), ERRORS, ids=[message for _, message in ERRORS])
def test_a_wrong_value_is_named(variables: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        login_from("web1", variables, BASE)
    assert caught.value.message == message


def test_a_password_is_never_in_a_message() -> None:
    with pytest.raises(ConfigError) as caught:
        login_from("web1", {"ansible_become_pass": {"hunter2": "hunter2"}}, BASE)
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_the_variables_of_a_login_are_source_text(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(
        "all: {hosts: {web1: {ansible_password: 0123, ansible_port: 22, ansible_user: , ansible_host: '{{ ip }}',\n"
        "  ansible_private_key_file: [a, b], ip: 192.0.2.1}}}"
    )
    host = Inventory.load(file).hosts["web1"]
    expected = {
        "ansible_password": "0123",
        "ansible_port": "22",
        "ansible_host": "{{ ip }}",
        "ansible_private_key_file": ["a", "b"],
    }
    assert login_variables(host) == expected
    extra = {"ansible_user": from_plain("admin", Position(Path("--set"), 1, 1))}
    assert login_variables(host, extra) == {**expected, "ansible_user": "admin"}
