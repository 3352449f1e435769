"""Ask Ansible itself: a JSON list of questions on stdin, a JSON list of answers on stdout.

``["inventory", PATH]`` gives what ansible-inventory prints for ``--list`` and for ``--graph``;
``["limit", PATH, PATTERN...]`` gives, per pattern, the hosts that ``ansible all --limit PATTERN`` would reach.
Each question is answered in a fork of one process that has imported Ansible, so that they share no cache.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import sys

from ansible.cli.inventory import InventoryCLI  # type: ignore[import-untyped]
from ansible.errors import AnsibleError  # type: ignore[import-untyped]
from ansible.inventory.manager import InventoryManager  # type: ignore[import-untyped]
from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]


def answer(question: list[str]) -> list[object]:
    kind, path, *patterns = question
    return _inventory(path) if kind == "inventory" else [_limit(path, pattern) for pattern in patterns]


def _inventory(path: str) -> list[object]:
    output = io.StringIO()
    cli = InventoryCLI(["ansible-inventory", "-i", path, "--list"])
    cli.parse()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        cli.run()
    return [output.getvalue(), cli.inventory_graph()]


def _limit(path: str, pattern: str) -> list[str]:
    inventory = InventoryManager(loader=DataLoader(), sources=path)
    try:
        inventory.subset(pattern)
        return [host.name for host in inventory.get_hosts("all")]
    except AnsibleError:
        return []


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        print(json.dumps(pool.map(answer, json.load(sys.stdin), chunksize=1)))
