"""The sh programs that run on a host: under every checker, and function by function on a host that is a folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provision.resources.programs import program, source

PROGRAMS = {
    "observe": ("state.sh", "observe.sh"),
    "listeners": ("listeners.sh",),
    "release": ("state.sh", "release.sh"),
    "remove": ("state.sh", "remove.sh"),
    "build": ("state.sh", "build.sh"),
    "python": ("python.sh",),
    "uv": ("uv.sh",),
    "deploy": tuple(
        f"{name}.sh"
        for name in ["state", "slots", "write", "restart", "balancer", "hardening", "explain", "finish", "deploy"]
    ),
}
CHECKERS = {
    "dash": ["dash", "-n", "-"],
    "bash": ["bash", "--posix", "-n", "-"],
    "shellcheck": ["shellcheck", "--shell=sh", "-"],
}
FOLDER = Path(str(program.__code__.co_filename)).parent


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_posix_sh(name: str, checker: str) -> None:
    text = "set -eu\n" + program(*PROGRAMS[name])
    result = subprocess.run(CHECKERS[checker], input=text, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_every_program_is_checked() -> None:
    assert {path.name for path in FOLDER.glob("*.sh")} == {part for parts in PROGRAMS.values() for part in parts}


@pytest.mark.parametrize("name", ["bytecode.py", "preflight.py", "gate.py", "hold.py", "holders.py", "lifespan.py"])
def test_helpers_import_only_the_standard_library(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", source(name).decode().replace('"__main__"', '"nobody"')],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs a line of sh with the functions of state.sh and slots.sh, on a host that is a folder."""

    def run(line: str, **variables: str) -> str:
        folders = {"home": "srv", "units": "units", "settings": "etc", "trials": "run"}
        for name in folders.values():
            (tmp_path / name).mkdir(exist_ok=True)
        setup = "".join(f"{key}={tmp_path / name}\n" for key, name in folders.items())
        setup += "".join(f"{key}='{value}'\n" for key, value in variables.items())
        script = f"set -eu\n{program('state.sh', 'slots.sh', 'write.sh', NAME='no-such-app')}\n{setup}{line}\n"
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout

    return run


@pytest.mark.parametrize(
    ("target", "slot"), [("slots/blue", "blue\n"), ("slots/green", "green\n"), ("slots/red", ""), ("/etc", "")]
)
def test_the_link_names_the_active_slot(run: Callable[..., str], tmp_path: Path, target: str, slot: str) -> None:
    assert run("active_slot") == ""
    (tmp_path / "srv" / "active").symlink_to(target)
    assert run("active_slot") == slot


@pytest.mark.parametrize(
    ("there", "works"),
    [
        ("last/cli-works last/PY/fastapi-1.dist-info new/PY/fastapi-1.dist-info", True),
        ("last/cli-works last/PY/fastapi-1.dist-info new/PY/fastapi-2.dist-info", False),
        ("last/cli-works last/PY/fastapi-1.dist-info new/PY/fastapi-1.dist-info new/PY/typer-1.dist-info", False),
        ("last/PY/fastapi-1.dist-info new/PY/fastapi-1.dist-info", False),
    ],
)
def test_a_cli_is_tried_again_with_other_packages(tmp_path: Path, there: str, works: bool) -> None:
    settings = ["RELEASE", "UV", "PYTHON", "DEPENDENCIES", "ENTRYPOINT", "UV_OPTIONS", "CA_BUNDLE", "INDEX_URL"]
    settings += ["RUN_COMMAND", "WORK", "FOLDER"]
    builds = tmp_path / "builds"
    for path in [*there.split(), "new/.complete"]:
        (builds / path.replace("PY", ".venv/lib/python3.11/site-packages")).mkdir(parents=True)
    # Nothing is made, since it is complete: what is left are the functions.
    build = program("build.sh", BUILD="new", FILES=str(tmp_path), **dict.fromkeys(settings, "x"))
    script = f"set -eu\nhome={tmp_path}\n{build}\nlast={builds}/last\nif cli_worked; then echo yes; fi\n"
    script += "last=''\nif cli_worked; then echo no; fi\n"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ("yes\n" if works else "")


def test_only_what_we_marked_is_ours(run: Callable[..., str], tmp_path: Path) -> None:
    assert run("rmdir $settings; owner") == "free\n"
    assert run("owner") == f"the folder {tmp_path / 'etc'}\n"
    (tmp_path / "srv" / "index.html").touch()
    assert run("owner") == f"the folder {tmp_path / 'srv'}\n"
    (tmp_path / "srv" / ".provision").touch()
    assert run("owner") == "ours\n"


def test_a_user_is_ours_where_a_removal_has_left_it(run: Callable[..., str], tmp_path: Path) -> None:
    ask = "rmdir $settings; getent() { :; }; owner; has_data && echo data || echo none"
    assert run(ask, kept=str(tmp_path / "kept")) == "the user app-no-such-app\nnone\n"
    (tmp_path / "kept").touch()
    assert run(ask, kept=str(tmp_path / "kept")) == "free\ndata\n"


@pytest.mark.parametrize("kind", ["builds", "releases"])
def test_what_is_removed_in_part_is_complete_no_longer(run: Callable[..., str], tmp_path: Path, kind: str) -> None:
    """A power cut in the middle: the next run must not take half a build, or half a release, for a whole one."""
    folder = tmp_path / "srv" / kind / "1234"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".complete").touch()
    # The one that removes all of it is the last.
    cut = 'rm() { case $1 in -rf) [ "${3%/.new}" != "$3" ] && [ ! -e "$3" ] || exit 0 ;; esac; command rm "$@"; }'
    run(f'{cut}; forget "{folder}"')
    assert not (folder / ".complete").exists()
    assert (folder.exists(), folder.with_name(".new").exists()) == (kind == "builds", kind == "releases")

    run(f'forget "{folder}"')
    assert [*folder.parent.glob("*")] == []


def test_a_slot_is_intact_while_its_files_are_those_of_the_record(run: Callable[..., str], tmp_path: Path) -> None:
    lines = """mkdir -p $home/slots/blue $home/deployments/4
        echo 4 >$home/slots/blue/blue; echo unit >$units/u
        sha256sum $units/u >$home/deployments/4/manifest"""
    run(lines)
    assert run("intact blue && echo yes") == "yes\n"
    assert run("intact green || echo no") == "no\n"
    (tmp_path / "units" / "u").write_text("edited\n")
    assert run("intact blue || echo no") == "no\n"


def test_files_that_caddy_serves_are_links_into_the_build(run: Callable[..., str], tmp_path: Path) -> None:
    """Laid out as URLs are; a deployment without any leaves none."""
    for name in ("build/app/dist/index.html", "build/app/media/a.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    given, links = tmp_path / "static", tmp_path / "srv/slots/blue/static"
    write = f"INPUT={tmp_path} build={tmp_path}/build; mkdir -p $home/slots/blue; write_static blue"
    for text, found in [
        ("/media media\n/a/b dist\n", {"a/b/index.html", "media/a.png"}),
        ("/ dist\n", {"index.html"}),
    ]:
        given.write_text(text)
        run(write)
        files = subprocess.run(["find", "-L", ".", "-type", "f"], cwd=links, capture_output=True, text=True, check=True)
        assert {name.removeprefix("./") for name in files.stdout.split()} == found
    given.unlink()
    run(write)
    assert not links.is_symlink()
    assert not links.exists()


def test_a_slot_without_its_links_is_not_intact(run: Callable[..., str], tmp_path: Path) -> None:
    run("""mkdir -p $home/slots/blue/static $home/deployments/4
        echo 4 >$home/slots/blue/blue; echo unit >$units/u; touch $home/deployments/4/static
        sha256sum $units/u >$home/deployments/4/manifest""")
    assert run("intact blue && echo yes") == "yes\n"
    (tmp_path / "srv/slots/blue/static").rmdir()
    assert run("intact blue || echo no") == "no\n"


def test_a_deployment_that_was_cut_short_is_seen(run: Callable[..., str], tmp_path: Path) -> None:
    """Also where the link names it and only its end was lost."""
    ask = "running_in_part() { false; }; leftover green && echo yes || echo no"
    run("mkdir -p $home/slots/green $home/deployments/4; echo 4 >$home/slots/green/green")
    assert run(ask) == "yes\n"
    (tmp_path / "srv/deployments/4/deployed").touch()
    assert run(ask) == "no\n"
    (tmp_path / "run/trial-green").touch()
    assert run(ask) == "yes\n"


@pytest.mark.parametrize(
    ("workers", "expected"),
    [(3, "/v/fastapi run --workers 3 --port 8001 -e a&b:c"), (1, "/v/fastapi run  --port 8001 -e a&b:c")],
)
def test_tokens_of_a_unit_get_the_values_of_its_slot(
    run: Callable[..., str], tmp_path: Path, workers: int, expected: str
) -> None:
    (tmp_path / "start").write_text("/v/fastapi run @workers@ --port @port@ -e a&b:c\n")
    (tmp_path / "meta").write_text(f"workers={workers}\nport=8000\nstamp=77\n")
    unit = "ExecStart=@start@\nRequires=app-x-migrate@@slot@.service\nX=@build@ @stamp@ @slot@\n"
    filled = run(f"fill green <<'E'\n{unit}E", INPUT=str(tmp_path), build=str(tmp_path))
    assert filled == f"ExecStart={expected}\nRequires=app-x-migrate@green.service\nX={tmp_path} 77 green\n"


def test_migration_and_trial_import_take_the_lines_of_the_process(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "start").write_text("/v/fastapi run\n")
    (tmp_path / "meta").write_text("workers=1\nport=8000\nstamp=77\n")
    (tmp_path / "unit").write_text(
        "[Unit]\nRequires=m\n[Service]\nType=exec\nExecStart=@start@\nRestart=always\nRestartSec=3\n"
        "KillMode=mixed\n# why\nUser=app-x\nEnvironment=A=@slot@\nSystemCallFilter=~@privileged\n\n"
        "[Install]\nWantedBy=m\n"
    )
    lines = run("process_lines blue", INPUT=str(tmp_path), build=str(tmp_path))
    assert lines == "User=app-x\nEnvironment=A=blue\nSystemCallFilter=~@privileged\n"


def test_the_switch_is_a_rename(run: Callable[..., str], tmp_path: Path) -> None:
    link = tmp_path / "srv" / "active"
    run("link_to blue")
    assert os.readlink(link) == "slots/blue"
    (tmp_path / "srv" / ".active.new").symlink_to("left by a run that was killed")
    run("link_to green")
    assert os.readlink(link) == "slots/green"
    run("link_to ''")
    assert not link.is_symlink()


def test_a_record_gets_the_next_number_and_forgets_the_last_ones_history(
    run: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "srv" / "deployments" / "9").mkdir(parents=True)
    (tmp_path / "srv" / "slots" / "blue").mkdir(parents=True)
    for name, text in {"meta": "digest=d\nslot=green\nprevious=1\nwhen=then\n", "unit": "u", "env": "e"}.items():
        (tmp_path / name).write_text(text)
    run("write_record blue", INPUT=str(tmp_path), PREVIOUS="9")
    record = tmp_path / "srv" / "deployments" / "10"
    meta = (record / "meta").read_text().splitlines()
    assert meta[:3] == ["digest=d", "slot=blue", "previous=9"]
    assert meta[3].startswith("when=2")
    assert len(meta) == 4
    assert (tmp_path / "srv" / "slots" / "blue" / "blue").read_text() == "10\n"
    assert record.parent.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_who_listens_is_found_in_proc(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    script = f"{program('listeners.sh')}\nlisteners 9 {port}\n"
    found = subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=True).stdout
    (row,) = found.splitlines()
    assert row.split(" ")[:2] == [str(port), str(os.getpid())]
    assert row.split(" ", 3)[3] == Path("/proc/self/comm").read_text().strip()


def test_a_slot_is_drained_when_nobody_is_connected(run: Callable[..., str], listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    ask = f"connected {port} && echo yes || echo no"
    assert run(ask) == "no\n"
    with socket.create_connection(("127.0.0.1", port)):
        assert run(ask) == "yes\n"
