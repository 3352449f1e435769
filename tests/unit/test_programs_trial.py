"""The Python programs that run on a host: the trial import, the lifespan run once, and who holds a port."""

from __future__ import annotations

import os
import py_compile
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from provision.resources.programs import bytecode, holders, preflight, source


def import_trial(folder: Path, target: str, **environment: str) -> tuple[int, str]:
    """What preflight.py says of an app in ``folder``."""
    done = subprocess.run(
        [sys.executable, str(preflight.__file__), target],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


PYDANTIC = """
class BaseSettings:
    fields = ()
    model_config = {}
    def __init__(self):
        prefix = self.model_config.get("env_prefix", "")
        missing = [name for name in self.fields if (prefix + name).upper() not in os.environ]
        if missing:
            raise ValidationError(type(self).__name__, missing)
class ValidationError(ValueError):
    def __init__(self, title, names):
        self.title, self.names = title, names
    def errors(self):
        return [{"type": "missing", "loc": (name,)} for name in self.names]
"""


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ("app = 1", 0, ""),
        ("import nothing_like_this", preflight.FATAL, "No module named 'nothing_like_this'"),
        ("from os import nothing", preflight.FATAL, "cannot import name 'nothing'"),
        ("def x(:", preflight.FATAL, "SyntaxError"),
        ("app = nme", preflight.FATAL, "name 'nme' is not defined"),
        ("application = 1", preflight.FATAL, "see app_entrypoint"),
        ("None.table", 0, "going on"),
        ("raise OSError('no network')", 0, "going on"),
        ("raise SystemExit(3)", 3, ""),
        ("import os; os.environ['FIRST']; os.environ['SECOND']; app = 1", preflight.FATAL, "settings: FIRST, SECOND\n"),
        ("{}['key']", 0, "KeyError"),
        ("raise KeyError(\"Config 'DB' is missing, and has no default.\")", preflight.FATAL, "settings: DB\n"),
    ],
)
def test_only_what_no_surroundings_could_cure_is_fatal(tmp_path: Path, text: str, status: int, says: str) -> None:
    (tmp_path / "main.py").write_text(text)
    found, output = import_trial(tmp_path, "main:app")
    assert found == status, output
    assert says in output


def test_all_missing_settings_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "pydantic_settings.py").write_text("import os\n" + PYDANTIC)
    (tmp_path / "main.py").write_text(
        "import os\nfrom pydantic_settings import BaseSettings\n"
        "class One(BaseSettings):\n    fields = model_fields = ('a', 'b', 'c')\n"
        "    model_config = {'env_prefix': 'one_'}\n"
        "class Two(BaseSettings):\n    fields = model_fields = ('d',)\n"
        "One(); Two(); os.environ['E']\napp = 1\n"
    )
    assert import_trial(tmp_path, "main:app", ONE_B="here") == (
        preflight.FATAL,
        "missing settings: ONE_A, ONE_C, D, E\nadd them to app_env\n",
    )


def test_the_app_is_imported_from_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "gate.py").write_text("app = 1\n")
    assert import_trial(tmp_path, "gate:app")[0] == 0


def test_lifespan_is_run_once_from_start_to_end(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from contextlib import asynccontextmanager\nfrom types import SimpleNamespace\n"
        "@asynccontextmanager\nasync def lifespan(app):\n    print('up')\n    yield\n    print('down')\n"
        "def make():\n    return SimpleNamespace(router=SimpleNamespace(lifespan_context=lifespan))\n"
    )
    done = subprocess.run(
        [sys.executable, "-", "main:make()"],
        input=source("lifespan.py").decode(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "up\ndown\n"


def test_who_holds_a_port_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(sys, "argv", ["holders.py", str(server.getsockname()[1])])
        holders.main()
    assert f"(pid {os.getpid()}, " in capsys.readouterr().out


def test_bytecode_is_borrowed_where_the_module_is_the_same_file(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for venv in (old, new):
        (venv / "lib" / "package").mkdir(parents=True)
    for name in ("same", "changed", "gone"):
        (old / "lib" / "package" / f"{name}.py").write_text(f"{name} = 1\n")
        py_compile.compile(str(old / "lib" / "package" / f"{name}.py"))
    (old / "lib" / "removed").mkdir()
    (old / "lib" / "removed" / "module.py").touch()
    py_compile.compile(str(old / "lib" / "removed" / "module.py"))
    os.link(old / "lib" / "package" / "same.py", new / "lib" / "package" / "same.py")
    (new / "lib" / "package" / "changed.py").write_text("changed = 2\n")
    assert bytecode.borrow(str(old), str(new)) == 1
    assert [path.name.split(".")[0] for path in new.rglob("*.pyc")] == ["same"]
    assert not (new / "lib" / "removed").exists()
    assert list(bytecode.missing(str(new))) == [str(new / "lib" / "package" / "changed.py")]
