"""Ansible's connection variables: those that make a Login, those that are refused, those that change nothing."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from provision.errors import ConfigError, Position
from provision.inventory.model import Host
from provision.nearest import did_you_mean
from provision.transport.protocol import Login
from provision.yamlfile import Node


def _text(value: Any) -> str:
    if isinstance(value, bool | dict | list) or str(value) != str(value).strip() or not str(value):
        raise ValueError("must be text without spaces around it")
    return str(value)


def _word(value: Any) -> str:
    if not re.fullmatch(r"[^\s-]\S*", text := _text(value)):
        raise ValueError("must be one word that does not begin with a dash")
    return text


def _secret(value: Any) -> str:
    if isinstance(value, bool | dict | list) or not str(value):
        raise ValueError("must be text")
    return str(value)


def _port(value: Any) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", str(value)) or not 1 <= int(value) <= 65535:
        raise ValueError("must be a port between 1 and 65535")
    return int(value)


def _seconds(value: Any) -> float:
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]+)?", str(value)) or float(value) <= 0:
        raise ValueError("must be a number of seconds above 0")
    return float(value)


def _arguments(value: Any) -> str:
    text = "" if value == "" else _text(value)
    try:
        shlex.split(text)
    except ValueError as error:
        raise ValueError(f"must be options of ssh: {str(error).lower()}") from error
    return text


def _files(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in (value if isinstance(value, list | tuple) else [value]))


def _ssh_only(value: Any) -> str:
    if value not in ("ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh"):
        raise ValueError("must be ssh: every host is reached by SSH, this machine too (`ansible_host: 127.0.0.1`)")
    return str(value)


def _sudo_only(value: Any) -> str:
    if value not in ("sudo", "ansible.builtin.sudo"):
        raise ValueError("must be sudo: log in as root, or as a user who may use sudo")
    return str(value)


def _root_only(value: Any) -> str:
    if value != "root":
        raise ValueError("must be root; what an app runs as is a variable of its role")
    return str(value)


def _unsupported(instead: str) -> Callable[[Any], None]:
    def refuse(value: Any) -> None:
        raise ValueError(f"is not supported: {instead}")

    return refuse


# Aliases in the order of ansible-core's ssh and sudo plugins: the last one that is defined wins.
_ALIASES = {
    "address": ("ansible_host", "ansible_ssh_host"),
    "port": ("ansible_port", "ansible_ssh_port"),
    "user": ("ansible_user", "ansible_ssh_user"),
    "key_files": ("ansible_private_key_file", "ansible_ssh_private_key_file"),
    "password": ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password"),
    "become_password": ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"),
    "common_args": ("ansible_ssh_common_args",),
    "extra_args": ("ansible_ssh_extra_args",),
    "timeout": ("ansible_timeout", "ansible_ssh_timeout"),
}
_FIELDS: dict[str, Callable[[Any], Any]] = {
    "address": _word,
    "port": _port,
    "user": _word,
    "key_files": _files,
    "password": _secret,
    "become_password": _secret,
    "common_args": _arguments,
    "extra_args": _arguments,
    "timeout": _seconds,
}
_KEY_TEXT = "keep the key in a file and name it in ansible_ssh_private_key_file"
_AGENT = "load the key into ssh-agent"
_CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "ansible_connection": _ssh_only,
    "ansible_become_method": _sudo_only,
    "ansible_become_user": _root_only,
    "ansible_sudo_user": _root_only,
    "ansible_private_key": _unsupported(_KEY_TEXT),
    "ansible_ssh_private_key": _unsupported(_KEY_TEXT),
    "ansible_private_key_passphrase": _unsupported(_AGENT),
    "ansible_ssh_private_key_passphrase": _unsupported(_AGENT),
    "ansible_ssh_pkcs11_provider": _unsupported(_AGENT),
}
_USED = {alias: _FIELDS[name] for name, aliases in _ALIASES.items() for alias in aliases} | _CONDITIONS
_IGNORED = {
    "ansible_python_interpreter": "nothing on the host needs Python",
    "ansible_pipelining": "every script already goes through one channel",
    "ansible_ssh_pipelining": "every script already goes through one channel",
    "ansible_ssh_args": "use ansible_ssh_common_args",
    "ansible_host_key_checking": "host keys are always checked",
    "ansible_ssh_host_key_checking": "host keys are always checked",
    "ansible_shell_type": "the host's /bin/sh is used",
    "ansible_shell_executable": "the host's /bin/sh is used",
    "ansible_group_priority": "it counts only under `vars:` of a group in the inventory file",
}


def login_variables(host: Host, extra: Mapping[str, Node] | None = None) -> dict[str, Any]:
    """The connection variables of ``host``, ``extra`` (``--set``) before its own; to be rendered.

    They are source text, so that a password ``0123`` does not become a number.
    """
    found = {}
    for name, node in {**host.variables, **(extra or {})}.items():
        if name in _USED and node.value is not None:
            found[name] = [item.text for item in node.value] if isinstance(node.value, list) else node.text
    return found


def login_from(name: str, variables: Mapping[str, Any], base: Path) -> Login:
    """The Login of the host ``name`` from its rendered variables; relative key files start at ``base``.

    Raises ConfigError that names the variable.
    """
    for variable, convert in _USED.items():
        if variables.get(variable) is not None:
            _checked(name, variable, variables[variable], convert)
    values: dict[str, Any] = {}
    for field, aliases in _ALIASES.items():
        for alias in aliases:
            if variables.get(alias) is not None:
                values[field] = _FIELDS[field](variables[alias])
    arguments = " ".join(filter(None, (values.pop("common_args", ""), values.pop("extra_args", ""))))
    values["key_files"] = tuple(_path(file, base) for file in values.get("key_files", ()))
    values.setdefault("address", name)
    return Login(name=name, common_args=arguments, **values)


def plain_logins(hosts: Iterable[Host], extra: Mapping[str, Node], base: Path) -> list[Login]:
    """The Logins that need no template, as ``login_from`` makes them; others, and mistakes, are left out."""
    found = []
    for host in hosts:
        variables = login_variables(host, extra)
        if not any("{{" in str(value) or "{%" in str(value) for value in variables.values()):
            with contextlib.suppress(ConfigError):
                found.append(login_from(host.name, variables, base))
    return found


def check(hosts: Iterable[Host], attempt: Callable[[Callable[[], str]], str | None]) -> list[str]:
    """Refuse, with their place, values no Login can be made of; return notes on what is ignored. Raises ConfigError."""
    notes: dict[Position, str] = {}
    seen: set[int] = set()
    for host in hosts:
        for layer in host.layers:
            if id(layer.variables) in seen:
                continue
            seen.add(id(layer.variables))
            for name, node in layer.variables.items():
                if name.startswith("ansible_") and (note := attempt(partial(_check, host.name, name, node))):
                    notes[node.position] = f"{node.position}: {note}"
    return list(notes.values())


def _check(host: str, name: str, node: Node) -> str:
    if name in _USED:
        value = node.plain()
        if value is not None and "{{" not in str(value) and "{%" not in str(value):
            _checked(host, name, value if isinstance(value, list) else node.text or value, _USED[name], node.position)
        return ""
    if name == "ansible_become":
        return "" if node.value is not False else "ansible_become: false is ignored: everything here needs root"
    if name.endswith("_interpreter"):
        return f"{name} is ignored: {_IGNORED['ansible_python_interpreter']}"
    if name in _IGNORED:
        return f"{name} is ignored: {_IGNORED[name]}"
    return f"{name} is ignored. {did_you_mean(name, _USED)}".rstrip()


def _checked(host: str, name: str, value: Any, convert: Callable[[Any], Any], position: Position | None = None) -> None:
    try:
        convert(value)
    except ValueError as error:
        at = "" if position else f"{host}: "
        raise ConfigError(f"{at}{name} {error}", position=position) from error


def _path(text: str, base: Path) -> str:
    try:
        return str(base / Path(text).expanduser())
    except RuntimeError as error:  # ~name of a user who does not exist
        raise ConfigError(f"{text}: there is no such user on this machine") from error
