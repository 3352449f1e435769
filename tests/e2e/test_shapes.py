"""Apps as they are: one small app for each shape and each trap, one after the other on one host."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import testinfra.host
from tests.e2e.placed import Place, Placed
from tests.e2e.private_index import START, URL, make_wheel, place_index
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


PASSWORD = 'c0rrect "horse" battery'


@pytest.fixture
def index(place: Place) -> Iterator[Placed]:
    """An app that needs a package of a private index, and that index on its host."""
    app = place("private", app_workers=1, app_index_url=URL, app_index_username="me")
    wheel = place_index(app.root)
    (app.root / "opt/index/login").write_text(f"me:{PASSWORD}")
    app.view.check_output(INSTALL_PYTHON)
    app.view.check_output(START.format(login="/opt/index/login", wheel=wheel.name))
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
