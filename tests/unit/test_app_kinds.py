"""The app's kinds: what tells one build, deployment and migration from another, what they refuse, what travels how."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision import coerce
from provision.errors import ConfigError, Position, Refused
from provision.plan import compare
from provision.resources.base import Diff, Facts, Read, Reading, Rendered, Resource, Shell, partial
from provision.resources.build import Build
from provision.resources.database import identity_of, is_local
from provision.resources.deployment import Deployment, rollback
from provision.resources.release import Release
from provision.resources.removal import Removal
from provision.source import pack
from provision.templating import Templates
from provision.yamlfile import Node, from_plain, load

ROLE = Path(__file__).parents[2] / "roles" / "app"
FACTS = Facts(
    distribution="Debian",
    distribution_release="bookworm",
    os_family="Debian",
    architecture="x86_64",
    processor_vcpus=2,
    memtotal_mb=2000,
)
SECRET = "s3cret/value"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    (tmp_path / "requirements.txt").write_text("fastapi[standard]\n")
    return tmp_path


@pytest.fixture
def deployment(folder: Path) -> Deployment:
    return Deployment(
        name="notes",
        src=pack(folder),
        entrypoint="main:app",
        unit=Rendered("app.service.j2", "ExecStart=@start@\n"),
        migrate_unit=Rendered("migrate.service.j2", "[Service]\n"),
        process_unit=Rendered("process.service.j2", "ExecStart=@command@\n"),
        env={"DATABASE_URL": f"postgresql://notes:{SECRET}@db.example.com/notes"},
        migrate_commands=("alembic upgrade head",),
        host="notes.example.com",
    )


@pytest.fixture
def build(deployment: Deployment) -> Build:
    return Build(name="notes", src=deployment.src, entrypoint="main:app", uv="/opt/uv")


def changes(resource: Resource, observed: Reading | None = None, facts: Facts = FACTS) -> Diff:
    """What differs on a host whose only read says ``observed``."""
    (read,) = (read for read in resource.reads() if isinstance(read, Shell))
    readings: Mapping[Read, Reading] = {read: observed or {}}
    return compare(resource.desired(facts), readings, facts)


def meta(deployment: Deployment, **observed: str) -> dict[str, str]:
    (step,) = deployment.change(changes(deployment, observed))
    return dict(line.split("=", 1) for line in step.files["meta"].decode().splitlines())


def test_a_first_run_does_not_change_what_a_build_is_called(build: Build) -> None:
    bare, installed = replace(FACTS, python_version=""), replace(FACTS, python_version="3.11", memtotal_mb=1)
    assert build.build_id(bare) == build.build_id(installed)


def test_a_build_is_that_of_its_deployment(build: Build, deployment: Deployment) -> None:
    assert build.build_id(FACTS) == deployment.build_id(FACTS)
    assert f"BUILD={build.build_id(FACTS)}\n" in build.change(changes(build))[0].script


@pytest.mark.parametrize(
    "difference",
    [
        {"entrypoint": "main:other"},
        {"constraints": ("pydantic<2",)},
        {"python": "/opt/python/bin/python3"},
        {"run_command": "gunicorn -k uvicorn.workers.UvicornWorker main:app"},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_whatever_goes_into_a_build_changes_its_name(build: Build, difference: Mapping[str, Any]) -> None:
    assert replace(build, **difference).build_id(FACTS) != build.build_id(FACTS)


PROJECT = '[project]\nname = "x"\ndependencies = []\n'


@pytest.mark.parametrize("field", ["groups", "extras"])
def test_groups_and_extras_are_a_projects(build: Build, folder: Path, field: str) -> None:
    options: dict[str, Any] = {field: ("server",)}
    with pytest.raises(ValueError, match=f"{field} are of pyproject.toml, .* installed from requirements.txt"):
        replace(build, **options)
    (folder / "pyproject.toml").write_text(PROJECT)
    plain = replace(build, src=pack(folder))
    grouped = replace(plain, **options)
    assert grouped.build_id(FACTS) != plain.build_id(FACTS)
    assert f"UV_OPTIONS=--{field[:-1]}=server\n" in grouped.change(changes(grouped))[0].script


def test_constraints_are_lines_or_files_of_the_app(build: Build, folder: Path) -> None:
    (folder / "constraints.txt").write_text("starlette<1")
    constrained = replace(build, src=pack(folder), constraints=("pydantic<2", "constraints.txt"))
    assert constrained.change(changes(constrained))[0].files["constraints.txt"] == b"pydantic<2\nstarlette<1\n"
    with pytest.raises(ValueError, match=r"constraints: 'other\.txt' is neither"):
        replace(constrained, constraints=("other.txt",))
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "uv.lock").touch()
    with pytest.raises(ValueError, match=r"constraints say nothing where uv\.lock decides"):
        replace(build, src=pack(folder), constraints=("pydantic<2",))


@pytest.mark.parametrize(
    ("given", "url", "netrc"),
    [
        ({"index_url": "https://pkg.example.com/simple"}, "https://pkg.example.com/simple", ""),
        (
            {"index_url": "https://me:p%40ss@pkg.example.com:8443/simple"},
            "https://pkg.example.com:8443/simple",
            'machine pkg.example.com\nlogin "me"\npassword "p@ss"\n',
        ),
        (
            {"index_url": "https://pkg.example.com/simple", "index_username": "me", "index_password": 't0 \\k"'},
            "https://pkg.example.com/simple",
            'machine pkg.example.com\nlogin "me"\npassword "t0 \\\\k\\""\n',
        ),
        (
            {"index_url": "https://pkg.example.com/simple", "index_password": "t0k"},
            "https://pkg.example.com/simple",
            'machine pkg.example.com\nlogin "__token__"\npassword "t0k"\n',
        ),
    ],
)
def test_the_login_of_an_index_travels_in_a_file_alone(
    build: Build, given: Mapping[str, Any], url: str, netrc: str
) -> None:
    private = replace(build, **given)
    (step,) = private.change(changes(private))
    assert f"INDEX_URL={url}\n" in step.script
    assert step.files["netrc"] == netrc.encode()
    assert private.build_id(FACTS) == build.build_id(FACTS)


@pytest.mark.parametrize("given", [{"index_password": "x"}, {"index_url": "https://x/", "index_password": "x\n"}])
def test_a_login_that_cannot_be_used_is_refused(build: Build, given: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="index_password"):
        replace(build, **given)


def test_another_distribution_is_another_build(build: Build) -> None:
    assert build.build_id(replace(FACTS, distribution_release="trixie")) != build.build_id(FACTS)


@pytest.mark.parametrize(
    "difference",
    [
        {"env": {"A": "1"}},
        {"unit": Rendered("app.service.j2", "other")},
        {"migrate_commands": ("alembic upgrade heads",)},
        {"workers": "3"},
        {"memory_max": "1G"},
        {"memory_target": 0.8},
        {"processes": {"worker": "celery worker"}},
        {"entrypoint": "main:other"},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_whatever_the_app_runs_with_is_another_deployment(
    deployment: Deployment, difference: Mapping[str, Any]
) -> None:
    assert replace(deployment, **difference).digest(FACTS) != deployment.digest(FACTS)


@pytest.mark.parametrize(
    "difference",
    [
        {"health_path": "/health"},
        {"start_timeout": 5},
        {"drain": 1},
        {"host": "other"},
        {"retry": True},
        {"keep": 2},
        {"strategy": "restart"},
        {"resize": True},
        {"balancer_drain": 3},
    ],
    ids=str,
)
def test_how_a_deployment_is_checked_does_not_make_another(
    deployment: Deployment, difference: Mapping[str, Any]
) -> None:
    assert replace(deployment, **difference).digest(FACTS) == deployment.digest(FACTS)


def test_more_memory_is_no_reason_to_deploy(deployment: Deployment) -> None:
    larger = replace(FACTS, memtotal_mb=64000, processor_vcpus=16)
    assert deployment.digest(larger) == deployment.digest(FACTS)
    assert deployment.desired(larger) == deployment.desired(FACTS)


def test_a_new_password_is_a_deployment_but_no_migration(deployment: Deployment) -> None:
    changed = replace(deployment, env={"DATABASE_URL": "postgresql://notes:new@db.example.com/notes"})
    assert changed.digest(FACTS) != deployment.digest(FACTS)
    assert changed.stamp == deployment.stamp


def test_another_database_is_migrated(deployment: Deployment) -> None:
    moved = replace(deployment, env={"DATABASE_URL": "postgresql://notes:x@new.example.com/notes"})
    assert moved.stamp != deployment.stamp
    assert replace(deployment, database="the main one").stamp != deployment.stamp


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("postgresql+asyncpg://u:p@h:5432/d?ssl=true", "postgresql://u@h:5432/d"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql://u:p%40x@h/d", "postgresql://u@h/d"),
        ("sqlite:////var/lib/app-notes/notes.db", ""),
        ("postgresql+psycopg://app-n@/n?host=/var/run/postgresql", "postgresql://app-n@/n"),
        ("postgresql:///n?user=u&host=db.internal", "postgresql://db.internal/n"),
        ("postgresql://u:s3cret/v?lue@h/d", "postgresql://u@h/d"),
        ("", ""),
    ],
)
def test_a_database_is_known_by_its_url_without_the_password(url: str, identity: str) -> None:
    assert identity_of(url) == identity


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("", True),
        ("sqlite:///notes.db", True),
        ("postgresql+psycopg://app-n@/n?host=/var/run/postgresql", True),
        ("postgresql://u@localhost/n", True),
        ("postgresql://u@127.0.0.1:5432/n", True),
        ("postgresql://u@[::1]/n", True),
        ("postgresql://u@localhost.example.com/n", False),
        ("postgresql://u@10.0.0.5/n", False),
        ("postgresql:///n?host=db.internal", False),
    ],
)
def test_a_database_that_each_host_has_for_itself(url: str, own: bool) -> None:
    assert is_local(identity_of(url)) is own


def test_secrets_travel_in_files_alone(deployment: Deployment) -> None:
    (step,) = deployment.change(changes(deployment))
    holding = [name for name, data in step.files.items() if SECRET.encode() in data]
    assert holding == ["env"]
    assert SECRET not in step.script
    assert SECRET not in repr(deployment.desired(FACTS))


def test_without_commands_there_is_no_migration(deployment: Deployment) -> None:
    (step,) = replace(deployment, migrate_commands=()).change(changes(deployment))
    assert not {"migrate", "migrate_unit"} & step.files.keys()


def test_lifespan_runs_the_apps_own_startup(deployment: Deployment) -> None:
    commands = ("echo first", "lifespan")
    (step,) = replace(deployment, migrate_commands=commands).change(changes(deployment))
    script = step.files["migrate"]
    assert script.startswith(b"echo first\npython - main:app <<'PROVISION'\n")
    assert b"lifespan_context" in script
    subprocess.run(["sh", "-n"], input=script, check=True)


def test_what_a_worker_took_in_the_last_deployment_counts(deployment: Deployment) -> None:
    assert meta(deployment)["workers"] == "2"
    assert meta(deployment, memory_per_worker="700")["workers"] == "1"
    assert meta(replace(deployment, workers="5"), memory_per_worker="700")["workers"] == "5"


def test_workers_of_another_program_are_not_counted(deployment: Deployment) -> None:
    found = meta(replace(deployment, run_command="gunicorn main:app", workers="4"))
    assert (found["workers"], found["supervised"]) == ("4", "1")


def test_what_serves_as_wanted_is_left_alone(deployment: Deployment) -> None:
    observed = {"digest": deployment.digest(FACTS), "intact": "yes", "enabled": "yes", "running": "yes"}
    assert changes(deployment, observed | {"leftover": "no"}).changes == ()
    assert changes(deployment, observed | {"leftover": "yes"}).differs("leftover")


def test_ports_of_an_app_that_serves_stay(deployment: Deployment) -> None:
    with pytest.raises(Refused, match="serves on port 8000, and app_port says 9000"):
        replace(deployment, port=9000).change(changes(deployment, {"port": "8000"}))


def test_what_is_not_ours_is_refused(deployment: Deployment) -> None:
    release = Release(name="notes", src=deployment.src)
    with pytest.raises(Refused, match="the user app-notes exists already"):
        release.change(changes(release, {"owner": "the user app-notes"}))
    assert release.change(changes(release, {"owner": "free"}))[0].files["release.tar"] == deployment.src.archive


@pytest.mark.parametrize(
    ("purge", "observed", "differs"),
    [
        (False, {"owner": "ours", "data": "kept"}, ["owner"]),
        (True, {"owner": "ours", "data": "kept"}, ["owner", "data"]),
        (False, {"owner": "free", "data": "kept"}, []),
        (True, {"owner": "free", "data": "kept"}, ["data"]),
        (True, {"owner": "free", "data": "none"}, []),
    ],
)
def test_data_go_only_on_demand(purge: bool, observed: Reading, differs: list[str]) -> None:
    removal = Removal(name="notes", purge=purge)
    diff = changes(removal, observed)
    assert [change.property.name for change in diff.changes] == differs
    (step,) = removal.change(diff)
    assert f"PURGE={'yes' if purge else 'no'}\n" in step.script


def test_what_is_not_ours_is_not_removed() -> None:
    removal = Removal(name="notes", purge=True)
    with pytest.raises(Refused, match="the user app-notes was not made by provision"):
        removal.change(changes(removal, {"owner": "the user app-notes"}))


def test_a_python_the_project_refuses_ends_the_run_before_it_begins(folder: Path) -> None:
    (folder / "requirements.txt").unlink()
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\nrequires-python = ">=3.12"\ndependencies = []\n')
    build = Build(name="notes", src=pack(folder), entrypoint="main:app", uv="/opt/uv")
    with pytest.raises(Refused, match=r"notes needs Python >=3\.12; Debian bookworm has 3\.11\.2"):
        build.change(changes(build))
    trixie = replace(FACTS, distribution_release="trixie")
    assert build.change(changes(build, facts=trixie))
    installed = replace(build, python="/opt/provision/pythons/3.12/bin/python3")
    assert installed.change(changes(installed))
    with pytest.raises(ConfigError, match=r"needs Python >=3\.12, and /usr/local/bin/python3\.10 is not one"):
        replace(build, python="/usr/local/bin/python3.10")


@pytest.mark.parametrize(
    "difference",
    [
        {"name": "../etc"},
        {"name": "-notes"},
        {"name": "n" * 25},
        {"entrypoint": "main"},
        {"entrypoint": "main:app\nx"},
        {"port": 80},
        {"python": "3.12"},
        {"balancer_drain": -1},
        {"workers": "many"},
        {"workers": "0"},
        {"memory_target": 0.4},
        {"memory_high": "much"},
        {"keep": 0},
        {"processes": {"migrate": "true"}},
        {"health_path": "health"},
        {"host": "a b"},
    ],
    ids=str,
)
def test_fields_that_cannot_be_meant_are_refused(deployment: Deployment, difference: Mapping[str, Any]) -> None:
    (field,) = difference
    with pytest.raises(ValueError, match=field):
        replace(deployment, **difference)


@pytest.mark.parametrize("status", ["124", "137"])
def test_a_reading_that_was_cut_off_is_no_reason_to_deploy(deployment: Deployment, status: str) -> None:
    with pytest.raises(Refused, match="took more than 60 s to tell what serves of notes"):
        deployment.change(changes(deployment, {"rc": status}))


def test_a_plan_says_that_what_was_rolled_back_is_not_deployed(deployment: Deployment) -> None:
    there = {"digest": "another", f"rolled_back_{deployment.digest(FACTS)}": "yes"}
    (said,) = deployment.remarks(changes(deployment, there))
    assert said == "it was rolled back: `up` ends with 1 here until the app changes, or with --retry"
    again = replace(deployment, retry=True)
    assert "it was rolled back" not in str([*again.remarks(changes(again, there))])


@pytest.mark.parametrize("kind", [Release, Build, Deployment, Removal])
def test_reads_need_only_the_name_and_say_nothing_on_a_bare_host(kind: type[Resource]) -> None:
    (read,) = (read for read in partial(kind, {"name": "no-such-app-here"}).reads() if isinstance(read, Shell))
    found = subprocess.run(["sh", "-c", read.script], capture_output=True, text=True, check=True)
    assert found.stdout in ("", "owner=free\ndata=none\n")
    assert found.stderr == ""


def test_a_rollback_names_no_deployment_of_its_own() -> None:
    step = rollback("notes", 7)
    assert "ROLLBACK=7" in step.script
    assert "meta" not in step.files
    assert "app-notes-migrate@green.service" in str(step.abort)


def render(template: str, folder: Path, **variables: Any) -> str:
    nodes: dict[str, Node] = {}
    for role in ("caddy", "app"):
        nodes |= coerce.mapping(load(ROLE.parent / role / "defaults" / "main.yml"), role)
    given = {
        "app_name": "notes",
        "app_python_path": "",
        "app_folder": "",
        "app_migrate_command": "alembic upgrade head",
        **variables,
    }
    nodes |= {name: from_plain(value, Position(folder, 1, 1)) for name, value in given.items()}
    return Templates().render_file(ROLE / "templates" / template, nodes)


def filled(text: str, folder: Path) -> str:
    tokens = {"@start@": "/bin/true", "@slot@": "blue", "@build@": str(folder), "@stamp@": "0123"}
    tokens |= {"@memory_high@": "400M", "@memory_max@": "50%"}
    for token, value in tokens.items():
        text = text.replace(token, value)
    assert "@ " not in text.replace("@blue", "")
    return text


def test_the_units_hold_what_systemd_knows_and_are_well_confined(tmp_path: Path) -> None:
    unit, migration = tmp_path / "app-notes@blue.service", tmp_path / "app-notes-migrate@blue.service"
    unit.write_text(filled(render("app.service.j2", tmp_path), tmp_path))
    migration.write_text(filled(render("migrate.service.j2", tmp_path), tmp_path))
    verify = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", str(unit), str(migration)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in verify.stderr.splitlines() if "app-notes" in line] == []
    exposure = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=15", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert exposure.returncode == 0, exposure.stdout[-300:]


def test_a_slot_needs_its_migration_only_where_there_is_one(tmp_path: Path) -> None:
    assert "Requires=app-notes-migrate@@slot@.service" in render("app.service.j2", tmp_path)
    assert "Requires=" not in render("app.service.j2", tmp_path, app_migrate_command=[])


@pytest.mark.parametrize(
    ("domain", "site"),
    [("a.example.com", "a.example.com {"), (["a.x", "b.x"], "a.x, b.x {"), ([], "http:// {")],
)
def test_a_site_has_the_names_it_is_given(tmp_path: Path, domain: object, site: str) -> None:
    text = render("site.caddy.j2", tmp_path, caddy_domain=domain)
    assert site in text.splitlines()
    assert "\ttls internal" not in text.splitlines()
    assert "\treverse_proxy @green 127.0.0.1:8001 {" in text.splitlines()
    assert "\treverse_proxy 127.0.0.1:8000 {" in text.splitlines()
    assert "http://:8002 {" in text.splitlines()
