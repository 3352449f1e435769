"""Apps as they are: one small app for each shape and each trap, one after the other on one host."""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import testinfra.host
from tests.e2e.placed import Place, Placed
from tests.e2e.pythons import INSTALL_PYTHON, MIRROR_URL, VERSION, give_mirror

from provision.lab.lab import Lab
from provision.lab.provider import Host, Image

SETTINGS = {
    "SECRET_KEY": 'a "quoted" $key, 100 % \\ `odd`',
    "ORIGINS": ["https://a.example.com", "https://b.example.com"],
    "LIMITS": {"small": 1},
    "DATABASE_URL": "postgresql://me:p%40ss@db.example.com/shop",
    "DEBUG": False,
    "PREFIX": "",
}
SHOWN = {name.lower(): value for name, value in SETTINGS.items()}

SHAPES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "poetry-lock": (
        {"app_extras": ["words"]},
        {"/installed?name=humanize": {"version": "4.17.0"}, "/installed?name=iniconfig": {"version": ""}},
    ),
    "hashes": ({}, {"/answer": {"answer": 42}}),
    "workspace": (
        {"app_source_subdir": "packages/api", "app_name": "workspace"},
        {"/price": {"price": 14, "greeting": "Good day"}},
    ),
    "factory": (
        {"app_entrypoint": "web:create_app()", "app_groups": ["server"], "app_constraints": ["constraints.txt"]},
        {"/uvicorn": {"version": "0.53.0"}},
    ),
    "old-fastapi": ({}, {"/versions": {"pydantic": "1.10.27"}}),
    "path-form": ({"app_entrypoint": "server:web"}, {"/word": {"word": "found"}}),
    "src-layout": ({"app_entrypoint": "shelf.api:app"}, {"/version": {"version": "2.5"}}),
    "tables": ({"app_migrate_command": "lifespan", "app_workers": 2}, {"/runs": {"runs": 1}}),
    "settings": ({"app_env": SETTINGS}, {"/settings": SHOWN}),
}
"""App -> variables, and what it answers to which path."""

STARTS = {
    "factory": "/uvicorn @workers@ --host 127.0.0.1 --port @port@ --factory web:create_app",
    "hashes": "/fastapi run @workers@ --host 127.0.0.1 --port @port@ -e app:app",
    "path-form": "/fastapi run @workers@ --host 127.0.0.1 --port @port@ server.py --app web",
}
"""App -> how its command ends, where the way it is started is what it is for."""


def builds(app: Placed) -> list[Path]:
    """The complete builds of an app."""
    return sorted(path.parent for path in (app.root / "srv" / app.name / "builds").glob("*/.complete"))


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_serves(place: Place, name: str) -> None:
    variables, answers = SHAPES[name]
    app = place(name, **{"app_workers": 1, **variables})

    app.settle()

    assert {path: app.answer(path) for path in answers} == answers
    (build,) = builds(app)
    assert (build / "start").read_text().strip().endswith(STARTS.get(name, ""))


def test_a_commit_ships_with_what_was_built_and_without_its_env_file(place: Place) -> None:
    app = place("assets", app_workers=1, app_source_ref="v1", app_include=["dist"])
    (app.app / ".env").write_text("PASSWORD=in-the-repository\n")
    git(app.app, "init", "-q")
    git(app.app, "add", "--force", ".")
    git(app.app, "commit", "-qm", "first")
    git(app.app, "tag", "v1")
    (app.app / "main.py").write_text("broken(")
    missing = app.up(code=2)
    assert missing.error["message"] == f"app_include: nothing in {app.app} matches 'dist'"
    (app.app / "dist").mkdir()
    (app.app / "dist" / "app.js").write_text("alert()\n")

    app.settle()

    assert app.say("/static/app.js") == "alert()\n"
    assert app.get("/files") == {"files": [".gitignore", "__pycache__", "dist", "main.py", "requirements.txt"]}


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def make_wheel(folder: Path, name: str, modules: dict[str, str], requires: str = "") -> Path:
    """A wheel of version 1.0, as small as one can be."""
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + (requires and f"Requires-Dist: {requires}\n")
    tags = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {**modules, f"{info}/METADATA": metadata, f"{info}/WHEEL": tags}
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"]))
    return path


def test_a_wheel_serves(place: Place) -> None:
    named = {"app_name": "wheel", "caddy_domain": "wheel.test.internal"}
    app = place(
        "src-layout", app_workers=1, app_entrypoint="shelf.api:app", app_constraints=["starlette<1.10"], **named
    )
    app.name = "wheel"
    sources = {f"shelf/{path.name}": path.read_text() for path in (app.app / "src" / "shelf").glob("*.py")}
    app.set(app_source=str(make_wheel(app.app, "shelf", sources, "fastapi")))

    app.settle()

    assert app.get("/version") == {"version": "1.0"}
    (build,) = builds(app)
    (starlette,) = (build / ".venv").glob("lib/*/site-packages/starlette-*.dist-info")
    assert not starlette.name.startswith("starlette-1.10")


INDEX = """
import base64, http.server, sys
login, wheel = open(sys.argv[1]).read(), sys.argv[2]
class Index(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(asked).decode() != login:
            return self.answer(401, b"", {"WWW-Authenticate": "Basic"})
        if self.path.endswith(".whl"):
            return self.answer(200, open(wheel, "rb").read())
        if self.path == "/simple/shop-secrets/":
            name = wheel.rpartition("/")[2]
            return self.answer(200, f'<a href="/{name}">{name}</a>'.encode(), {"Content-Type": "text/html"})
        self.answer(302, b"", {"Location": "https://pypi.org" + self.path})
    do_HEAD = do_GET
    def answer(self, status, body, headers={}):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", 8765), Index).serve_forever()
"""
"""An index with a login and one package, which knows where the others are."""

PASSWORD = 'c0rrect "horse" battery'


@pytest.fixture
def index(place: Place) -> Iterator[Placed]:
    """An app that needs a package of a private index, and that index on its host."""
    app = place("private", app_workers=1, app_index_url="http://127.0.0.1:8765/simple", app_index_username="me")
    folder = app.root / "opt" / "index"
    folder.mkdir()
    wheel = make_wheel(folder, "shop_secrets", {"shop_secrets.py": 'WORD = "hush"\n'})
    (folder / "index.py").write_text(INDEX)
    (folder / "login").write_text(f"me:{PASSWORD}")
    app.view.check_output(INSTALL_PYTHON)
    app.view.check_output(
        f"systemd-run --unit index python3 /opt/index/index.py /opt/index/login /opt/index/{wheel.name}"
    )
    yield app
    app.view.check_output("systemctl stop index")


def test_the_password_of_an_index_is_kept_nowhere(index: Placed) -> None:
    index.set(app_index_password="wrong")
    refused = index.up(code=1)
    assert refused.log.splitlines()[-1].startswith("the package index refused the login")
    index.set(app_index_password=PASSWORD)

    deployed = index.settle()

    assert index.get("/word") == {"word": "hush"}
    assert "c0rrect" not in str(deployed)
    kept = index.view.run("grep -rls c0rrect /srv /etc /run /var /root; journalctl | grep c0rrect")
    assert kept.stdout == ""
    index.set(app_index_password="another")
    assert index.up().settled == (0, 1)


def test_newer_syntax_is_found_before_anything_runs(place: Place) -> None:
    app = place("newer-syntax", app_workers=1)

    failed = app.up(code=1)

    assert "main.py" in failed.log
    assert re.search(r"newer-syntax does not compile with Python 3\.11", failed.log)
    assert "app : Deploy" not in failed.changed


def test_a_python_that_debian_lacks_comes_from_a_mirror(
    lab: Lab,
    prepared_host: Host,
    make_host: Callable[[Image], Host],
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path: Path,
) -> None:
    """Debian 13 has 3.13, and the app refuses it."""
    trixie = make_host(Image("trixie"))
    give_mirror(lab, prepared_host, inspect(prepared_host), trixie)
    app = Placed("older-python", 8000, tmp_path, trixie, lab.root(trixie), inspect(trixie), app_workers=2)
    app.set(python_downloads_url=MIRROR_URL)

    result = app.settle()

    (recap,) = result.recaps.values()
    assert (recap["trips"], app.get("/python")) == (3, {"python": VERSION})
    foreign = app.view.check_output("find /opt/provision/pythons ! -type l \\( ! -user root -o -perm /022 \\)")
    assert foreign == ""
    assert app.view.run("runuser -u app-older-python -- /opt/provision/pythons/3.11/bin/python3 -c pass").rc == 0
