"""How to reach a host: the inventory's variables over ~/.ssh/config over /etc/ssh/ssh_config.

The inventory is read as if it were the command line of `ssh`: the first value found wins, and ``%h``, ``%p``, ``%r``
see what was really chosen.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from provision.errors import ConfigError
from provision.transport.protocol import Login
from provision.transport.ssh_config import Options, lookup
from provision.transport.ssh_hostkeys import KnownHosts
from provision.transport.ssh_tokens import Tokens

_OPTIONS = (
    "CertificateFile",
    "GlobalKnownHostsFile",
    "HashKnownHosts",
    "HostKeyAlias",
    "HostName",
    "IdentitiesOnly",
    "IdentityAgent",
    "IdentityFile",
    "Port",
    "ProxyCommand",
    "ProxyJump",
    "RequestTTY",
    "StrictHostKeyChecking",
    "User",
    "UserKnownHostsFile",
)
_FILES_OF = ("CertificateFile", "IdentityFile", "UserKnownHostsFile")
_FLAGS = {"-J": "ProxyJump", "-i": "IdentityFile", "-l": "User", "-p": "Port"}
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_SYSTEM_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


@dataclass(frozen=True)
class Settings:
    """What ssh_config(5) calls the options of one connection, resolved."""

    name: str
    """The inventory's name of the host, or the jump host's as ProxyJump wrote it."""
    address: str
    port: int
    user: str
    key_files: tuple[Path, ...]
    """Those that somebody has named; without any, the default ones are tried."""
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
    certificate_files: tuple[Path, ...] = ()
    default_keys: bool = True
    """False where IdentityFile is none."""
    identity_agent: str | None = None
    """The socket of ssh-agent, ``none``, ``$NAME`` of a variable that holds it; None for SSH_AUTH_SOCK."""
    notes: tuple[str, ...] = ()
    """What of ssh_config may have been read otherwise than OpenSSH does."""
    request_tty: bool = False
    """RequestTTY of the inventory, for a sudo with ``requiretty``."""
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
    terminal = next((value.lower() for key, value in given if key == "RequestTTY"), "no")
    given = [(key, value) for key, value in given if key != "RequestTTY"]
    settings = _settings(login.name, login.address, given, login.timeout, frozenset())
    return replace(
        settings,
        request_tty=terminal in ("yes", "force"),
        password=login.password,
        become_password=login.become_password,
    )


def _inventory(login: Login) -> Iterator[tuple[str, str]]:
    yield "Port", str(login.port or "")
    yield "User", login.user or ""
    yield "UserKnownHostsFile", shlex.quote(login.known_hosts) if login.known_hosts else ""
    for path in login.key_files:
        yield "IdentityFile", path


def _common_args(login: Login) -> list[tuple[str, str]]:
    def refuse(word: str) -> ConfigError:
        return ConfigError(
            f"{login.name}: ansible_ssh_common_args: {word} is not supported",
            hint=f"supported are {', '.join(_FLAGS)}, -t and -o with {', '.join(_OPTIONS)}; "
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
        if word in ("-t", "-tt"):
            given.append(("RequestTTY", "force"))
            continue
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


def _settings(
    name: str, address: str, given: list[tuple[str, str]], timeout: float, on_the_way: frozenset[tuple[str, str]]
) -> Settings:
    _check_address(name, address)
    if any(character in value for _, value in given for character in "\n\r\0"):
        raise ConfigError(f"{name}: a connection variable holds a line break")
    # Names of files may hold what is syntax in ssh_config; they are of no account for the other options.
    files = [(key, value) for key, value in given if key in _FILES_OF]
    found = lookup(name, address, [option for option in given if option not in files])
    host, user = found.one("hostname", address), found.one("user")
    _check_address(name, host)
    port = _port(name, found.one("port", "22"))
    alias, jump, proxy = found.one("hostkeyalias"), found.one("proxyjump"), found.one("proxycommand")
    tokens = Tokens(name, address, host, port, user, alias, jump)
    jump = tokens.line("ProxyJump", jump)
    settings = Settings(
        name=name,
        address=host,
        port=port,
        user=user,
        key_files=(),
        identities_only=found.one("identitiesonly", "no").lower() == "yes",
        known_hosts=KnownHosts((), (), found.one("hashknownhosts", "no").lower() == "yes"),
        host_key_name=alias or (host.lower() if port == 22 else f"[{host.lower()}]:{port}"),
        strict=_strict(found.one("stricthostkeychecking", "ask").lower()),
        jumps=_jumps(jump, timeout, on_the_way | {(address, ""), (host, ""), (host, str(port))}) if jump else (),
        proxy_command=tokens.line("ProxyCommand", proxy) or None,
        timeout=timeout,
        identity_agent=_agent(found.one("identityagent"), tokens),
        notes=found.notes,
    )
    return _with_files(settings, files, found, tokens)


def _with_files(settings: Settings, given: list[tuple[str, str]], found: Options, tokens: Tokens) -> Settings:
    """``settings`` with the files in which keys are."""

    def paths(option: str, words: list[str]) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(tokens.path(option, word) for word in words if word.lower() != "none"))

    def words(option: str) -> list[str]:
        return [value.strip('"') for key, value in given if key == option] + found.all(option.lower())

    known = next((shlex.split(value) for key, value in given if key == "UserKnownHostsFile"), None)
    known = known or found.all("userknownhostsfile", _KNOWN_HOSTS)
    system = found.all("globalknownhostsfile", _SYSTEM_KNOWN_HOSTS)
    return replace(
        settings,
        key_files=paths("IdentityFile", words("IdentityFile")),
        default_keys="none" not in map(str.lower, words("IdentityFile")),
        certificate_files=paths("CertificateFile", words("CertificateFile")),
        known_hosts=replace(
            settings.known_hosts,
            files=paths("UserKnownHostsFile", known),
            system_files=paths("GlobalKnownHostsFile", system),
        ),
    )


def _agent(value: str, tokens: Tokens) -> str | None:
    if not value or value == "SSH_AUTH_SOCK":
        return None
    return value if value == "none" or re.fullmatch(r"\$\w+", value) else str(tokens.path("IdentityAgent", value))


def _strict(value: str) -> str:
    # `ssh -G` prints them as booleans.
    return {"true": "yes", "false": "no"}.get(value, value)


def _check_address(name: str, address: str) -> None:
    if not re.fullmatch(r"[\w.:%-]+", address) or address.count(":") == 1:
        raise ConfigError(
            f"{name}: {address!r} is neither a name nor an address",
            hint="user and port have variables of their own: ansible_user, ansible_port",
        )


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
        settings = _settings(hop.strip(), host, given, timeout, on_the_way)
        hops += [*settings.jumps, settings]
    return tuple(hops)


def _port(name: str, text: str) -> int:
    if not (text.isdigit() and 0 < int(text) < 65536):
        raise ConfigError(f"{name}: {text!r} is not a port")
    return int(text)
