"""What ssh_config says about one host: `ssh -G` is asked where the files hold what only OpenSSH's client reads.

Most files do not, and then paramiko's reader, which costs no process, gives the same answer.
"""

from __future__ import annotations

import contextlib
import getpass
import glob
import io
import os
import pwd
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from paramiko import SSHConfig
from paramiko.ssh_exception import ConfigParseError, CouldNotCanonicalize

from provision.errors import ConfigError

_FILES = ("~/.ssh/config", "/etc/ssh/ssh_config")
_LISTS = ("userknownhostsfile", "globalknownhostsfile")
_READ = (
    *("hashknownhosts", "hostkeyalias", "hostname", "identitiesonly", "identityagent", "identityfile"),
    *("port", "proxycommand", "proxyjump", "stricthostkeychecking", "user", *_LISTS),
)
"""The options that are asked for and that paramiko's reader knows."""
_WAYS = ("ProxyJump", "ProxyCommand")
_FOREIGN = ("", "canonicalizehostname", "certificatefile", "tag")
"""Those it does not know: of several CertificateFile it keeps the first."""
_UNDEFAULTED = "none:defaults"
"""An IdentityFile that keeps `ssh -G` from printing the default ones, which look as if somebody had named them."""
_SYNTAX = re.compile(r"""["'\\#$%]""")
_PATIENCE = 30.0
"""Seconds for `ssh -G`, which may resolve names (CanonicalizeHostname) and run commands (Match exec)."""


@dataclass(frozen=True)
class Options:
    """The options of one host, by their names in lower case, before tokens such as %h are expanded."""

    values: dict[str, list[str]]
    notes: tuple[str, ...] = field(default=())
    """What could not be read as OpenSSH reads it."""

    def one(self, name: str, default: str = "") -> str:
        """The value of an option that has one."""
        return self.values.get(name, [default])[0]

    def all(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """The values of an option that may have several."""
        return self.values.get(name, list(default))


def lookup(name: str, address: str, given: Sequence[tuple[str, str]]) -> Options:
    """The options of ``address``, those ``given`` first, as if they stood on the command line.

    ``name`` is the host's in messages. Raises ConfigError for files that cannot be read.
    """
    texts = {file: text for file in _FILES if (text := _text(file)) is not None}
    # These two exclude each other, whoever reads the files, and are read more leniently than by some versions of ssh.
    ways = [option for option in given if option[0] in _WAYS]
    others = [option for option in given if option[0] not in _WAYS]
    foreign = list(_foreign(texts))
    options = None
    if foreign:
        with contextlib.suppress(FileNotFoundError):
            options = _by_openssh(name, address, others)
    if options is None:
        options = _by_paramiko(address, others, texts, {word for word in foreign if word in ("Include", "Match")})
    return replace(options, values=options.values | _way(ways, options))


def _text(file: str) -> str | None:
    try:
        return Path(file).expanduser().read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def _foreign(texts: Mapping[str, str]) -> Iterator[str]:
    """What paramiko's reader does not understand, or not as OpenSSH does."""
    seen = set()
    for file, line in ((file, line.strip()) for file, text in texts.items() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        found = re.fullmatch(r"(\w+)(?:\s*=\s*|\s+)(.+)", line)
        key, value = (found.group(1).lower(), found.group(2)) if found else ("", line)
        seen.add(key)
        if key == "match":
            yield "Match"
        elif key == "include":
            yield from ["Include"] * _includes(file, value)
        elif key in _FOREIGN or (key in ("host", *_READ) and _SYNTAX.search(value)):
            yield line
    if {"proxyjump", "proxycommand"} <= seen:
        yield "ProxyJump and ProxyCommand, of which the first counts"


def _includes(file: str, patterns: str) -> bool:
    """Does an Include find a file? Debian's of /etc/ssh/ssh_config.d usually finds none."""
    if _SYNTAX.search(patterns):
        return True
    folder = Path(file).expanduser().parent
    return any(glob.glob(str(folder / os.path.expanduser(pattern))) for pattern in patterns.split())


def _by_openssh(name: str, address: str, given: Sequence[tuple[str, str]]) -> Options:
    """The answer of `ssh -G`. Raises FileNotFoundError where there is no ssh to ask."""
    options = [("IdentityFile", _UNDEFAULTED), *given]
    with _files() as files:
        words = ["ssh", "-G", "-T", *files, *(word for key, value in options for word in ("-o", f"{key}={value}"))]
        try:
            done = subprocess.run(
                [*words, "--", address], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigError(
                f"{name}: `ssh -G` took more than {_PATIENCE:g} s", hint="see which `Match exec` of ssh_config hangs"
            ) from error
    if done.returncode:
        said = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        raise ConfigError(f"{name}: ssh_config: {said[0] if said else f'`ssh -G` ends with {done.returncode}'}")
    values: dict[str, list[str]] = {}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(" ")
        if value != _UNDEFAULTED:
            values.setdefault(key, []).extend(value.split() if key in _LISTS else [value])
    return Options(values)


@contextlib.contextmanager
def _files() -> Iterator[list[str]]:
    """The arguments that name the files: none, unless $HOME is another folder than OpenSSH's idea of it.

    That is passwd's, while everything else here, and in Python, follows $HOME.
    """
    home = Path.home()
    try:
        known = Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError as error:
        raise FileNotFoundError("for a user without a name, ssh does nothing") from error
    if home == known:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="ssh_config") as file:
        file.writelines(f'Include "{Path(name).expanduser()}"\n' for name in _FILES)
        file.write(f'Match all\nUserKnownHostsFile "{home}/.ssh/known_hosts" "{home}/.ssh/known_hosts2"\n')
        file.flush()
        yield ["-F", file.name]


class _Config(SSHConfig):
    # All but these are expanded by whoever reads the options. Of its own accord, paramiko asks DNS for this machine's
    # name for every IdentityFile, even where none has a %l: seconds on a laptop without reverse DNS.
    TOKENS_BY_CONFIG_KEY = {  # noqa: RUF012
        "hostname": ["%h"],
        "match-exec": [token for token in SSHConfig.TOKENS_BY_CONFIG_KEY["match-exec"] if token != "%l"],
    }


def _by_paramiko(
    address: str, given: Sequence[tuple[str, str]], texts: dict[str, str], unread: Iterable[str]
) -> Options:
    config = _Config()
    config.parse(io.StringIO("".join(f"{key} {value}\n" for key, value in given)))
    for file, text in texts.items():
        try:
            config.parse(io.StringIO(text))
        except (ConfigParseError, ValueError) as error:
            raise ConfigError(f"{file} cannot be read: {error}") from error
    try:
        found = config.lookup(address)
    except (CouldNotCanonicalize, ConfigParseError, KeyError, ValueError) as error:
        raise ConfigError(f"ssh_config cannot be read: {error}") from error
    values = {key: value if isinstance(value, list) else [value] for key, value in found.items() if value is not None}
    for key in _LISTS:
        if key in values:
            values[key] = shlex.split(values[key][0])
    values["user"] = values.get("user") or [getpass.getuser()]
    notes = [
        f"ssh_config has {word}, which only OpenSSH's client reads in full, and there is no `ssh` to ask"
        for word in sorted(unread)
    ]
    return Options({key: value for key, value in values.items() if value}, tuple(notes))


def _way(given: Sequence[tuple[str, str]], options: Options) -> dict[str, list[str]]:
    """ProxyJump or ProxyCommand: what is given first, else what the files say; "none" is neither."""
    jump, proxy = options.one("proxyjump", "none"), options.one("proxycommand", "none")
    if given:
        key, value = given[0]
        jump, proxy = (value, "none") if key == "ProxyJump" else ("none", value)
    if jump.lower() != "none":
        return {"proxyjump": [jump], "proxycommand": [""]}
    return {"proxyjump": [""], "proxycommand": [proxy if proxy.lower() != "none" else ""]}
