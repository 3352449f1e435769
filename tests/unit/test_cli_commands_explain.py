"""explain and roles: what the inventory and the roles say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli_site import ROLE, SITE, invoke, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write(tmp_path, {"inventory.yml": SITE, **ROLE})
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_explain_says_value_place_and_what_it_overrode() -> None:
    result = invoke("explain", "inventory.yml", "site_port", "--host", "web1", "--set", "site_port=82")
    assert result.stdout.splitlines() == [
        "site_port on web1 = 82",
        "",
        "  in effect  82",
        "             --set site_port (--set)",
        "",
        "  overrides  81",
        "             inventory.yml:3:23 (host web1)",
        "",
        "  overrides  80",
        "             roles/site/defaults/main.yml:1:12 (default of the role site)",
        "",
        "Where it listens. (int; role site)",
    ]


@pytest.mark.usefixtures("folder")
def test_explain_shows_what_was_written_and_what_comes_of_it() -> None:
    said = invoke("explain", "inventory.yml", "site_title", "--host", "web2").stdout
    assert 'site_title on web2 = "Shop of web2"\n' in said
    assert '  in effect  "Shop of {{ inventory_hostname }}"\n' in said


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["site_token", "site_link", "ansible_password"])
def test_explain_hides_secrets_and_what_is_made_of_them(name: str) -> None:
    said = invoke("explain", "inventory.yml", name, "--host", "web1").stdout
    assert f"{name} on web1 = (hidden)\n" in said
    assert "s3cr3t" not in said
    assert "hunter2" not in said


def test_explain_shows_no_value_of_an_environment(folder: Path) -> None:
    write(folder, {"app.yml": "all: {hosts: {a: }, vars: {app_env: {DATABASE_URL: 'x://u:hunter2@h/d'}}}"})
    said = invoke("explain", "app.yml", "app_env")
    assert 'app_env on a = {"DATABASE_URL": (hidden)}\n' in said.stdout
    assert "hunter2" not in said.stdout


@pytest.mark.usefixtures("folder")
def test_explain_does_not_guess_facts() -> None:
    said = invoke("explain", "inventory.yml", "site_cores", "--host", "web1").stdout
    assert said.startswith("site_cores on web1 = known on the host only: it needs ansible_processor_vcpus\n")


@pytest.mark.usefixtures("folder")
def test_explain_as_json() -> None:
    """The same as an object; a variable that is only declared has no value."""
    words = ("explain", "inventory.yml", "--host", "web1", "--json")
    found = json.loads(invoke(*words, "site_port").stdout)
    assert (found["host"], found["name"], found["value"]) == ("web1", "site_port", "81")
    assert (found["role"], found["type"], found["description"]) == ("site", "int", "Where it listens.")
    own, default = found["definitions"]
    assert (own["where"], own["line"], own["column"], own["value"]) == ("host web1", 3, 23, "81")
    assert default["file"].endswith("roles/site/defaults/main.yml")
    assert json.loads(invoke(*words, "site_pages").stdout)["value"] is None
    assert "s3cr3t" not in invoke(*words, "site_token").stdout


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("inventory.yml", "site_prt", "--host", "web1"),
            "web1 has no variable site_prt\n  hint: Did you mean site_port?",
        ),
        (("inventory.yml", "site_port"), "explain takes one host; there are 2: web1, web2\n  hint: name one by --host"),
        (
            ("site_port",),
            "error: VAR is missing: 'site_port' was taken for the inventory\n"
            "  hint: the inventory comes first: provision explain inventory.yml site_port\n",
        ),
        (
            ("roles",),
            "error: VAR is missing: 'roles' was taken for the inventory\n  hint: see `provision explain --help`\n",
        ),
        ((), "error: missing argument 'VAR'\n  hint: see `provision explain --help`\n"),
    ],
)
def test_explain_refuses(words: tuple[str, ...], says: str) -> None:
    result = invoke("explain", *words)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.usefixtures("folder")
def test_explain_a_variable_that_is_declared_and_not_set() -> None:
    assert invoke("explain", "inventory.yml", "site_pages", "--host", "web1").stdout.startswith(
        "site_pages on web1 = not set\n"
    )


def test_roles_list_has_own_roles_and_those_of_provision(folder: Path) -> None:
    write(folder, {"roles/broken/tasks/main.yml": "- nosuchmodule: {}\n"})
    lines = invoke("roles", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert ["site", "A static site (roles/site)"] in [line.split(maxsplit=1) for line in lines]
    assert ["app", "A FastAPI app as a service"] in [line.split(maxsplit=1) for line in lines]
    assert any("cannot be used: roles/broken/tasks/main.yml:1:3: " in line for line in lines)


@pytest.mark.usefixtures("folder")
def test_roles_docs_of_an_own_role() -> None:
    assert invoke("roles", "docs", "site").stdout.splitlines() == [
        f"site  {Path('roles/site')}",
        "",
        "Serves one page.",
        "",
        "One page.",
        "",
        "- `site_port`: where it listens.",
        "",
        "Variables",
        "",
        "site_port  int, default 80",
        "    Where it listens.",
        "",
        "site_title  str, required",
        "    What it is called.",
        "",
        "site_token  str",
        "    A secret.",
        "",
        "site_link  str",
        "",
        "site_mode  fast or slow, default fast",
        "    How.",
        "",
        "site_pages  list of dict",
        "      path (path): ",
        "      draft (bool): ",
        "",
        "site_cores  any type",
    ]
    assert invoke("roles", "docs", "inventory.yml", "site").stdout == invoke("roles", "docs", "site").stdout


def test_roles_docs_need_no_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "caddy_domain" in invoke("roles", "docs", "caddy").stdout
    missing = invoke("roles", "docs", "cady")
    assert missing.exit_code == 2
    assert "Did you mean caddy?" in missing.stderr
