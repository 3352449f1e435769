"""What is loaded when: `provision --help` is instant, and a run off a terminal does without rich."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"paramiko", "fabric", "cryptography", "rich", "jinja2", "yaml", "asyncio"}


def _modules_after(code: str) -> set[str]:
    """The modules a fresh interpreter has loaded after ``code``."""
    script = f"{code}\nimport json, sys; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def _run(*args: str) -> str:
    return f"from provision.cli import main\ntry:\n    main({list(args)!r})\nexcept SystemExit:\n    pass"


def test_help_imports_click_only() -> None:
    """No command is imported to list them all."""
    modules = _modules_after(_run("--help"))
    ours = {name for name in modules if name.partition(".")[0] == "provision"}
    assert ours == {"provision", "provision.cli", "provision.cli.lazy", "provision.cli.failures", "provision.errors"}
    assert "click" in modules
    assert not modules & HEAVY


def test_help_of_up_imports_no_engine() -> None:
    """The options of a command need none of the libraries that do its work."""
    modules = _modules_after(_run("up", "--help"))
    assert "provision.cli.up" in modules
    assert not modules & (HEAVY | {"provision.run", "provision.report"})


def test_a_plain_report_does_without_rich() -> None:
    """Rich is for a live terminal: a run from CI need not pay for it."""
    code = "import io\nfrom provision.report import Detail, open_report\n"
    modules = _modules_after(code + "with open_report(Detail(), out=io.StringIO()): ...")
    assert "provision.report.plain" in modules
    assert "rich" not in modules


UNUSED = {
    *("fabric", "invoke", "asyncio", "unittest", "rich", "http", "zoneinfo"),
    *(
        "email",
        "zipfile",
        "importlib.metadata",
        "importlib.resources",
        "provision.poetry_lock",
        "provision.report.jsonl",
    ),
}
"""What is there, of others, of Python and of ours, that a run to one host in a pipe has no use for."""


@pytest.mark.parametrize("command", ["plan", "up"])
def test_a_run_imports_no_library_that_it_does_not_use(command: str, tmp_path: Path) -> None:
    """Each start pays for what it imports: invoke alone, which paramiko asks for, was a seventh of it."""
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "web"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["fastapi"]\n'
    )
    inventory = tmp_path / "inventory.yml"
    host = "{ansible_host: 127.0.0.1, ansible_port: 1}"
    inventory.write_text(f"all: {{hosts: {{web: {host}}}, vars: {{app_source: .}}}}\n")
    modules = _modules_after(_run(command, str(inventory)))
    assert {"paramiko", "yaml", "jinja2", "provision.transport.ssh"} <= modules
    assert not modules & UNUSED


@pytest.mark.parametrize("command", ["inventory", "lint"])
def test_what_opens_the_vault_is_loaded_where_something_is_encrypted(command: str, tmp_path: Path) -> None:
    """Nearly all inventories do without; what is given as a password file is not even read."""
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("all: {hosts: {web: }}\n")
    modules = _modules_after(_run(command, str(inventory), "--vault-password-file", str(tmp_path / "none")))
    assert "provision.inventory" in modules
    assert not modules & {"provision.vault_format", "cryptography"}
