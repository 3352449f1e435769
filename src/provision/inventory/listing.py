"""The inventory as ``ansible-inventory`` prints it."""

from __future__ import annotations

from typing import Any

from provision.inventory.inventory import Inventory
from provision.inventory.model import Group, Host
from provision.yamlfile import Node

# Names that ansible-core keeps out of a listing even where a file sets them (its INTERNAL_STATIC_VARS).
_INTERNAL = frozenset(
    [
        "ansible_async_path",
        "ansible_collection_name",
        "ansible_config_file",
        "ansible_dependent_role_names",
        "ansible_diff_mode",
        "ansible_facts",
        "ansible_forks",
        "ansible_inventory_sources",
        "ansible_limit",
        "ansible_play_batch",
        "ansible_play_hosts",
        "ansible_play_hosts_all",
        "ansible_play_role_names",
        "ansible_playbook_python",
        "ansible_role_name",
        "ansible_role_names",
        "ansible_run_tags",
        "ansible_skip_tags",
        "ansible_verbosity",
        "ansible_version",
        "inventory_dir",
        "inventory_file",
        "inventory_hostname",
        "inventory_hostname_short",
        "groups",
        "group_names",
        "hostvars",
        "playbook_dir",
        "play_hosts",
        "role_name",
        "role_names",
        "role_path",
        "role_uuid",
    ]
)


def as_list(inventory: Inventory) -> dict[str, Any]:
    """``--list``: the groups, and under ``_meta`` the unrendered variables of every host that has some."""
    listing: dict[str, Any] = {}
    for name, group in inventory.groups.items():
        hosts = [] if name == "all" else list(group.hosts)
        shown = {"hosts": hosts, "children": list(group.children)}
        if content := {key: names for key, names in shown.items() if names}:
            listing[name] = content
    variables = {name: host_variables(host) for name, host in inventory.hosts.items()}
    hostvars = {name: found for name, found in variables.items() if found}
    return listing | {"_meta": {"hostvars": hostvars, "profile": "inventory_legacy"}}


def host_variables(host: Host) -> dict[str, Any]:
    """``--host``: the unrendered variables of one host; ``!vault`` values as they are written."""
    return {name: _written(node) for name, node in host.variables.items() if name not in _INTERNAL}


def _written(node: Node) -> Any:
    if node.ciphertext:
        return {"__ansible_vault": node.ciphertext}
    if isinstance(node.value, dict):
        return {key: _written(child) for key, child in node.value.items()}
    return [_written(child) for child in node.value] if isinstance(node.value, list) else node.value


def graph(inventory: Inventory) -> str:
    """``--graph``: the tree of groups and hosts."""
    return "\n".join(_branch(inventory.groups["all"], 0))


def _branch(group: Group, depth: int) -> list[str]:
    lines = [_leaf(f"@{group.name}:", depth)]
    for child in group.children.values():
        lines += _branch(child, depth + 1)
    if group.name != "all":
        lines += [_leaf(name, depth + 1) for name in group.hosts]
    return lines


def _leaf(text: str, depth: int) -> str:
    return f"{'  |' * depth}--{text}" if depth else text
