"""ssh_config as OpenSSH's client reads it, and as paramiko does where there is none."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from provision.errors import ConfigError
from provision.transport import ssh_config
from provision.transport.protocol import Login
from provision.transport.ssh_settings import Settings, resolve

WEB = Login("web", "web")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@pytest.fixture
def no_ssh(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without OpenSSH's client."""
    monkeypatch.setenv("PATH", str(home))


@pytest.fixture
def spy(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `ssh` before the real one that writes its arguments into a file, a line each."""
    (home / "ssh").write_text(f'#!/bin/sh\nprintf \'%s\\n\' "$@" >>{home}/argv\nPATH=$REAL exec ssh "$@"\n')
    (home / "ssh").chmod(0o755)
    monkeypatch.setenv("REAL", os.environ["PATH"])
    monkeypatch.setenv("PATH", f"{home}:{os.environ['PATH']}")
    return home / "argv"


def config(home: Path, text: str) -> None:
    (home / ".ssh" / "config").write_text(text)


def of_openssh(home: Path, host: str = "web") -> dict[str, str]:
    """What `ssh -G` says of the same file."""
    words = ["ssh", "-G", "-T", "-F", str(home / ".ssh" / "config"), host]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


@pytest.mark.parametrize(
    "text",
    [
        'Match exec "test %h = web"\n User yes\nMatch exec false\n Port 1\n',
        "Match originalhost web\n HostName 10.0.0.7\nMatch host 10.0.0.*\n User inner\n Port 2222\n",
        "Match final all\n Port 7\nMatch localuser nobody\n User never\n",
        "Include {home}/more/*.conf\nHost web\n User late\n",
        "Host !web *\n User never\nHost w?b !db\n User found\n HostName %h.example.com\n",
        'Host web\n Port 2222  # the new one\n HostKeyAlias "ali"\n',
        "CanonicalizeHostname yes\nCanonicalDomains example.invalid\nHost web*\n User canonical\n",
        "Host web\n CanonicalizeHostname no\n IdentitiesOnly yes\n HashKnownHosts yes\n",
    ],
)
def test_the_options_are_those_of_openssh(home: Path, text: str) -> None:
    (home / "more").mkdir()
    (home / "more" / "1.conf").write_text("Host web\n User early\n Port 3\n")
    config(home, text.format(home=home) + "Host *\n HashKnownHosts no\n")
    settings, expected = resolve(WEB), of_openssh(home)
    assert (settings.address, settings.port, settings.user) == (
        expected["hostname"],
        int(expected["port"]),
        expected["user"],
    )
    assert settings.identities_only is (expected["identitiesonly"] == "yes")
    assert settings.known_hosts.hashed is (expected["hashknownhosts"] == "yes")
    assert settings.host_key_name.endswith("ali") is ("hostkeyalias" in expected)


STRICT = ["yes", "no", "off", "ask", "accept-new"]


@pytest.mark.parametrize("strict", STRICT)
@pytest.mark.parametrize("match", ["", "Match all\n"])
def test_strictness_keeps_its_name(home: Path, strict: str, match: str) -> None:
    config(home, f"{match}StrictHostKeyChecking {strict}\n")
    assert resolve(WEB).strict.replace("off", "no") == strict.replace("off", "no")


def test_the_inventory_is_the_command_line(home: Path) -> None:
    config(home, "Match user bob\n Port 2200\n HostName %h.bob\nMatch all\n User config\n Port 1\n")
    assert (resolve(WEB).user, resolve(WEB).port) == ("config", 1)
    settings = resolve(replace(WEB, user="bob"))
    assert (settings.user, settings.port, settings.address) == ("bob", 2200, "web.bob")
    assert resolve(replace(WEB, common_args="-l bob -p 3")).port == 3


def test_openssh_is_only_asked_where_the_files_need_it(home: Path, spy: Path) -> None:
    config(home, "Include more/*.conf\nHost web\n Port 2200\n IdentityFile ~/.ssh/key\n SendEnv LANG LC_*\n")
    assert resolve(WEB).port == 2200
    assert not spy.exists()
    config(home, "Match all\n Port 2201\n")
    assert resolve(replace(WEB, password="hunter2", become_password="hunter3")).port == 2201
    words = spy.read_text().splitlines()
    assert words[:2] == ["-G", "-T"]
    assert words[-2:] == ["--", "web"]
    assert "hunter" not in spy.read_text()


@pytest.mark.parametrize("address", ["-oProxyCommand=touch /tmp/x", "bob@web", "ssh://web"])
def test_what_is_no_address_never_reaches_openssh(home: Path, spy: Path, address: str) -> None:
    config(home, "Match all\n User u\n")
    with pytest.raises(ConfigError, match="neither a name nor an address"):
        resolve(Login("web", address))
    assert not spy.exists()


@pytest.mark.parametrize("field", ["user", "known_hosts", "common_args"])
def test_no_line_break_reaches_openssh(home: Path, spy: Path, field: str) -> None:
    config(home, "Match all\n User u\n")
    values = {"common_args": "-o 'HostName=a\nProxyCommand touch /tmp/x'"}
    with pytest.raises(ConfigError, match="line break"):
        resolve(replace(WEB, **{field: values.get(field, "a\nProxyCommand touch /tmp/x")}))  # type: ignore[arg-type]
    assert not spy.exists()


def test_default_keys_are_told_from_named_ones(home: Path) -> None:
    config(home, "Match all\n Port 1\n")
    assert (resolve(WEB).key_files, resolve(WEB).default_keys) == ((), True)
    config(home, "Match all\n IdentityFile ~/.ssh/id_ed25519\n")
    assert resolve(WEB).key_files == (home / ".ssh" / "id_ed25519",)
    config(home, "Match all\n IdentityFile none\n")
    assert (resolve(WEB).key_files, resolve(WEB).default_keys) == ((), False)
    named = resolve(replace(WEB, key_files=("~/inventory key",)))
    assert named.key_files == (home / "inventory key",)


def test_files_of_keys(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", "/keys")
    config(
        home,
        'Host web\n HostName 10.0.0.7\n CertificateFile ~/%h-cert.pub\n CertificateFile "/a b"\n'
        "IdentityFile ${KEYS}/%n-%r\nUserKnownHostsFile /known/%h /dev/null\nGlobalKnownHostsFile /g1 /g2\n",
    )
    settings = resolve(replace(WEB, user="bob", common_args="-o CertificateFile=/mine"))
    assert settings.certificate_files == (Path("/mine"), home / "10.0.0.7-cert.pub", Path("/a b"))
    assert settings.key_files == (Path("/keys/web-bob"),)
    assert settings.known_hosts.files == (Path("/known/10.0.0.7"), Path("/dev/null"))
    assert settings.known_hosts.system_files == (Path("/g1"), Path("/g2"))
    assert resolve(replace(WEB, known_hosts="/with space/k")).known_hosts.files == (Path("/with space/k"),)
    assert resolve(replace(WEB, common_args="-o UserKnownHostsFile=none")).known_hosts.files == ()


def test_known_hosts_are_the_usual_ones_by_default(home: Path) -> None:
    config(home, "Match all\n Port 1\n")
    known = resolve(WEB).known_hosts
    assert known.files == (home / ".ssh" / "known_hosts", home / ".ssh" / "known_hosts2")
    assert known.system_files == (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))


def test_tokens(home: Path) -> None:
    config(home, "Host web\n HostName 10.0.0.7\n Port 22\n User bob\n ProxyCommand nc %h %p %r %n 100%%\n")
    settings = resolve(replace(WEB, port=2200))
    assert settings.proxy_command == "nc 10.0.0.7 2200 bob web 100%"
    config(home, "Host web\n HostName 10.0.0.7\n User bob\n ProxyJump jump-%h\n")
    assert resolve(WEB).jumps[0].address == "jump-10.0.0.7"
    config(home, "Host web\n User bob\n IdentityFile %d/%C\n")
    digest = hashlib.sha1(f"{socket.gethostname()}web22bob".encode()).hexdigest()
    assert resolve(WEB).key_files == (home / digest,)
    config(home, "ProxyCommand nc %x\n")
    with pytest.raises(ConfigError, match="web: ProxyCommand nc %x: %x stands for nothing") as caught:
        resolve(WEB)
    assert "%h, %n, %p, %r" in caught.value.hint
    with pytest.raises(ConfigError, match=r"IdentityFile \$\{NO_SUCH\}/x: \$NO_SUCH is not set"):
        resolve(replace(WEB, common_args="-i '${NO_SUCH}/x' -o ProxyCommand=none"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("none", "none"),
        ("$MY_AGENT", "$MY_AGENT"),
        ("SSH_AUTH_SOCK", None),
        ("/run/agent-%r", "/run/agent-root"),
        ("${WHERE}/a", "/run/a"),
    ],
)
@pytest.mark.parametrize("match", ["", "Match all\n"])
def test_identity_agent(
    home: Path, monkeypatch: pytest.MonkeyPatch, match: str, value: str, expected: str | None
) -> None:
    monkeypatch.setenv("WHERE", "/run")
    config(home, f"{match}IdentityAgent {value}\nUser root\n")
    assert resolve(WEB).identity_agent == expected


def test_of_jump_and_proxy_command_the_first_counts(home: Path) -> None:
    config(home, "Host web\n ProxyCommand nc %h 22\nHost *\n ProxyJump bastion\n")
    assert (resolve(WEB).jumps, resolve(WEB).proxy_command) == ((), "nc web 22")
    config(home, "Host web\n ProxyJump a,b\nHost *\n ProxyCommand nc %h 22\n")
    assert [hop.address for hop in resolve(WEB).jumps] == ["a", "b"]
    assert resolve(replace(WEB, common_args="-o ProxyJump=none")).jumps == ()


@pytest.mark.parametrize("match", ["", "Match all\n"])
def test_the_way_that_the_inventory_names_wins(home: Path, match: str) -> None:
    config(home, f"Host web\n ProxyJump bastion\nHost db\n ProxyCommand nc %h 22\n{match}User u\n")

    def way(host: str, args: str) -> tuple[list[str], str | None]:
        settings = resolve(Login(host, host, common_args=args))
        return [hop.address for hop in settings.jumps], settings.proxy_command

    assert way("web", "") == (["bastion"], None)
    assert way("db", "") == ([], "nc db 22")
    for none in ("ProxyJump=none", "ProxyCommand=none"):
        assert way("web", f"-o {none}") == way("db", f"-o {none}") == ([], None)
    assert way("web", "-o ProxyCommand='nc -X %n'") == ([], "nc -X web")
    assert way("db", "-J [2001:db8::1]:2,2001:db8::2") == (["2001:db8::1", "2001:db8::2"], None)


def test_what_openssh_says_about_a_broken_file_is_told(home: Path) -> None:
    config(home, "CanonicalizeHostname yes\nCanonicalDomains example.invalid\nCanonicalizeFallbackLocal no\n")
    with pytest.raises(ConfigError, match=r'web: ssh_config: .*Could not resolve host "web"'):
        resolve(WEB)
    config(home, "Match all\nNoSuchOption yes\n")
    with pytest.raises(ConfigError, match=r"web: ssh_config: .*config: line 2: Bad configuration option: nosuchoption"):
        resolve(WEB)


def test_a_match_that_hangs_is_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_config, "_PATIENCE", 0.5)
    config(home, 'Match exec "exec sleep 60"\n User u\n')
    with pytest.raises(ConfigError, match=r"took more than 0\.5 s"):
        resolve(WEB)


def settings_without_ssh(home: Path, text: str) -> Settings:
    config(home, text)
    return resolve(WEB)


def test_without_openssh_the_rest_is_read_and_the_loss_is_noted(home: Path, no_ssh: None) -> None:
    (home / "more.conf").write_text("Port 1\n")
    settings = settings_without_ssh(home, f"Include {home}/more.conf\nHost web\n User bob\nMatch host web\n Port 2\n")
    assert (settings.user, settings.port) == ("bob", 2)
    assert [note.split(",")[0] for note in settings.notes] == ["ssh_config has Include", "ssh_config has Match"]
    assert settings_without_ssh(home, "Host web\n User bob\n ProxyCommand nc %h\n").notes == ()


def test_a_user_without_a_name_can_do_without_ssh(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as some number."""
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    monkeypatch.setenv("LOGNAME", "number")
    assert settings_without_ssh(home, "Match host web\n User bob\n").user == "bob"


def test_match_exec_finds_invoke_where_paramiko_was_loaded_without(home: Path, no_ssh: None) -> None:
    """A start loads paramiko with a stand-in for invoke, which runs the command of ``Match exec``."""
    config(home, 'Match exec "test %h = web"\n User yes\nMatch exec false\n Port 1\n')
    code = (
        "from provision.transport.lean import lean\n"
        "from provision.transport.protocol import Login\n"
        "with lean():\n    from provision.transport.ssh_settings import resolve\n"
        "import sys\nloaded = 'invoke' in sys.modules\n"
        "settings = resolve(Login('web', 'web'))\nprint(loaded, settings.user, settings.port)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False yes 22\n"
