"""A marker for every kind of secret, an app that gets them, and the search for them in processes and output."""

from __future__ import annotations

import dataclasses
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.cli import PROVISION, TEST_SITE
from tests.e2e.private_index import URL

KINDS = (
    *("become", "env", "url", "variable", "file", "command", "app_file", "task", "vault"),
    *("index", "postgresql", "further"),
)
MARKS = {kind: f"mark-{kind}-{secrets.token_hex(8)}" for kind in KINDS}

APP = """\
import hashlib
import os

from fastapi import FastAPI
from shop_secrets import WORD

app = FastAPI()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@app.get("/digests")
def digests() -> dict[str, str]:
    with open("settings.txt") as file:
        found = {"app_file": digest(file.read().strip()), "word": WORD}
    return found | {name: digest(os.environ[name]) for name in ("A_TOKEN", "BROKER", "ONE", "TWO", "THREE", "FOUR")}
"""

TASK = """\
- name: Fail and tell
  shell:
    cmd: "echo {{ shop_password }}; echo 'as JSON {{ {\\"x\\": shop_password} | to_json }}' >&2; exit 3"
    creates: /nonexistent
"""

FILES = {
    "app/main.py": APP,
    "app/requirements.txt": "fastapi[standard]\nshop-secrets\n",
    "roles/tell/tasks/main.yml": TASK,
    "group_vars/all.yml": f"shop_vaulted: {MARKS['vault']}\n",
    "kept/file": MARKS["file"] + "\n",
    "kept/command": MARKS["command"] + "\n",
    "kept/more.yml": f"ansible_become_password: {MARKS['become']}\n",
    "kept/vault": secrets.token_hex(8),
    "kept/task.yml": f"shop_password: {MARKS['task']}\n",
    "kept/settings.txt": MARKS["app_file"] + "\n",
}
"""What the user wrote, by its path; ``kept`` holds what is secret, and the vault is encrypted before the first run."""

VARIABLES = {
    **TEST_SITE,
    "roles": ["python", "postgresql", "caddy", "app"],
    "caddy_domain": "shop.test.internal",
    "app_source": "app",
    "app_name": "shop",
    "app_drain": 1,
    "app_env": {"A_TOKEN": MARKS["env"], "BROKER": f"redis://shop:{MARKS['url']}@db.internal/0"},
    "app_secrets": {
        "ONE": {"env": "SHOP_SECRET"},
        "TWO": {"file": "kept/file"},
        "THREE": {"command": "cat kept/command"},
        "FOUR": "{{ shop_vaulted }}",
    },
    "app_files": {"settings.txt": {"src": "kept/settings.txt"}},
    "app_index_url": URL,
    "app_index_username": "shop",
    "app_index_password": MARKS["index"],
    "postgresql_password": MARKS["postgresql"],
    "postgresql_databases": [{"db": "stock", "user": "stock", "password": MARKS["further"]}],
}


@dataclasses.dataclass(frozen=True)
class Bench:
    """The inventory, and the only places on this machine where the markers stand."""

    folder: Path
    inventory: Path
    environ: Mapping[str, str]

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run provision to its end, with a HOME and a terminal's worth of output of its own."""
        return subprocess.run(
            [PROVISION, *words],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )


@dataclasses.dataclass(frozen=True)
class Runs:
    """What runs printed, and the command lines with a marker that were seen meanwhile."""

    done: list[subprocess.CompletedProcess[str]]
    processes: list[str]


def shown(*done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of output that hold a marker."""
    lines = [line for one in done for line in (one.stdout + one.stderr).splitlines()]
    return [line for line in lines if holds(line.encode())]


def holds(data: bytes) -> bool:
    """Whether a marker stands in it."""
    return any(mark.encode() in data for mark in MARKS.values())
