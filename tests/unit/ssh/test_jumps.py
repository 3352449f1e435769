"""Ways to a host that lead through others: each of them an sshd of its own, whose log says who came by."""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.errors import AuthenticationError, HostKeyError, Unreachable
from provision.transport.protocol import Login
from provision.transport.ssh_passphrases import Passphrases

if TYPE_CHECKING:
    from tests.unit.ssh.openssh import Sshd

Start = Callable[..., "Sshd"]


@pytest.fixture
def chain(more_sshd: Start, home: Path) -> list[Sshd]:
    """Two jump hosts and a host behind them."""
    servers = [more_sshd(name) for name in ("outer", "inner", "target")]
    (home / ".ssh").mkdir()
    hosts = "".join(
        f"Host {server.folder.name}\n HostName 127.0.0.1\n Port {server.port}\n IdentityFile {server.folder}/user\n"
        f" User {getpass.getuser()}\n UserKnownHostsFile {server.known('ed25519')}\n"
        for server in servers
    )
    (home / ".ssh" / "config").write_text(hosts)
    return servers


def openssh(home: Path, *words: str) -> str:
    """What the `ssh` program prints, with the same configuration."""
    words = ("ssh", "-F", str(home / ".ssh" / "config"), "-oBatchMode=yes", "-oGlobalKnownHostsFile=none", *words)
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def came_by(server: Sshd) -> int:
    """How many logins the server has seen."""
    return len(re.findall("Accepted publickey", server.log))


TARGET = Login("target", "target", timeout=60)


@pytest.mark.parametrize("way", ["arguments", "config", "config of the jump host"])
def test_a_chain_of_two(chain: list[Sshd], home: Path, way: str) -> None:
    config = home / ".ssh" / "config"
    login = TARGET
    if way == "arguments":
        login = replace(login, common_args="-J outer,inner")
    elif way == "config":
        config.write_text("Host target\n ProxyJump outer,inner\n" + config.read_text())
    else:
        config.write_text("Host target\n ProxyJump inner\nHost inner\n ProxyJump outer\n" + config.read_text())
    assert chain[2].user_id(login) == b"0\n"
    assert [came_by(server) for server in chain] == [1, 1, 1]
    jump = ["-J", "outer,inner"] if way == "arguments" else []
    assert openssh(home, *jump, "target", "id -u") == "0\n"
    assert [came_by(server) for server in chain] == [2, 2, 2]


def test_each_link_of_the_chain_has_a_key_that_counts(chain: list[Sshd]) -> None:
    login = replace(TARGET, common_args="-J outer,inner")
    for server in chain:
        known = server.known("ed25519")
        right = known.read_text()
        known.write_text("")
        with pytest.raises(HostKeyError, match=rf"\[127\.0\.0\.1\]:{server.port} is unknown"):
            server.user_id(login)
        known.write_text(right)
    assert chain[2].user_id(login) == b"0\n"


def test_an_error_names_the_link_that_broke(chain: list[Sshd]) -> None:
    dead = replace(TARGET, name="dead", address="127.0.0.1", port=1, common_args="-J outer,inner")
    with pytest.raises(Unreachable, match=r"dead \(127\.0\.0\.1 port 1\) cannot be reached: the request was denied"):
        chain[2].user_id(dead)
    (chain[1].folder / "authorized").write_text("")
    with pytest.raises(AuthenticationError, match=r"inner \(127\.0\.0\.1 port \d+\) refused the login"):
        chain[2].user_id(replace(TARGET, common_args="-J outer,inner"))


def test_a_locked_key_opens_all_links_with_one_question(chain: list[Sshd], home: Path) -> None:
    key = chain[0].folder / "locked"
    config = home / ".ssh" / "config"
    config.write_text(re.sub(r"IdentityFile .*", f"IdentityFile {key}", config.read_text()))
    asked: list[Path] = []

    def ask(path: Path) -> str:
        asked.append(path)
        return "phrase"

    login = replace(TARGET, common_args="-J outer,inner")
    assert chain[2].user_id(login, passphrases=Passphrases(ask)) == b"0\n"
    assert asked == [key]


def test_a_jump_host_behind_a_proxy_command(chain: list[Sshd], home: Path) -> None:
    config = home / ".ssh" / "config"
    proxy = f"ssh -F {config} -oBatchMode=yes -W %h:%p outer"
    config.write_text(f"Host inner\n ProxyCommand {proxy}\nHost target\n ProxyJump inner\n" + config.read_text())
    assert chain[2].user_id(TARGET) == b"0\n"
    assert [came_by(server) for server in chain] == [1, 1, 1]
    assert openssh(home, "target", "id -u") == "0\n"


def test_match_exec_chooses_the_way(chain: list[Sshd], home: Path) -> None:
    config = home / ".ssh" / "config"
    config.write_text(f'Match originalhost target exec "test -e {home}/away"\n ProxyJump outer\n' + config.read_text())
    assert chain[2].user_id(TARGET) == b"0\n"
    assert [came_by(server) for server in chain] == [0, 0, 1]
    (home / "away").touch()
    assert chain[2].user_id(TARGET) == b"0\n"
    assert [came_by(server) for server in chain] == [1, 0, 2]
