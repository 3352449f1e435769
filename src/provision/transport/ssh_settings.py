"""How to reach a host: the inventory's variables over ~/.ssh/config over /etc/ssh/ssh_config.

Both go through paramiko's parser as OpenSSH would read them, the inventory first, as if it were the command line:
the first value found wins, and ``%h``, ``%p``, ``%r`` see what was really chosen.
"""

from __future__ import annotations

import getpass
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from paramiko import SSHConfig
from paramiko.ssh_exception import ConfigParseError, CouldNotCanonicalize

from provision.errors import ConfigError
from provision.transport.protocol import Login
from provision.transport.ssh_hostkeys import KnownHosts

_OPTIONS = (
    "HashKnownHosts",
    "HostKeyAlias",
    "HostName",
    "IdentitiesOnly",
    "IdentityFile",
    "Port",
    "ProxyCommand",
    "ProxyJump",
    "StrictHostKeyChecking",
    "User",
    "UserKnownHostsFile",
)
_FLAGS = {"-J": "ProxyJump", "-i": "IdentityFile", "-l": "User", "-p": "Port"}
_CONFIG_FILES = ("~/.ssh/config", "/etc/ssh/ssh_config")
_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_SYSTEM_KNOWN_HOSTS = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))


class _Config(SSHConfig):
    # With %l, this machine's full name, paramiko asks DNS for every IdentityFile, even where none has a %l: seconds
    # on a laptop without reverse DNS.
    TOKENS_BY_CONFIG_KEY = {  # noqa: RUF012
        key: [token for token in tokens if token != "%l"] for key, tokens in SSHConfig.TOKENS_BY_CONFIG_KEY.items()
    }


@dataclass(frozen=True)
class Settings:
    """What ssh_config(5) calls the options of one connection, resolved."""

    name: str
    """The inventory's name of the host, or the jump host's as ProxyJump wrote it."""
    address: str
    port: int
    user: str
    key_files: tuple[Path, ...]
    identities_only: bool
    known_hosts: KnownHosts
    host_key_name: str
    """Under which known_hosts keeps the host: HostKeyAlias, the address, or ``[address]:port``."""
    strict: str
    """StrictHostKeyChecking."""
    jumps: tuple[Settings, ...]
    """The jump hosts on the way, the first one first."""
    proxy_command: str | None
    timeout: float
    password: str | None = field(default=None, repr=False)
    become_password: str | None = field(default=None, repr=False)

    @property
    def where(self) -> str:
        """The host as messages name it."""
        place = f"{self.address} port {self.port}"
        return place if self.name == self.address else f"{self.name} ({place})"

    @property
    def command(self) -> str:
        """The `ssh` command line of the same login, for hints."""
        port = [] if self.port == 22 else ["-p", str(self.port)]
        jump = ["-J", ",".join(f"{hop.user}@{hop.address}:{hop.port}" for hop in self.jumps)] if self.jumps else []
        return shlex.join(["ssh", *port, *jump, f"{self.user}@{self.address}"])


def resolve(login: Login) -> Settings:
    """All options of one login. Raises ConfigError for what cannot be read, or is not supported."""
    given = [(key, value) for key, value in _inventory(login) if value]
    given += _common_args(login)
    settings = _lookup(login.name, login.address, given, login.timeout, frozenset())
    return replace(settings, password=login.password, become_password=login.become_password)


def _inventory(login: Login) -> Iterator[tuple[str, str]]:
    yield "Port", str(login.port or "")
    yield "User", login.user or ""
    yield "UserKnownHostsFile", login.known_hosts or ""
    for path in login.key_files:
        yield "IdentityFile", path


def _common_args(login: Login) -> list[tuple[str, str]]:
    def refuse(word: str) -> ConfigError:
        return ConfigError(
            f"{login.name}: ansible_ssh_common_args: {word} is not supported",
            hint=f"supported are {', '.join(_FLAGS)} and -o with {', '.join(_OPTIONS)}; "
            "other options belong into ~/.ssh/config",
        )

    try:
        words = shlex.split(login.common_args)
    except ValueError as error:
        raise ConfigError(f"{login.name}: ansible_ssh_common_args: {error}") from error
    given = []
    while words:
        word = words.pop(0)
        flag, value = word[:2], word[2:]
        if flag != "-o" and flag not in _FLAGS:
            raise refuse(word)
        if not value and not words:
            raise ConfigError(f"{login.name}: ansible_ssh_common_args: {word} needs a value")
        value = value or words.pop(0)
        if flag == "-o":
            key, _, value = value.replace("=", " ", 1).strip().partition(" ")
            name = next((option for option in _OPTIONS if option.lower() == key.lower()), None)
            if name is None:
                raise refuse(f"-o {key}")
            given.append((name, value.strip()))
        else:
            given.append((_FLAGS[flag], value))
    return given


def _lookup(
    name: str, address: str, given: list[tuple[str, str]], timeout: float, on_the_way: frozenset[tuple[str, str]]
) -> Settings:
    found = _config(name, given).lookup(address)
    host, user = found["hostname"], found.get("user") or getpass.getuser()
    if not re.fullmatch(r"[\w.:%-]+", host) or host.count(":") == 1:
        raise ConfigError(
            f"{name}: {host!r} is neither a name nor an address",
            hint="user and port have variables of their own: ansible_user, ansible_port",
        )
    port = _port(name, found.get("port", "22"))
    jump, proxy = _first(given, found.get("proxyjump"), found.get("proxycommand"))
    alias = found.get("hostkeyalias")
    return Settings(
        name=name,
        address=host,
        port=port,
        user=user,
        key_files=tuple(Path(path).expanduser() for path in found.get("identityfile", [])),
        identities_only=found.get("identitiesonly", "no").lower() == "yes",
        known_hosts=KnownHosts(
            tuple(Path(p).expanduser() for p in shlex.split(found.get("userknownhostsfile", _KNOWN_HOSTS))),
            _SYSTEM_KNOWN_HOSTS,
            found.get("hashknownhosts", "no").lower() == "yes",
        ),
        host_key_name=alias or (host.lower() if port == 22 else f"[{host.lower()}]:{port}"),
        strict=found.get("stricthostkeychecking", "ask").lower(),
        jumps=_jumps(jump, timeout, on_the_way | {(address, ""), (host, ""), (host, str(port))}) if jump else (),
        proxy_command=proxy,
        timeout=timeout,
    )


def _config(name: str, given: list[tuple[str, str]]) -> SSHConfig:
    config = _Config()
    if any("\n" in value for _, value in given):
        raise ConfigError(f"{name}: a connection variable holds a line break")
    config.parse(io.StringIO("".join(f"{key} {value}\n" for key, value in given)))
    for file in _CONFIG_FILES:
        try:
            with Path(file).expanduser().open(encoding="utf-8") as lines:
                config.parse(lines)
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, ConfigParseError, CouldNotCanonicalize) as error:
            raise ConfigError(f"{file} cannot be read: {error}") from error
    return config


def _first(given: list[tuple[str, str]], jump: str | None, proxy: str | None) -> tuple[str | None, str | None]:
    """ProxyJump and ProxyCommand exclude each other, the first one given wins; "none" switches both off."""
    for key, value in given:
        if key in ("ProxyJump", "ProxyCommand"):
            jump, proxy = (jump, None) if key == "ProxyJump" else (None, proxy)
            if value.lower() == "none":
                return None, None
            break
    if jump and jump.lower() != "none":
        return jump, None
    return None, proxy


def _jumps(chain: str, timeout: float, on_the_way: frozenset[tuple[str, str]]) -> tuple[Settings, ...]:
    """The hops of ``[user@]host[:port],...``. Only the first hop's own ProxyJump counts, as with `ssh -J`."""
    hops: list[Settings] = []
    for hop in chain.split(","):
        user, _, place = hop.strip().removeprefix("ssh://").rpartition("@")
        host, colon, port = place.rpartition(":")
        if not colon or (":" in host and not host.endswith("]")):
            host, port = place, ""
        host = host.strip("[]")
        if (host, port) in on_the_way:
            # `Host *` with a ProxyJump matches the jump host too.
            continue
        given = [("User", user)] * bool(user) + [("Port", port)] * bool(port)
        given += [("ProxyJump", "none")] * bool(hops)
        settings = _lookup(hop.strip(), host, given, timeout, on_the_way)
        hops += [*settings.jumps, settings]
    return tuple(hops)


def _port(name: str, text: str) -> int:
    if not (text.isdigit() and 0 < int(text) < 65536):
        raise ConfigError(f"{name}: {text!r} is not a port")
    return int(text)
