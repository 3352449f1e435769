"""Hosts from Vagrant, for inventory files with ``plugin: provision.vagrant``; `vagrant ssh-config` has their logins.

Besides the plugin's options such a file is an inventory like any other: groups, variables, and hosts with variables.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from provision.errors import ConfigError, Position
from provision.yamlfile import Node, describe

PLUGIN = "provision.vagrant"
STAND_IN = "default"
"""What Vagrant calls the only machine of a Vagrantfile that names none."""
TIMEOUT = 60.0
"""Seconds for `vagrant ssh-config`, which takes one or two."""

Variables: TypeAlias = dict[str, Any]

_NAME = re.compile(r"\w[\w.-]*")
_VARIABLES = {"hostname": "ansible_host", "port": "ansible_port", "user": "ansible_user"}
_MOST_LINES = 15
_NOT_RUNNING = "is not yet ready for SSH"
"""Of Vagrant::Errors::SSHNotReady, raised for the first machine that does not run."""
_LOCAL = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10")
)


@dataclass(frozen=True)
class Source:
    """The plugin's options, as an inventory file gives them."""

    position: Position
    """Where ``plugin`` stands."""
    folder: Path
    """Where vagrant is run."""

    def machines(self) -> dict[str, Variables]:
        """The connection variables of every machine of the Vagrantfile, by name. Raises ConfigError."""
        text = self._ask()
        try:
            return parse(text)
        except ValueError as error:
            message = f"what `vagrant ssh-config` printed cannot be used: {error}"
            raise ConfigError(message, position=self.position, hint=f"see for yourself: {self._by_hand}") from error

    @property
    def _by_hand(self) -> str:
        return f"cd {shlex.quote(str(self.folder))} && vagrant ssh-config"

    def _ask(self) -> str:
        try:
            status, output, complaint = run_vagrant(self.folder, "ssh-config", timeout=TIMEOUT)
        except FileNotFoundError as error:
            raise ConfigError(
                "there is no `vagrant` on this machine, and this inventory takes its hosts from it",
                position=self.position,
                hint="install Vagrant; hosts that are no machines of Vagrant need an inventory without `plugin:`",
            ) from error
        except OSError as error:
            raise ConfigError(f"`vagrant` cannot be run: {error.strerror}", position=self.position) from error
        except subprocess.TimeoutExpired as error:
            raise ConfigError(
                f"`vagrant ssh-config` did not end within {TIMEOUT:g} s",
                position=self.position,
                hint=f"see what it waits for: {self._by_hand}",
            ) from error
        if not status:
            return output
        if _NOT_RUNNING in " ".join(complaint.split()):
            raise ConfigError(
                f"not every machine of {self.folder} is running",
                position=self.position,
                hint="`vagrant up` starts them, `vagrant status` shows which there are",
            )
        said = "\n".join(complaint.strip().splitlines()[:_MOST_LINES])
        raise ConfigError(
            f"`vagrant ssh-config` ended with status {status}: {said or 'it said nothing'}",
            position=self.position,
            hint=f"repeat it with: {self._by_hand}",
        )


def take_source(entries: dict[str, tuple[Position, Node]]) -> Source | None:
    """Take the plugin's options out of ``entries``, the top of an inventory file. None where there is no plugin.

    Raises ConfigError.
    """
    if "plugin" not in entries:
        return None
    plugin, _ = entries.pop("plugin")
    base = plugin.file.absolute().parent
    if "vagrantfile" not in entries:
        return Source(plugin, base)  # Vagrant looks for a Vagrantfile in the folders above too.
    _, option = entries.pop("vagrantfile")
    if not isinstance(option.value, str) or not option.value:
        message = f"vagrantfile must be a folder with a Vagrantfile, not {describe(option)}"
        raise ConfigError(message, position=option.position)
    folder = Path(os.path.normpath(base / option.value))
    if folder.name == "Vagrantfile":
        folder = folder.parent
    if not (folder / "Vagrantfile").is_file():
        raise ConfigError(
            f"there is no Vagrantfile in {folder}",
            position=option.position,
            hint=f"vagrantfile is the folder that holds it, seen from {base}",
        )
    return Source(plugin, folder)


def parse(text: str) -> dict[str, Variables]:
    """The connection variables of every machine in ``text``, the output of `vagrant ssh-config` (ssh_config(5)).

    Raises ValueError, in words that end a sentence.
    """
    found: dict[str, dict[str, list[str]]] = {}
    options: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, _, value = line.partition(" ")
        if key == "Host":
            options = found.setdefault(value.strip(), {})
        # What comes before the first Host are messages of Vagrant and its plugins.
        options.setdefault(key.lower(), []).append(_unquoted(value.strip()))
    if not found:
        first = next(filter(None, map(str.strip, text.splitlines())), "")
        raise ValueError(f"no line of it begins with `Host`; the first is {first!r}" if first else "it is empty")
    return {name: _variables(name, options) for name, options in found.items()}


def _variables(name: str, options: dict[str, list[str]]) -> Variables:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a host")
    if "hostname" not in options:
        raise ValueError(f"{name} has no HostName")
    variables: Variables = {_VARIABLES[key]: values[0] for key, values in options.items() if key in _VARIABLES}
    if keys := options.get("identityfile", []):
        variables["ansible_ssh_private_key_file"] = keys if len(keys) > 1 else keys[0]
    if arguments := list(_arguments(options)):
        variables["ansible_ssh_common_args"] = shlex.join(arguments)
    return variables


def _arguments(options: dict[str, list[str]]) -> Iterator[str]:
    if options.get("stricthostkeychecking") == ["no"] and _is_local(options["hostname"][0]):
        # Every new VM has a new key, often at an address that another one had before.
        yield from ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    if options.get("identitiesonly") == ["yes"]:
        yield from ("-o", "IdentitiesOnly=yes")
    for command in options.get("proxycommand", []):
        yield from ("-o", f"ProxyCommand={command}")


def _is_local(address: str) -> bool:
    """Does an address belong to this machine or to a private network? Providers of rented VMs give others."""
    try:
        return any(ipaddress.ip_address(address) in network for network in _LOCAL)
    except ValueError:
        return address == "localhost"


def _unquoted(value: str) -> str:
    """Vagrant puts a path into quotes where it holds a space, and escapes nothing."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def run_vagrant(
    folder: Path, *words: str, timeout: float, environment: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Status, standard output and standard error of `vagrant` for the Vagrantfile in ``folder``.

    ``environment`` is on top of our own. Raises OSError, TimeoutExpired.
    """
    # VAGRANT_CWD of the environment would lead elsewhere; the news that CHECKPOINT fetches would only take time.
    own = {"VAGRANT_CWD": str(folder), "VAGRANT_CHECKPOINT_DISABLE": "1", **(environment or {})}
    with subprocess.Popen(
        ("vagrant", *words),
        cwd=folder,
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, complaint = process.communicate(timeout=timeout)
        except BaseException:
            # Its children as well: the command may be a wrapper around the real one.
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, output, complaint
