"""Hardened units: what each variable opens in them, and whose complaints name which variable."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision import coerce
from provision.errors import Position
from provision.resources.loosened import CAPABILITIES, SYSTEM_CALL_GROUPS, Loosened
from provision.resources.programs import program
from provision.role import SHIPPED
from provision.templating import Templates
from provision.yamlfile import Node, from_plain, load

UNIT = {
    "app_name": "notes",
    "app_python_path": "",
    "app_folder": "",
    "app_migrate_command": "alembic upgrade head",
}


def render(role: str, template: str, **variables: Any) -> list[str]:
    """The lines of a template of a role, with its defaults and these variables."""
    nodes: dict[str, Node] = {}
    for each in ("caddy", "app"):
        nodes |= coerce.mapping(load(SHIPPED / each / "defaults/main.yml"), each)
    place = Position(Path("inventory.yml"), 1, 1)
    nodes |= {name: from_plain(value, place) for name, value in {**UNIT, **variables}.items()}
    return Templates().render_file(SHIPPED / role / "templates" / template, nodes).splitlines()


def options(lines: list[str]) -> list[str]:
    """Without comments."""
    return [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize(
    ("variables", "gone", "there"),
    [
        ({"app_allow_jit": True}, ["MemoryDenyWriteExecute=yes"], ["MemoryDenyWriteExecute=no"]),
        ({"app_allow_proc": True}, ["ProcSubset=pid"], ["ProcSubset=all"]),
        (
            {"app_allow_namespaces": True},
            ["RestrictNamespaces=yes"],
            ["RestrictNamespaces=no", "SystemCallFilter=@mount @setuid capset"],
        ),
        (
            {"app_address_families": ["AF_NETLINK", "AF_UNIX"]},
            ["RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"],
            ["RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"],
        ),
        (
            {"app_capabilities": ["CAP_NET_RAW", "CAP_NET_BIND_SERVICE"]},
            ["CapabilityBoundingSet=", "AmbientCapabilities=", "PrivateUsers=yes"],
            [
                "CapabilityBoundingSet=CAP_NET_RAW CAP_NET_BIND_SERVICE",
                "AmbientCapabilities=CAP_NET_RAW CAP_NET_BIND_SERVICE",
                "PrivateUsers=no",
            ],
        ),
        (
            {"app_devices": ["/dev/ttyUSB0", "char-nvidia"]},
            ["PrivateDevices=yes"],
            ["PrivateDevices=no", "DevicePolicy=closed", "DeviceAllow=/dev/ttyUSB0 rw", "DeviceAllow=char-nvidia rw"],
        ),
        (
            {"app_supplementary_groups": ["dialout", "video"]},
            [],
            [f"SupplementaryGroups={g}" for g in ("dialout", "video")],
        ),
        ({"app_read_write_paths": ["/mnt/media"]}, [], ["ReadWritePaths=/mnt/media"]),
        (
            {"app_read_write_paths": ["/home/me/media", "/homes"]},
            ["ProtectHome=yes"],
            ["ReadWritePaths=/home/me/media", "ReadWritePaths=/homes", "ProtectHome=read-only"],
        ),
        ({"app_system_calls": ["@resources", "ptrace"]}, [], ["SystemCallFilter=@resources ptrace"]),
        ({"app_service_options": {"PrivateTmp": "no"}}, [], ["PrivateTmp=no"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_variable_opens_what_it_says_and_nothing_else(
    variables: dict[str, Any], gone: list[str], there: list[str]
) -> None:
    hardened, loosened = (options(render("app", "app.service.j2", **given)) for given in ({}, variables))
    assert sorted([*hardened, *there]) == sorted([*loosened, *gone])


def test_what_is_allowed_again_comes_after_what_is_forbidden() -> None:
    """systemd goes through the lines in their order."""
    lines = render("app", "app.service.j2", app_system_calls=["@resources"], app_service_options={"ProcSubset": "all"})
    assert lines.index("SystemCallFilter=@resources") > lines.index("SystemCallFilter=~@privileged @resources")
    assert lines.index("ProcSubset=all") > lines.index("ProcSubset=pid")


def test_only_what_a_reload_does_not_bring_about_is_a_restart() -> None:
    """Which is what a change of the unit is."""

    def unit(**variables: object) -> list[str]:
        return render("caddy", "provision.conf.j2", **variables)

    assert unit(caddy_email="a@example.com", caddy_http_port=81, caddy_global_options=["grace_period 1s"]) == unit()
    changed = [
        unit(caddy_tls="internal"),
        unit(caddy_acme_staging=True),
        unit(caddy_acme_ca="https://ca.internal/acme"),
        unit(caddy_global_options=["grace_period 1s", " admin localhost:2019"]),
        unit(caddy_global_options=["admin localhost:2020 {\n  origins a\n}"]),
    ]
    assert len({"\n".join(lines) for lines in [unit(), *changed]}) == 6
    reload = "caddy reload --config /etc/caddy/Caddyfile"
    assert [f"{reload} --address unix//run/caddy/admin.sock" in str(lines) for lines in [unit(), *changed]] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]


def test_caddy_is_given_little_and_more_on_request(tmp_path: Path) -> None:
    lines = render("caddy", "provision.conf.j2", caddy_service_options={"ReadWritePaths": "/data/logs"})
    assert lines[-1] == "ReadWritePaths=/data/logs"
    unit = tmp_path / "caddy.service"
    unit.write_text("[Service]\nType=notify\nUser=caddy\nExecStart=/bin/true\n" + "\n".join(lines) + "\n")
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=30", str(unit)]
    exposure = subprocess.run(command, capture_output=True, text=True, check=False)
    assert exposure.returncode == 0, exposure.stdout[-300:]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("capabilities", "CAP_NET_RAWW", "holds CAP_NET_RAWW, which does not exist. Did you mean CAP_NET_RAW?"),
        ("capabilities", "root", "holds root, which does not exist. There are CAP_AUDIT_CONTROL, CAP_AUDIT_READ,"),
        ("address_families", "netlink", "holds netlink, which does not exist. There are AF_ALG, AF_BLUETOOTH,"),
        ("system_calls", "@resource", "holds @resource, which does not exist. Did you mean @resources?"),
        ("system_calls", "~@clock", "holds names of system calls or @groups of them, not '~@clock'"),
        ("devices", "ttyUSB0", "holds paths below /dev or groups like char-nvidia, not 'ttyUSB0'"),
        ("read_write_paths", "media", "holds absolute paths of letters, digits and . _ + -, not 'media'"),
        ("read_write_paths", "/", "holds absolute paths of letters, digits and . _ + -, not '/'"),
        ("read_write_paths", "/mnt/../etc", "holds absolute paths without . and .., not '/mnt/../etc'"),
        ("supplementary_groups", "dial out", "holds names of groups, not 'dial out'"),
    ],
)
def test_what_systemd_would_skip_is_refused(field: str, value: str, says: str) -> None:
    with pytest.raises(ValueError, match=field) as refusal:
        Loosened(**{field: (value,)}).check_loosened()
    assert str(refusal.value).startswith(f"{field} {says}")


def test_the_names_are_those_of_systemd() -> None:
    def ask(*words: str) -> str:
        return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=True).stdout

    known = {line.split()[0].upper() for line in ask("capability").splitlines()[1:] if line.strip()}
    assert known >= CAPABILITIES
    groups = {line for line in ask("syscall-filter").splitlines() if line.startswith("@")}
    # Those of a newer systemd are not for all hosts.
    assert groups >= SYSTEM_CALL_GROUPS


Explain = Callable[..., str]


@pytest.fixture
def explain(tmp_path: Path) -> Explain:
    """What hardening.sh says of a log, where these properties of the unit are in force."""
    properties = {
        "MemoryDenyWriteExecute": "yes",
        "RestrictAddressFamilies": "AF_INET6 AF_UNIX AF_INET",
        "ReadWritePaths": "/mnt/media",
        "ProcSubset": "pid",
        "ProtectHome": "yes",
        "PrivateDevices": "yes",
        "RestrictNamespaces": "yes",
        "AmbientCapabilities": "",
        "SystemCallFilter": "read write",
        "SupplementaryGroups": "no-such-group",
        "ExecMainStatus": "1",
    }

    def explain(log: str, folder: str = "", **loosened: str) -> str:
        shown = "".join(f"{name}) echo '{value}' ;;\n" for name, value in {**properties, **loosened}.items())
        (tmp_path / "meta").write_text(f"folder={folder}\n")
        script = "\n".join(
            [
                "set -eu",
                program("state.sh", "slots.sh", "hardening.sh", NAME="notes"),
                f'systemctl() {{ case $3 in\n{shown}*) echo "unknown $3" ;;\nesac; }}',
                "stat() { echo dialout; }",
                f"INPUT={tmp_path} build=/srv/notes/builds/7",
                'cause_by_hardening app-notes@blue.service "$1" || echo unknown',
            ]
        )
        done = subprocess.run(["sh", "-c", script, "sh", log], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.replace("\n", " ").strip()

    return explain


EPERM = "PermissionError: [Errno 1] Operation not permitted"
CASES = [
    ("LLVM ERROR: Unable to allocate section memory!", "app_allow_jit: true"),
    ("OSError: [Errno 1] cannot allocate executable memory. This may be due to", "app_allow_jit: true"),
    ("MemoryError: Cannot allocate write+execute memory for ffi.callback().", "app_allow_jit: true"),
    ("ImportError: lib.so: cannot enable executable stack as shared object requires: EPERM", "app_allow_jit: true"),
    ("# Check failed: 12 == (*__errno_location ()).", "app_allow_jit: true"),
    (f"mmap.mmap(-1, 9, prot=mmap.PROT_EXEC)\n{EPERM}", "app_allow_jit: true"),
    ("OSError: [Errno 97] Address family not supported by protocol", "app_address_families: [AF_NETLINK]"),
    ("socket(AF_VSOCK)\nAddress family not supported by protocol", "app_address_families: [AF_VSOCK]"),
    ("socket(AF_INET6)\nAddress family not supported by protocol", "unknown"),
    ("bind on ('::', 80): Address family not supported by protocol", "unknown"),
    ("OSError: [Errno 30] Read-only file system: 'logs/a.log'", "app_writable: [logs/a.log]"),
    ("OSError: [Errno 30] Read-only file system: '/srv/notes/builds/7/app/logs'", "app_writable: [logs]"),
    ("touch: cannot touch '/srv/notes/builds/7/app/logs': Read-only file system", "app_writable: [logs]"),
    ("sh: 1: cannot create ./logs: Read-only file system", "unknown"),
    ("OSError: [Errno 30] Read-only file system: '/srv/notes/builds/7/.venv/cache'", "unknown"),
    ("OSError: [Errno 30] Read-only file system: '/etc/no/such'", "app_read_write_paths: [/etc]"),
    ("sh: 1: cannot create /etc/no/such: Read-only file system", "app_read_write_paths: [/etc]"),
    ("OSError: [Errno 30] Read-only file system: '/mnt/media/a'", "unknown"),
    ("OSError: [Errno 30] Read-only file system: '/proc/sys/vm/swappiness'", "the module sysctl"),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/proc/meminfo'", "app_allow_proc: true"),
    ("free: /proc must be mounted", "app_allow_proc: true"),
    ("free: Memory information file /proc/meminfo does not exist", "app_allow_proc: true"),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/proc/no-such-file'", "unknown"),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/dev/null'", "app_devices: [/dev/null]"),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/dev/no-such-device'", "unknown"),
    ("[0101/1.FATAL:zygote.cc] No usable sandbox! Update your kernel", "app_allow_namespaces: true"),
    ("unshare: unshare failed: Operation not permitted", "app_allow_namespaces: true"),
    ("Failed to move to new namespace: Operation not permitted", "app_allow_namespaces: true"),
    (f"socket.socket(AF_INET, SOCK_RAW)\n{EPERM}", "app_capabilities: [CAP_NET_RAW]"),
    ("sock.bind(('', 514))\nPermissionError: [Errno 13] Permission denied", "app_capabilities: [CAP_NET_BIND_SERVICE]"),
    ("error while attempting to bind on address ('0.0.0.0', 80): permission denied", "[CAP_NET_BIND_SERVICE]"),
    (f"os.sched_setaffinity(0, cores)\n{EPERM}", 'app_system_calls: ["@resources"]'),
    (f"os.nice(5)\n{EPERM}", 'app_system_calls: ["@resources"]'),
    (f"os.chown(path, uid, gid)\n{EPERM}: 'a'", 'app_system_calls: ["@chown"]'),
    ("ptrace: Operation not permitted", "app_system_calls: [ptrace]"),
    (f"os.unheard_of()\n{EPERM}", "unknown"),
    ("Failed to set up mount namespacing: /run/systemd/unit-root/mnt/x: No such file or directory", "/mnt/x is not on"),
    ("Failed to set up mount namespacing: /mnt/x: No such file or directory", "cause: /mnt/x is not on this host"),
    ("RuntimeError: the queue is closed", "unknown"),
]


@pytest.mark.parametrize(("log", "says"), CASES)
def test_a_complaint_names_the_variable(explain: Explain, log: str, says: str) -> None:
    said = explain(log)
    assert says in said
    assert said == "unknown" or said.startswith("cause: ")


def test_a_group_that_is_not_there_is_named(explain: Explain) -> None:
    assert "there is no group no-such-group on this host" in explain(
        "Failed with result 'exit-code'.", ExecMainStatus="216"
    )


def test_a_path_in_a_folder_of_the_source_is_named_from_there(explain: Explain) -> None:
    log = "OSError: [Errno 30] Read-only file system: '/srv/notes/builds/7/app/backend/logs'"
    assert "app_writable: [logs]" in explain(log, folder="backend")


@pytest.mark.parametrize(
    ("log", "loosened"),
    [
        ("LLVM ERROR: Unable to allocate section memory!", {"MemoryDenyWriteExecute": "no"}),
        (
            "[Errno 97] Address family not supported by protocol",
            {"RestrictAddressFamilies": "AF_UNIX AF_NETLINK AF_INET"},
        ),
        ("No such file or directory: '/proc/meminfo'", {"ProcSubset": "all"}),
        ("No such file or directory: '/dev/null'", {"PrivateDevices": "no"}),
        ("unshare failed: Operation not permitted", {"RestrictNamespaces": "no"}),
        (f"os.nice(5)\n{EPERM}", {"SystemCallFilter": "read sched_setaffinity write"}),
        ("sock.bind(('', 514))\n[Errno 13] Permission denied", {"AmbientCapabilities": "cap_net_bind_service"}),
    ],
)
def test_a_variable_that_is_set_is_not_to_blame(explain: Explain, log: str, loosened: dict[str, str]) -> None:
    assert explain(log) != "unknown"
    assert explain(log, **loosened) == "unknown"


def test_a_device_that_is_seen_is_for_its_group(explain: Explain) -> None:
    seen = {"PrivateDevices": "no"}
    assert "app_supplementary_groups: [dialout]" in explain("Permission denied: '/dev/null'", **seen)
    assert "app_devices: [/dev/null]" in explain("Operation not permitted: '/dev/null'", **seen)
