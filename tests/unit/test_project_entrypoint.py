"""The entrypoint: every row of FOUND was compared with what fastapi-cli 0.0.34 finds by importing the app, but for the
one that no Python of today can import.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from provision.content import folder_content
from provision.entrypoint import Candidate, Entrypoint
from provision.errors import ConfigError
from provision.project import Project, read_project

F = "from fastapi import FastAPI\n"
APP = F + "app = FastAPI()\n"

FOUND: dict[str, tuple[Mapping[str, str], str, str]] = {
    "main": ({"main.py": APP}, "main:app", ""),
    "api variable": ({"main.py": F + "api = FastAPI()\na = FastAPI()\n"}, "main:api", ""),
    "any variable, first by name": ({"main.py": F + "zeta = FastAPI()\nbeta = FastAPI()\n"}, "main:beta", ""),
    "main before app": ({"app.py": APP, "main.py": APP}, "main:app", ""),
    "api.py": ({"api.py": APP, "app/main.py": APP}, "api:app", ""),
    "package": ({"app/__init__.py": "", "app/main.py": APP}, "app.main:app", ""),
    "folder that is no package": ({"app/main.py": APP}, "main:app", "app"),
    "root that looks like a package": ({"__init__.py": "", "main.py": APP}, "main:app", ""),
    "factory result": ({"main.py": F + "def make():\n    return FastAPI()\napp = make()\n"}, "main:app", ""),
    "import": ({"main.py": "from core import app\n", "core.py": APP}, "main:app", ""),
    "import under another name": ({"main.py": "from core import server as app\n", "core.py": ""}, "main:app", ""),
    "syntax of a later Python": (
        {"main.py": F + "type X = !\napi: FastAPI = FastAPI(\n    title='x')\n"},
        "main:api",
        "",
    ),
    "alias of the class": ({"main.py": "from fastapi import FastAPI as F\nserver = F()\n"}, "main:server", ""),
    "annotated": ({"main.py": "import fastapi\nserver: object = fastapi.FastAPI()\n"}, "main:server", ""),
    "if": ({"main.py": F + "if 0:\n    app = 1\nelse:\n    app = FastAPI()\n"}, "main:app", ""),
    "try": ({"main.py": F + "try:\n    import nope\nexcept ImportError:\n    app = FastAPI()\n"}, "main:app", ""),
    "api is a router": (
        {"main.py": "from fastapi import FastAPI, APIRouter\napi = APIRouter()\nserver = FastAPI()\n"},
        "main:server",
        "",
    ),
    "api is a module": ({"main.py": F + "from routes import api\nserver = FastAPI()\n"}, "main:server", ""),
    "app is a function": ({"main.py": F + "def app(): ...\nserver = FastAPI()\n"}, "main:server", ""),
    "two names": ({"main.py": F + "a = b = FastAPI()\n"}, "main:a", ""),
    "byte order mark": ({"main.py": "\ufeff" + APP}, "main:app", ""),
    "pyproject first": (
        {"pyproject.toml": '[tool.fastapi]\nentrypoint = "core.web:server"\n', "main.py": APP},
        "core.web:server",
        "",
    ),
}

NOT_FOUND: dict[str, Mapping[str, str]] = {
    "nothing": {"README.md": ""},
    "main is a launcher, as for fastapi run": {"main.py": "import uvicorn\n", "app.py": APP},
    "none": {"main.py": F + "app = None\n"},
    "syntax error": {"main.py": "def (\n"},
    "inside a function": {"main.py": F + "def make():\n    app = FastAPI()\n    return app\n"},
    "elsewhere": {"src/shop/main.py": APP},
}


def project(root: Path, files: Mapping[str, str]) -> Project:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return read_project(folder_content(root, frozenset(files)))


@pytest.mark.parametrize("case", FOUND)
def test_found(tmp_path: Path, case: str) -> None:
    files, target, folder = FOUND[case]
    assert project(tmp_path, files).entrypoint == Entrypoint(target, folder)


@pytest.mark.parametrize("case", NOT_FOUND)
def test_not_found(tmp_path: Path, case: str) -> None:
    found = project(tmp_path, NOT_FOUND[case])
    assert found.discovered is None
    with pytest.raises(ConfigError, match="finds no app in"):
        assert found.entrypoint


def test_the_app_is_not_imported(tmp_path: Path) -> None:
    assert project(tmp_path, {"main.py": "raise SystemExit\n" + APP}).entrypoint.target == "main:app"


def test_the_error_lists_candidates_and_the_line_to_write(tmp_path: Path) -> None:
    files = {
        "backend/shop/__init__.py": "",
        "backend/shop/web.py": F + "server = FastAPI()\n",
        "tests/test_web.py": APP,
        "conftest.py": APP,
        "Procfile": "worker: celery\nweb: uvicorn shop.main:application --port $PORT\n",
        "Dockerfile": 'CMD ["old:app"]\nCMD ["uvicorn", "shop.web:server", \\\n  "--host", "0.0.0.0:80"]\n',
    }
    with pytest.raises(ConfigError) as caught:
        assert project(tmp_path, files).entrypoint
    assert caught.value.message.splitlines()[1:] == [
        "  shop.main:application  (seen in Procfile)",
        "  shop.web:server  (seen in Dockerfile)",
        "  shop.web:server  (seen in backend/shop/web.py)",
    ]
    assert caught.value.hint == "write into the inventory: app_entrypoint: shop.main:application"


@pytest.mark.parametrize(
    ("target", "folder"),
    [
        ("shop.web:app", "backend"),
        ("shop:make()", "backend"),
        ("main:app", ""),
        ("web:app", "backend/shop"),
        ("x:y", ""),
    ],
)
def test_the_folder_of_a_given_entrypoint(tmp_path: Path, target: str, folder: str) -> None:
    files = dict.fromkeys(["main.py", "backend/shop/__init__.py", "backend/shop/web.py", "backend/main.py"], "")
    assert project(tmp_path, files).folder_of(target) == folder


def test_without_a_candidate_the_hint_says_the_form(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        assert project(tmp_path, {"README.md": ""}).entrypoint
    assert caught.value.hint == "write into the inventory: app_entrypoint: package.module:variable"


def test_a_start_command_may_name_a_file(tmp_path: Path) -> None:
    files = {"Dockerfile": 'CMD ["fastapi", "run", "core/web.py"]\n', "core/__init__.py": "", "core/web.py": APP}
    assert project(tmp_path, files).candidates == [Candidate(Entrypoint("core.web:app"), "Dockerfile")]
