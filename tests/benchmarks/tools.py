"""The tools that are compared: how each is installed, what it needs on disk, and what a user types."""

from __future__ import annotations

import compileall
import dataclasses
import json
import os
import shlex
import subprocess
import sys
import tarfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import provision
from provision.lab.inventory import write_inventory
from provision.lab.provider import Host

HERE = Path(__file__).parent
NOTES = HERE.parent / "apps" / "notes"
DOMAIN = "notes.bench.internal"
UV_VERSION = "0.13.9"


class Tool(Protocol):
    """One of the tools. ``banner`` is the one value that a template changes with."""

    name: str
    needs_python: bool
    """Must Python be on the host before it can do anything?"""

    def version(self) -> str:
        """What it calls itself."""
        ...

    def command(self, hosts: Sequence[Host], banner: int) -> list[str]:
        """What brings these hosts to the job's end; files that it reads are written."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """Its settings in the environment."""
        ...


class Provision:
    """This project, from its work tree."""

    name = "provision"
    needs_python = False
    env: Mapping[str, str] = {}  # nobody writes to it

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = Path(sys.executable).with_name("provision")
        # As an installed package is; where PYTHONDONTWRITEBYTECODE is set, each run would compile what has changed.
        compileall.compile_dir(Path(provision.__file__).parent, quiet=1)
        (folder / "roles").symlink_to(HERE / "roles")

    def version(self) -> str:
        return _first_line([str(self._program), "version"])

    def command(self, hosts: Sequence[Host], banner: int) -> list[str]:
        inventory = self._folder / f"{len(hosts)}-{hosts[0].port}.yml"
        variables = {
            "roles": ["python", "caddy", "app", "banner"],
            "app_source": str(NOTES),
            "app_workers": 2,
            "caddy_domain": DOMAIN,
            "caddy_source": "distro",
            "caddy_tls": "internal",
        }
        write_inventory(inventory, hosts, variables)
        return [str(self._program), "up", str(inventory), "--set", f"banner={banner}", "--forks", "50"]


class Ansible:
    """ansible-core with pipelining and 50 forks, with Mitogen's strategy or its own."""

    def __init__(self, folder: Path, environments: Path, *, mitogen: bool) -> None:
        self.name = "ansible + mitogen" if mitogen else "ansible"
        # Ansible's own playbook installs it, by `raw`; Mitogen cannot do even that without.
        self.needs_python = mitogen
        self._folder = folder
        packages = ["ansible-core<2.20", "mitogen"] if mitogen else ["ansible-core"]
        self._bin = installed(environments / self.name.replace(" ", ""), packages)
        self._archive = archive(folder)
        self.env = {
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_FORKS": "50",
            "ANSIBLE_GATHERING": "explicit",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "masters"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
            "LC_ALL": "C.UTF-8",
        }
        if mitogen:
            (plugins,) = self._bin.parent.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy")
            self.env |= {"ANSIBLE_STRATEGY_PLUGINS": str(plugins), "ANSIBLE_STRATEGY": "mitogen_linear"}

    def version(self) -> str:
        own = _first_line([str(self._bin / "ansible"), "--version"])
        return f"{own}, mitogen {_package(self._bin, 'mitogen')}" if "ANSIBLE_STRATEGY" in self.env else own

    def command(self, hosts: Sequence[Host], banner: int) -> list[str]:
        inventory = self._folder / f"{len(hosts)}-{hosts[0].port}.yml"
        write_inventory(inventory, hosts, {})
        variables = {"domain": DOMAIN, "uv_version": UV_VERSION, "archive": str(self._archive), "banner": banner}
        playbook = str(HERE / "ansible/site.yml")
        return [str(self._bin / "ansible-playbook"), "-i", str(inventory), "-e", json.dumps(variables), playbook]


class Pyinfra:
    """pyinfra with its default settings; it takes all hosts at a time."""

    name = "pyinfra"
    needs_python = False

    def __init__(self, folder: Path, environments: Path) -> None:
        self._folder = folder
        self._bin = installed(environments / self.name, ["pyinfra"])
        self._archive = archive(folder)
        self.env: Mapping[str, str] = {"PYINFRA_PROGRESS": "off"}

    def version(self) -> str:
        return f"pyinfra {_package(self._bin, 'pyinfra')}"

    def command(self, hosts: Sequence[Host], banner: int) -> list[str]:
        inventory = self._folder / f"inventory_{len(hosts)}_{hosts[0].port}.py"
        connections = [
            (
                f"@ssh/{host.name}",
                {
                    "ssh_hostname": host.address,
                    "ssh_port": host.port,
                    "ssh_user": host.user,
                    "ssh_key": str(host.key),
                    "ssh_known_hosts_file": str(host.known_hosts),
                },
            )
            for host in hosts
        ]
        inventory.write_text(f"hosts = {connections!r}\n")
        variables = {"domain": DOMAIN, "uv_version": UV_VERSION, "archive": str(self._archive), "banner": str(banner)}
        data = [word for name, value in variables.items() for word in ("--data", f"{name}={value}")]
        return [str(self._bin / "pyinfra"), "-y", "--chdir", str(HERE / "pyinfra"), *data, str(inventory), "deploy.py"]


class Ssh:
    """OpenSSH's client, with nothing to do: what any tool pays at least."""

    name = "ssh host true"
    needs_python = False
    env: Mapping[str, str] = {}  # nobody writes to it

    def version(self) -> str:
        done = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True)
        return done.stderr.strip()

    def command(self, hosts: Sequence[Host], banner: int) -> list[str]:
        (host,) = hosts
        return host.ssh("true")


class ByHand:
    """One shell script, fed through one ssh."""

    name = "by_hand.sh"
    needs_python = False
    env: Mapping[str, str] = {}  # nobody writes to it

    def __init__(self, folder: Path) -> None:
        self._archive = archive(folder)

    def version(self) -> str:
        return "tests/benchmarks/by_hand.sh"

    def command(self, hosts: Sequence[Host], banner: int) -> list[str]:
        (host,) = hosts
        script = f"mkdir -p /srv/notes/app && cd /srv/notes/app && tar -xz && UV_VERSION={UV_VERSION} sh by_hand.sh"
        return ["sh", "-c", f"{shlex.join(host.ssh(script))} <{shlex.quote(str(self._archive))}"]


def through(hosts: Sequence[Host], ports: Sequence[int], folder: Path) -> list[Host]:
    """The same hosts behind ports of this machine."""
    moved = []
    for host, port in zip(hosts, ports, strict=True):
        known_hosts = folder / f"known_hosts-{host.name}"
        _, key = host.known_hosts.read_text().split(" ", 1)
        known_hosts.write_text(f"[127.0.0.1]:{port} {key}")
        moved.append(dataclasses.replace(host, address="127.0.0.1", port=port, known_hosts=known_hosts))
    return moved


def installed(folder: Path, packages: Sequence[str]) -> Path:
    """The bin folder of a virtual environment with these packages, made where it is missing."""
    if not (folder / "complete").exists():
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True)
        (folder / "complete").touch()
    return folder / "bin"


def archive(folder: Path) -> Path:
    """The app and by_hand.sh as one tar.gz, as `git archive` would make it."""
    path = folder / "app.tar.gz"
    names = subprocess.run(["git", "ls-files"], cwd=NOTES, capture_output=True, text=True, check=True).stdout
    with tarfile.open(path, mode="w:gz") as file:
        for name in names.splitlines():
            file.add(NOTES / name, name)
        file.add(HERE / "by_hand.sh", "by_hand.sh")
    return path


def _package(bin_: Path, name: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    return _first_line([str(bin_ / "python"), "-c", code])


def _first_line(command: Sequence[str]) -> str:
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.splitlines()[0]
