"""Writes the inventory that makes a lab usable by `provision` and by Ansible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import yaml

from provision.lab.files import replace_file
from provision.lab.provider import Host


def write_inventory(path: Path, hosts: Sequence[Host], variables: Mapping[str, object]) -> None:
    """Write the YAML inventory of ``hosts`` to ``path``; a value that is a YAML node keeps its source text."""
    inventory: dict[str, object] = {"hosts": {host.name: connection(host) for host in hosts}}
    if variables:
        inventory["vars"] = dict(variables)
    text = yaml.dump({"all": inventory}, Dumper=_Dumper, sort_keys=False, width=200, allow_unicode=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, f"# Written by `provision lab up`, removed by `provision lab down`.\n{text}")


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
