"""Writes the inventory that makes a lab usable by `provision` and by Ansible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import yaml

from provision.lab.files import replace_file
from provision.lab.provider import Host


def write_inventory(path: Path, hosts: Sequence[Host], variables: Mapping[str, object], *, lab: str = "") -> None:
    """Write the YAML inventory of ``hosts`` to ``path``; a value that is a YAML node keeps its source text.

    Its first line says that it is that of ``lab``, if it is.
    """
    inventory: dict[str, object] = {"hosts": {host.name: connection(host) for host in hosts}}
    if variables:
        inventory["vars"] = dict(variables)
    text = yaml.dump({"all": inventory}, Dumper=_Dumper, sort_keys=False, width=200, allow_unicode=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, f"{_heading(lab)}{text}" if lab else text)


def is_inventory_of(lab: str, path: Path) -> bool:
    """Is there a file ``path`` that was written for ``lab``?"""
    try:
        return path.read_text(encoding="utf-8", errors="replace").startswith(_heading(lab))
    except OSError:
        return False


def _heading(lab: str) -> str:
    return f"# The hosts of the lab {lab}: written by `provision lab up`, removed by `provision lab down`.\n"


def connection(host: Host) -> dict[str, object]:
    """The variables that say how to log in to ``host``."""
    return {
        "ansible_host": host.address,
        **({"ansible_port": host.port} if host.port != 22 else {}),
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": str(host.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={host.known_hosts}",
    }


class _Dumper(yaml.SafeDumper):
    """Dumps a composed node as it was written: `3.10` stays `3.10`."""

    yaml_multi_representers: ClassVar = {
        **yaml.SafeDumper.yaml_multi_representers,
        yaml.Node: lambda _, node: node,
    }
