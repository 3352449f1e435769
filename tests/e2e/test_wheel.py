"""The package as others get it: the wheel, made from the sdist, in an empty environment and away from this folder.

Needs the package index, for the build's backend and the wheel's dependencies, but no test host.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from provision import __version__

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
            timeout=60,
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
    """All files of the package, as git lists them; ``src/provision/roles`` is a link, so git names it alone."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/provision", "roles"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    names = {name.removeprefix("src/") for name in listed if name.startswith("src/") and (ROOT / name).is_file()}
    return names | {f"provision/{name}" for name in listed if name.startswith("roles/") and (ROOT / name).is_file()}


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
