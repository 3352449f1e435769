"""The package as others get it: the wheel, made from the sdist, in an empty environment and away from this folder.

With this machine's Python, and on a test host with the newest one that pyproject.toml claims, from Debian unstable.
Needs the package index, for the build's backend and the wheel's dependencies.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from email.parser import Parser
from pathlib import Path

import pytest
from tests.e2e.cli import Result

from provision import __version__
from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = "all:\n  hosts:\n    127.0.0.1: {{ansible_port: {port}, ansible_user: root}}\n  vars:\n    {variables}\n"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True, capture_output=True)
    return python


class Installed:
    """The installed command in the folder of an app."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python, self.folder = python, folder
        self._environment = {"HOME": str(folder.parent), "PATH": os.defpath, "LC_ALL": "C.UTF-8"}

    def __call__(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return self._run(self.python.with_name("provision"), *words)

    def evaluate(self, expression: str, imports: str) -> str:
        """What Python says in that environment."""
        done = self._run(self.python, "-I", "-c", f"import {imports}; print({expression})")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, name: str, variables: str, *, port: int = 22) -> None:
        (self.folder / name).write_text(INVENTORY.format(port=port, variables=variables))

    def _run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture
def provision(python: Path, tmp_path: Path) -> Installed:
    notes = tmp_path / "notes"
    shutil.copytree(ROOT / "tests" / "apps" / "notes", notes, ignore=shutil.ignore_patterns(".venv", "__pycache__"))
    return Installed(python, notes)


@pytest.fixture
def closed_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def shipped() -> set[str]:
    """All files of the package, as git lists them; ``src/provision/roles`` is a link, so git names it alone.

    Tests of roles are left out: whoever has the wheel uses the roles.
    """
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/provision", "roles"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    names = {name.removeprefix("src/") for name in listed if name.startswith("src/") and (ROOT / name).is_file()}
    roles = [name for name in listed if name.startswith("roles/") and "/tests/" not in name]
    return names | {f"provision/{name}" for name in roles if (ROOT / name).is_file()}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == shipped()
    assert {"provision/py.typed", "provision/roles/caddy/files/caddy-stable.asc"} <= inside


def test_the_sdist_holds_every_file_once(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert len(names) == len(set(names))
    assert {f"src/{name}" for name in shipped()} <= set(names)
    assert {f"src/provision/{path.relative_to(ROOT)}" for path in ROOT.glob("roles/*/tests/*.yml")} <= set(names)
    assert {"LICENSE", "README.md", "pyproject.toml", "tests/unit/test_docs.py"} <= set(names)


def test_the_metadata_is_complete(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Name"] == "provision-toolkit"
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text("utf-8")
    assert "Framework :: FastAPI" in metadata.get_all("Classifier", [])


def test_the_command_runs_from_another_folder(provision: Installed) -> None:
    version, usage = provision("version"), provision("--help")
    assert (version.returncode, version.stdout.splitlines()[0]) == (0, f"provision {__version__}")
    assert usage.returncode == 0
    assert "provision up" in usage.stdout


def test_init_writes_an_inventory_that_plan_takes(provision: Installed, closed_port: int) -> None:
    done = provision("init", "--host", "127.0.0.1", "--user", "root", "--domain", "notes.test")
    assert (done.returncode, done.stderr) == (0, "")
    planned = provision("plan", "--set", f"ansible_port={closed_port}")
    assert planned.returncode == 3, planned.stdout + planned.stderr
    assert "127.0.0.1 : ok=0 changed=0 failed=0 unreachable=1" in planned.stdout


def test_a_mistake_is_shown_with_its_place(provision: Installed) -> None:
    provision.write("bad.yml", "app_worker: 4")
    done = provision("plan", "bad.yml")
    assert done.returncode == 2
    assert "bad.yml:5:5" in done.stderr
    assert "app_workers" in done.stderr


def test_roles_and_programs_are_found(provision: Installed) -> None:
    """The roles are real files of the package, not a link that points out of it."""
    roles = provision.evaluate("sorted(p.name for p in r.SHIPPED.iterdir())", "provision.role as r")
    assert roles == str(sorted(path.name for path in (ROOT / "roles").iterdir()))
    programs = sorted(path.name for path in (ROOT / "src/provision/resources/programs").glob("*.sh"))
    sizes = provision.evaluate(
        f"[len(p.source(name)) > 100 for name in {programs}]", "provision.resources.programs as p"
    )
    assert sizes == str([True] * len(programs))
    driver = provision.evaluate(
        "(pathlib.Path(t.__file__).parent / 'driver.sh').is_file()", "pathlib, provision.transport as t"
    )
    assert driver == "True"


NEWEST = max(
    re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text()), key=lambda version: int(version[2:])
)
INSTALL = f"""
set -eu
export DEBIAN_FRONTEND=noninteractive
sed -n '/ trixie main/s/ trixie / sid /p' /etc/apt/sources.list >/etc/apt/sources.list.d/sid.list
printf '%s\\n' 'Package: *' 'Pin: release n=sid' 'Pin-Priority: 100' >/etc/apt/preferences.d/sid
apt-get -qq update
apt-get -qq install --no-install-recommends git >/dev/null
apt-get -qq install --no-install-recommends -t sid python{NEWEST} python{NEWEST}-venv >/dev/null
python{NEWEST} -m venv /root/venv
/root/venv/bin/pip install --quiet /root/dist/*.whl
"""
QUICK = "cli converge diffs frames init inventory inventory_errors inventory_login plan_* project project_* report_*"
QUICK += " roles schema script_answers source source_* startup templating yamlfile"
"""Of tests/unit: what rests on Python's own library, and neither reads the repository nor asks Ansible."""


class Controller:
    """A host on which the wheel is installed, with the newest Python."""

    def __init__(self, lab: Lab, host: Host, dist: Path) -> None:
        self._lab, self._host = lab, host
        self.home = lab.root(host) / "root"
        shutil.copytree(dist, self.home / "dist")
        self.run(INSTALL)

    def run(self, command: str) -> str:
        """What a command of a shell says, which must end with 0."""
        done = self._lab.run(self._host, command, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def controller(lab: Lab, dist: Path) -> Iterator[Controller]:
    made = lab.add(Image("trixie"))
    yield Controller(lab, made, dist)
    lab.remove(made)


def test_the_newest_python_says_the_same(controller: Controller, provision: Installed) -> None:
    """Help, roles, schema and lint, to the letter."""
    shutil.copytree(provision.folder, controller.home / "notes")
    provision.write("inventory.yml", "caddy_domain: notes.test")
    provision.write("bad.yml", "app_worker: 4")
    for name in ("inventory.yml", "bad.yml"):
        shutil.copy(provision.folder / name, controller.home / "notes")

    said = controller.run("cd notes; /root/venv/bin/provision version")
    assert f"\npython {NEWEST}." in said
    for words in ("--help", "up --help", "roles list", "roles docs app", "schema", "lint", "lint bad.yml"):
        here = provision(*words.split())
        there = controller.run(f"cd notes; COLUMNS=80 /root/venv/bin/provision {words} 2>&1 || echo code $?")
        code = f"code {here.returncode}\n" if here.returncode else ""
        assert there == here.stdout + here.stderr + code, words


def test_the_newest_python_brings_an_app_up(controller: Controller, host: Host, provision: Installed) -> None:
    """From one host to another, twice."""
    there = controller.home / "lab"
    shutil.copytree(provision.folder, there / "notes")
    shutil.copy(host.key, there / "key")
    shutil.copy(host.known_hosts, there / "known_hosts")
    known = replace(host, key=Path("/root/lab/key"), known_hosts=Path("/root/lab/known_hosts"))
    settings = {"app_source": "notes", "app_workers": 2, "caddy_source": "distro", "caddy_tls": "off"}
    write_inventory(there / "inventory.yml", [known], settings)

    runs = [controller.run("cd lab; /root/venv/bin/provision up --json") for _ in range(2)]

    first, second = (Result(0, [json.loads(line) for line in text.splitlines()], "") for text in runs)
    assert "app : Deploy" in first.changed
    assert second.settled == (0, 1)
    assert '"status":"ok"' in controller.run(f"curl -fsS http://{host.address}/health")


def test_the_newest_python_passes_the_unit_tests(controller: Controller) -> None:
    """Those of the sdist, against the wheel; every warning is an error."""
    files = " ".join(f"tests/unit/test_{name}.py" for name in QUICK.split())
    said = controller.run(
        "mkdir sdist; tar xzf dist/*.tar.gz --strip-components 1 -C sdist; rm -r sdist/src; cd sdist"
        "; /root/venv/bin/pip install --quiet pytest hypothesis pytest-xdist"
        f"; /root/venv/bin/python -m pytest -q -n 2 --dist loadfile {files}"
    )
    passed = re.search(r"(\d+) passed in", said)
    assert passed, said
    assert int(passed[1]) > 500
