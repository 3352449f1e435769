"""Where variables come from, what is refused or noted, and the `inventory` command."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from provision.cli.inventory import inventory as command
from provision.errors import ConfigError, Position
from provision.inventory import Inventory
from provision.inventory.ranges import expand

HERE = Path(__file__).parent / "inventories"


def _write(folder: Path, text: str, name: str = "hosts.yml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_several_limits_add_up() -> None:
    chosen = Inventory.load(HERE / "patterns/inventory.yml").select("web:&staging", "db2,lone", "!web6")
    assert [host.name for host in chosen] == ["web5", "db2"], "as if they were one pattern: & narrows all of them"


def test_an_inventory_without_hosts_has_nothing_to_select(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this inventory has no hosts"):
        Inventory.load(_write(tmp_path, "all: {vars: {a: 1}}")).select("all")


def test_origins_are_listed_from_the_weakest_to_the_one_that_wins() -> None:
    inventory = Inventory.load(HERE / "group_vars/inventory.yml")
    host = inventory.hosts["web2.example.com"]
    found = [(where, node.plain(), node.position.line) for where, node in host.origins("c")]
    assert found == [
        ("group all", "inline all", 2),
        ("group web", "inline web", 6),
        ("group_vars/all.yml", "file all", 1),
        ("host web2.example.com", "inline web2", 7),
        ("host_vars/web2.example.com.yml", "file web2", 1),
    ]
    assert host.variables["c"] is host.origins("c")[-1][1]
    assert host.origins("nothing") == []
    assert [where for where, _ in host.origins("g")] == ["group_vars/web/10-first.yml", "group_vars/web/20-second.yaml"]


def test_magic_variables() -> None:
    inventory = Inventory.load(HERE / "group_vars/inventory.yml")
    host = inventory.hosts["web2.example.com"]
    assert host.groups == ("all", "web")
    assert host.magic == {
        "inventory_hostname": "web2.example.com",
        "inventory_hostname_short": "web2",
        "inventory_file": str(HERE / "group_vars/inventory.yml"),
        "inventory_dir": str(HERE / "group_vars"),
        "group_names": ["web"],
        "groups": {
            "all": ["solo", "web1", "web2.example.com", "db1"],
            "ungrouped": ["solo"],
            "web": ["web1", "web2.example.com"],
            "api": ["web1"],
            "db": ["db1"],
            "cache": ["db1"],
        },
    }
    addresses = Inventory.load(HERE / "ranges/inventory.yml").hosts
    assert addresses["192.0.2.1"].magic["inventory_hostname_short"] == "192.0.2.1"
    assert addresses["2001:db8::1"].magic["inventory_hostname_short"] == "2001:db8::1"


def test_hosts_keep_the_order_of_the_file() -> None:
    inventory = Inventory.load(HERE / "depth/inventory.yml")
    assert list(inventory.hosts) == ["deep1", "deep2", "flat"]
    assert inventory.base == HERE / "depth"
    assert Inventory.load(HERE / "folder/inventory").base == HERE / "folder/inventory"


def test_what_is_ignored_is_noted_once_with_its_place(tmp_path: Path) -> None:
    text = """\
all:
  vars:
    ansible_python_interpreter: /usr/bin/python3
    ansible_become: no
    ansible_become_method: sudo
    ansible_connection: "{{ how }}"
  hosts:
    web[1:2]: {ansible_hots: 192.0.2.1, ansible_ssh_args: -C}
    db:
  children:
    db: {hosts: {db: }}
"""
    file = _write(tmp_path, text)
    _write(tmp_path, "a: 1", "group_vars/bd.yml")
    _write(tmp_path, "a: 1", "group_vars/db/x.yml")
    _write(tmp_path, "a: 1", "group_vars/db.yaml")
    _write(tmp_path, "a: 1", "host_vars/web1.yml~")
    _write(tmp_path, "notes", "host_vars/README.md")
    assert Inventory.load(file).notes == (
        "group_vars/bd.yml is not read: there is no group bd.",
        "group_vars/db.yaml is not read, because group_vars/db exists",
        "db is a group and a host",
        f"{file}:3:33: ansible_python_interpreter is ignored: nothing on the host needs Python",
        f"{file}:4:21: ansible_become: false is ignored: everything here needs root",
        f"{file}:8:30: ansible_hots is ignored. Did you mean ansible_host?",
        f"{file}:8:59: ansible_ssh_args is ignored: use ansible_ssh_common_args",
    )


def test_a_thousand_hosts_load_in_well_under_two_seconds(tmp_path: Path) -> None:
    hosts = "".join(
        f"        web{number}:\n          ansible_host: 10.0.0.{number % 250}\n          app_workers: {number}\n"
        f"          app_env: {{DEBUG: no, NAME: 'web{number}'}}\n"
        for number in range(1000)
    )
    file = _write(
        tmp_path, f"all:\n  children:\n    web:\n      hosts:\n{hosts}  vars: {{caddy_domain: x.example.com}}\n"
    )
    for number in range(0, 1000, 10):
        _write(tmp_path, "app_port: 8000\n", f"host_vars/web{number}.yml")
    started = time.process_time()
    inventory = Inventory.load(file)
    merged = [dict(host.variables) for host in inventory.select("all")]
    assert time.process_time() - started < 1.5
    assert (len(merged), len(merged[0]), len(merged[1])) == (1000, 5, 4)


def test_the_command_prints_what_ansible_inventory_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(HERE / "siblings/inventory.yml")
    run = CliRunner().invoke
    listed = run(command, [file, "--list"])
    assert json.loads(listed.stdout)["_meta"]["hostvars"]["h"] == {"x": "b", "y": "a", "z": "nine"}
    assert json.loads(run(command, [file, "--host", "h"]).stdout) == {"x": "b", "y": "a", "z": "nine"}
    assert run(command, [file, "--graph"]).stdout.splitlines()[:4] == [
        "@all:",
        "  |--@ungrouped:",
        "  |--@web_b:",
        "  |  |--h",
    ]
    assert run(command, [file]).stdout == run(command, [file, "--graph"]).stdout
    monkeypatch.chdir(HERE / "siblings")
    assert run(command, []).stdout == run(command, [file]).stdout
    noted = run(command, [str(HERE / "reserved/inventory.yml"), "--list"])
    assert "note: web is a group and a host" in noted.stderr
    assert "note:" not in noted.stdout
    several = run(command, [str(HERE / "depth/inventory.yml"), "--host", "deep*"])
    assert isinstance(several.exception, ConfigError)
    assert several.exception.message == "--host takes one host; 'deep*' matches 2"


KEYS = st.sampled_from(["all", "web", "hosts", "children", "vars", "h[1:3]", "h:22", "plugin", "ansible_port", "x"])
TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda below: st.dictionaries(KEYS | st.text(max_size=6), below, max_size=4) | st.lists(below, max_size=2),
    max_leaves=15,
)


@given(TREES)
def test_no_tree_raises_anything_but_config_error(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    file = _write(tmp_path_factory.getbasetemp() / "trees", json.dumps(tree))
    assert isinstance(_outcome(file), Inventory | ConfigError)


def _outcome(file: Path) -> Inventory | ConfigError:
    try:
        return Inventory.load(file)
    except ConfigError as error:
        return error


@given(st.text(alphabet="ab019[]:-.", max_size=12))
def test_no_name_raises_anything_but_config_error(name: str) -> None:
    try:
        hosts, port = expand(name, Position(Path("i.yml"), 1, 1))
    except ConfigError:
        return
    assert hosts
    assert port is None or 1 <= port <= 65535
