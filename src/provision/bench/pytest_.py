"""A role's tests/test_*.py against its host: pytest with pytest-testinfra, both of which the user brings along."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from provision.errors import ConfigError, HostError
from provision.lab.provider import Host

NEEDED = {"pytest": "pytest", "testinfra": "pytest-testinfra"}
"""Modules, and the packages that have them."""


def require_pytest(tests: Sequence[Path], find: Callable[[str], object] = importlib.util.find_spec) -> None:
    """Raise ConfigError where there are tests, and this Python lacks what runs them."""
    missing = [package for module, package in NEEDED.items() if find(module) is None] if tests else []
    if missing:
        raise ConfigError(
            f"{tests[0]} needs {' and '.join(missing)}, which {sys.executable} has not",
            hint=f"{sys.executable} -m pip install {' '.join(missing)} (the extra provision-toolkit[test] has both); "
            "or check it in tests/verify.yml, which needs neither",
        )


def run_pytest(tests: Sequence[Path], host: Host, folder: Path, *, show: bool) -> str:
    """Run the tests, with an ssh_config in ``folder``, and return pytest's last line; with ``show`` as it speaks.

    Raises HostError with pytest's output.
    """
    config = folder / "ssh_config"
    config.write_text(ssh_config(host))
    done = subprocess.run(
        argv(tests, host, config),
        stdin=subprocess.DEVNULL,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    said = (done.stdout or "").rstrip().splitlines()
    if done.returncode:
        why = _ENDS.get(done.returncode, f"pytest ended with status {done.returncode}")
        raise HostError(why, log=said)
    return said[-1].strip("= ") if said else "pytest passed"


_ENDS = {1: "a test of pytest failed", 5: "pytest found no test in tests/test_*.py"}
"""pytest.ExitCode."""


def argv(tests: Sequence[Path], host: Host, config: Path) -> list[str]:
    """The command line of pytest. Nothing of it stays beside the tests: no bytecode, no cache."""
    return [
        *(sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider"),
        # A master connection would outlive the host.
        *(f"--hosts=ssh://{host.name}?controlpersist=0", f"--ssh-config={config}"),
        *(["--sudo"] if host.user != "root" else []),
        *map(str, tests),
    ]


def ssh_config(host: Host) -> str:
    """An ssh_config(5) that knows ``host`` and nothing else."""
    settings = {
        "HostName": host.address,
        "Port": host.port,
        "User": host.user,
        "IdentityFile": f'"{host.key}"',
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": f'"{host.known_hosts}"',
        "GlobalKnownHostsFile": "none",
        "LogLevel": "ERROR",
    }
    return f"Host {host.name}\n" + "".join(f"  {name} {value}\n" for name, value in settings.items())
