"""Which files an inventory path means, and what they are when they are no YAML inventory."""

from __future__ import annotations

import re
from pathlib import Path

from provision import yamlfile
from provision.errors import ConfigError, Position
from provision.inventory import vagrant
from provision.vault import Vault
from provision.yamlfile import Node

_YAML_SUFFIXES = ("", ".yml", ".yaml", ".json")
# ansible-core's INVENTORY_IGNORE_EXTS and what InventoryManager always leaves out of a folder.
_IGNORED = re.compile(
    r"^\.|^(host_vars|group_vars|vars_plugins)$|(\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$"
)
_INI_SECTION = re.compile(r"\s*\[[^\[\]]+\]\s*([#;].*)?")
_INI_HOST = re.compile(r"\s*[\w.-]+\s+ansible_\w+=.*")
_CONVERT = "convert it: ansible-inventory -i {} --list --yaml --export > inventory.yml"


def files(path: Path) -> list[Path]:
    """The inventory files that ``path`` means, in the order in which Ansible reads them."""
    if not path.is_dir():
        return [path]
    try:
        entries = sorted(entry for entry in path.iterdir() if not _IGNORED.search(entry.name))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    found = [file for entry in entries for file in files(entry)]
    if not found:
        raise ConfigError(f"{path}: there is no inventory file in this folder")
    return found


def read(file: Path, vault: Vault) -> dict[str, tuple[Position, Node]]:
    """What stands at the top of ``file``, by name, each with the place of its name: groups, and options of a plugin.

    Raises ConfigError.
    """
    if not file.exists():
        raise ConfigError(f"{file}: there is no such inventory", hint="give the path of an Ansible inventory in YAML")
    if file.suffix not in _YAML_SUFFIXES:
        raise _foreign(file, _CONVERT if file.suffix in (".ini", ".toml") else "name it .yml if it is a YAML inventory")
    if _first_bytes(file) == b"#!":
        raise _foreign(file, _CONVERT, "inventory scripts are not run")
    try:
        node = yamlfile.load(file, vault)
    except ConfigError:
        _refuse_ini(file)
        raise
    if not isinstance(node.value, dict):
        _refuse_ini(file)
    if not node.value:
        raise ConfigError(
            "this inventory is empty",
            position=node.position,
            hint="the smallest one is: all: {hosts: {203.0.113.10: }}",
        )
    if not isinstance(node.value, dict):
        hint = "this looks like a playbook; give the inventory" if isinstance(node.value, list) else ""
        message = f"an inventory is a mapping of groups, not {yamlfile.describe(node)}"
        raise ConfigError(message, position=node.position, hint=hint or "begin it with `all:`")
    plugin = node.value.get("plugin")
    if plugin and plugin.value != vagrant.PLUGIN:
        raise ConfigError(
            f"{vagrant.PLUGIN} is the only inventory plugin that is supported",
            position=plugin.position,
            hint=_CONVERT.format(file.name),
        )
    return {name: (node.keys[name], group) for name, group in node.value.items()}


def _foreign(file: Path, hint: str, what: str = "only YAML inventories are supported") -> ConfigError:
    return ConfigError(f"{file}: {what}", hint=hint.format(file.name))


def _first_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(2)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error


def _refuse_ini(file: Path) -> None:
    """Raise the clearer error where a file that is no YAML mapping is an INI inventory."""
    for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), start=1):
        if _INI_SECTION.fullmatch(line) or _INI_HOST.fullmatch(line):
            position = Position(file, number, 1)
            raise ConfigError(
                "INI inventories are not supported, only YAML", position=position, hint=_CONVERT.format(file.name)
            )
