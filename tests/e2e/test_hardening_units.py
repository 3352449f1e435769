"""Hardened units: how much is left open, who runs into it, and what each variable opens."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest
import testinfra.host
from tests.e2e.cli import provision, wait_for
from tests.e2e.placed import Placed

from provision.lab.lab import Lab
from provision.lab.provider import Host, Image

GAUGE = "[ -e /dev/gauge ] || mknod -m 0660 /dev/gauge c 1 5; chgrp dialout /dev/gauge"
"""A device that the images have not; a read gives zeros."""
PLACES = "mkdir -p /mnt/media /home/somebody && chown app-tight /mnt/media && echo words >/home/somebody/words.txt"

LOOSENED: dict[str, dict[str, object]] = {
    "jit": {"app_allow_jit": True},
    "proc": {"app_allow_proc": True},
    "namespaces": {"app_allow_namespaces": True},
    "netlink": {"app_address_families": ["AF_NETLINK"]},
    "port": {"app_capabilities": ["CAP_NET_BIND_SERVICE"]},
    "ping": {"app_capabilities": ["CAP_NET_RAW"]},
    "affinity": {"app_system_calls": ["@resources"]},
    "trace": {"app_system_calls": ["ptrace"]},
    "outside": {"app_read_write_paths": ["/mnt/media"]},
    "beside": {"app_writable": ["upload.txt"]},
    "home": {"app_service_options": {"ProtectHome": "read-only"}},
}
"""What tests/apps/tight tries -> the variable that allows it."""
ALL = {
    "app_allow_jit": True,
    "app_allow_proc": True,
    "app_allow_namespaces": True,
    "app_address_families": ["AF_NETLINK"],
    "app_capabilities": ["CAP_NET_BIND_SERVICE", "CAP_NET_RAW"],
    "app_devices": ["/dev/gauge"],
    "app_supplementary_groups": ["dialout"],
    "app_system_calls": ["@resources", "ptrace"],
    "app_read_write_paths": ["/mnt/media"],
    "app_writable": ["upload.txt"],
    "app_service_options": {"ProtectHome": "read-only"},
}

At = Callable[[str], Placed]


@pytest.fixture(scope="module")
def at(
    lab: Lab,
    add_prepared: Callable[[Image], Host],
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> At:
    """The app on a host of a distribution, which is made when it is first asked for."""
    made: dict[str, Placed] = {}

    def at(distro: str) -> Placed:
        if distro not in made:
            host = add_prepared(Image(distro))
            folder = tmp_path_factory.mktemp(distro)
            tight = Placed("tight", 8000, folder, host, lab.root(host), inspect(host), app_workers=1)
            made[distro] = tight
            tight.settle()
            tight.view.check_output(f"{GAUGE}; {PLACES}")
        return made[distro]

    return at


@pytest.fixture(params=["bookworm", "trixie"])
def tight(request: pytest.FixtureRequest, at: At) -> Placed:
    """The app on each, as it is without any variable."""
    placed = at(str(request.param))
    placed.settle()
    return placed


def exposure(tight: Placed, unit: str) -> float:
    """What `systemd-analyze security` makes of a unit: 0 to 10, as it is loaded."""
    said = tight.view.check_output("systemd-analyze security --no-pager %s", unit)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    return float(found[1])


def test_little_is_left_open(tight: Placed) -> None:
    assert exposure(tight, tight.slot) <= 1.5
    assert exposure(tight, "caddy.service") <= 3
    tight.view.check_output("systemd-analyze security --no-pager --threshold=15 %s", tight.slot)
    tight.view.check_output("systemd-analyze security --no-pager --threshold=30 caddy.service")


def answers_quic(address: str) -> bool:
    """Does somebody answer a version of QUIC that does not exist by naming those that do (RFC 9000, section 6)?"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.sendto(b"\xc0\x1a\x2a\x3a\x4a\x08provisio\x00".ljust(1200, b"\0"), (address, 443))
        try:
            answer = client.recv(2000)
        except TimeoutError:
            return False
    return answer[0] >= 0x80 and answer[1:5] == bytes(4)


def test_caddy_does_all_that_it_did(tight: Placed) -> None:
    """HTTPS, HTTP/2 and 3, files below /srv, logs; the same after a reload and after a restart."""
    view = tight.view
    site = (
        "http://:8090 {\n\troot * /srv/static\n\tfile_server\n\tlog {\n\t\toutput file /var/log/caddy/a.log\n\t}\n}\n"
    )
    view.check_output("mkdir -p /srv/static && echo words >/srv/static/words.txt")
    view.check_output("install -d -o caddy -g caddy /var/log/caddy")
    (tight.root / "etc/caddy/sites/static.caddy").write_text(site)
    validate = "runuser -u caddy -- env HOME=/var/lib/caddy caddy validate --config /etc/caddy/Caddyfile"
    view.check_output(validate)
    for verb in ("reload", "restart", "reload"):
        view.check_output("systemctl %s caddy", verb)
        version = tight.curl(f"https://{tight.domain}/version", "--http2", "--write-out", "%{http_version}")
        assert version.stdout.endswith("2"), version
        wait_for("HTTP/3", lambda: answers_quic(tight.host.address))
        assert tight.curl(f"http://{tight.host.address}:8090/words.txt").stdout == "words\n"
    assert "words.txt" in view.check_output("cat /var/log/caddy/a.log")
    view.check_output("rm -r /srv/static /etc/caddy/sites/static.caddy && systemctl reload caddy")
    assert tight.up().settled == (0, 1)


def test_with_all_variables_the_app_does_all_of_it(tight: Placed) -> None:
    refused = {name: tight.answer(f"/try/{name}")["failed"] for name in [*LOOSENED, "device"]}
    assert [name for name, why in refused.items() if not why] == []
    with tight.broken():
        tight.set(**ALL)
        tight.settle()

        allowed = {name: tight.answer(f"/try/{name}")["failed"] for name in refused}

        assert {name: why for name, why in allowed.items() if why} == {}
    tight.settle()


def written(variables: dict[str, object]) -> str:
    """A variable as it stands in an inventory, and so in the error."""
    ((name, value),) = variables.items()
    match value:
        case True:
            return f"{name}: true"
        case [item] if str(item).startswith("@"):
            return f'{name}: ["{item}"]'
        case [item]:
            return f"{name}: [{item}]"
        case dict():
            return f"{name}: {{" + ", ".join(f"{key}: {text}" for key, text in value.items()) + "}"
    raise AssertionError(variables)


@pytest.mark.parametrize("name", LOOSENED)
def test_who_runs_into_it_is_told_the_variable_and_with_it_he_does_not(at: At, name: str) -> None:
    """In a migration, which is run in the app's unit and fails at once."""
    tight, variables = at("bookworm"), LOOSENED[name]
    with tight.broken():
        tight.set(app_migrate_command=f"python main.py {name}")
        assert written(variables) in tight.up(code=1).log
        tight.set(**variables)

        assert (migrated := provision("migrate", tight.inventory)).code == 0, str(migrated)


def test_a_device_is_for_a_group(at: At) -> None:
    tight = at("bookworm")
    with tight.broken():
        tight.set(app_migrate_command="python main.py device")
        assert "app_devices: [/dev/gauge]" in tight.up(code=1).log
        tight.set(app_devices=["/dev/gauge"])
        assert "app_supplementary_groups: [dialout]" in tight.up(code=1).log
        tight.set(app_supplementary_groups=["dialout"])

        assert (migrated := provision("migrate", tight.inventory)).code == 0, str(migrated)


def test_what_is_not_on_the_host_is_named(at: At) -> None:
    tight = at("bookworm")
    with tight.broken():
        tight.set(app_migrate_command="python main.py", app_read_write_paths=["/mnt/nowhere"])
        assert "cause: /mnt/nowhere is not on this host" in tight.up(code=1).log
        tight.set(app_read_write_paths=[], app_supplementary_groups=["nobodies"])
        assert "cause: there is no group nobodies on this host" in tight.up(code=1).log


def test_a_start_that_runs_into_it_is_told_too_and_the_old_release_serves(at: At) -> None:
    """Not by a command of ours but by uvicorn, whose complaint stands around it."""
    tight = at("bookworm")
    before = tight.slot
    with tight.broken():
        tight.set(app_env={"TIGHT": "proc"})
        assert "app_allow_proc: true" in tight.up(code=1).log
        tight.set(app_env={"TIGHT": "kernel"}, app_allow_proc=True)
        assert "with the module sysctl" in tight.up(code=1).log
    assert tight.slot == before
    assert tight.answer("/try/jit")["failed"] == "[Errno 1] Operation not permitted"


def test_an_import_that_runs_into_it_is_told_before_anything_is_started(at: At) -> None:
    tight = at("bookworm")
    with tight.broken():
        text = "raise ImportError('libx.so: cannot enable executable stack as shared object requires: EPERM')"
        tight.edit("main.py", "VERSION = 1\n", f"VERSION = 1\n{text}\n")
        failed = tight.up(code=1)
    assert "app_allow_jit: true" in failed.log
    assert "main:app cannot be started; nothing was changed" in failed.log
    wait_for("an answer", lambda: tight.get("/try/beside"))
