"""Hosts from Vagrant: what `vagrant ssh-config` prints, the logins made of it, and every way it can go wrong."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.cli_site import ROLE, invoke, write
from tests.unit.test_cli_commands_schema import accepts
from tests.unit.waiting import eventually

from provision.errors import ConfigError, HostKeyError
from provision.inventory import Inventory, vagrant
from provision.ops.targets import Targets
from provision.transport.protocol import Login
from provision.transport.ssh_hostkeys import HostKey, HostKeyPolicy
from provision.transport.ssh_settings import resolve

ROOT = Path(__file__).parents[2]

LIBVIRT = """\
Host web1
  HostName 192.168.121.89
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile /srv/shop/.vagrant/machines/web1/libvirt/private_key
  IdentitiesOnly yes
  LogLevel FATAL

"""
# Vagrant 2.4 with VirtualBox: the key's folder has a space in its name.
VIRTUALBOX = """\
Host web1
  HostName 127.0.0.1
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile "/Users/me/My shop/.vagrant/machines/web1/virtualbox/private_key"
  IdentitiesOnly yes
  LogLevel FATAL
  PubkeyAcceptedKeyTypes +ssh-rsa
  HostKeyAlgorithms +ssh-rsa

"""
LOCAL = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
WEB1 = {
    "ansible_host": "192.168.121.89",
    "ansible_user": "vagrant",
    "ansible_port": "22",
    "ansible_ssh_private_key_file": "/srv/shop/.vagrant/machines/web1/libvirt/private_key",
    "ansible_ssh_common_args": f"{LOCAL} -o IdentitiesOnly=yes",
}
UNCHECKED = "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n"

PARSED: list[tuple[str, str, dict[str, dict[str, Any]]]] = [
    ("libvirt", LIBVIRT, {"web1": WEB1}),
    (
        "a path with a space",
        VIRTUALBOX,
        {
            "web1": {
                **WEB1,
                "ansible_host": "127.0.0.1",
                "ansible_port": "2222",
                "ansible_ssh_private_key_file": "/Users/me/My shop/.vagrant/machines/web1/virtualbox/private_key",
            }
        },
    ),
    (
        "several machines",
        LIBVIRT + LIBVIRT.replace("web1", "db-2.internal").replace(".89", ".90"),
        {
            "web1": WEB1,
            "db-2.internal": {
                **WEB1,
                "ansible_host": "192.168.121.90",
                "ansible_ssh_private_key_file": "/srv/shop/.vagrant/machines/db-2.internal/libvirt/private_key",
            },
        },
    ),
    ("words of Vagrant before it", f"==> web1: A new version is there!\n  Port 1\n\n{LIBVIRT}", {"web1": WEB1}),
    ("the least there can be", "Host a\nHostName 10.0.0.1\n", {"a": {"ansible_host": "10.0.0.1"}}),
    ("line ends of Windows", "Host a\r\n  HostName 10.0.0.1\r\n", {"a": {"ansible_host": "10.0.0.1"}}),
    (
        "several keys",
        "Host a\nHostName 10.0.0.1\nIdentityFile /a\nIdentityFile /b\n",
        {"a": {"ansible_host": "10.0.0.1", "ansible_ssh_private_key_file": ["/a", "/b"]}},
    ),
    (
        "a hypervisor elsewhere",
        "Host a\nHostName 10.0.0.1\nProxyCommand ssh 'kvm' -l 'me' -W %h:%p\n",
        {
            "a": {
                "ansible_host": "10.0.0.1",
                "ansible_ssh_common_args": shlex.join(["-o", "ProxyCommand=ssh 'kvm' -l 'me' -W %h:%p"]),
            }
        },
    ),
    *(
        (address, f"Host a\nHostName {address}\n{UNCHECKED}", {"a": {"ansible_host": address} | arguments})
        for addresses, arguments in (
            (("127.0.0.1", "172.20.1.1", "::1", "fe80::1", "localhost"), {"ansible_ssh_common_args": LOCAL}),
            (("203.0.113.7", "172.32.1.1", "2001:db8::1", "ec2.example.com"), {}),
        )
        for address in addresses
    ),
]
UNREADABLE = [
    ("", "it is empty"),
    ("\n \n", "it is empty"),
    ("no machine\nat all\n", "no line of it begins with `Host`; the first is 'no machine'"),
    ("Hostess a\n", "no line of it begins with `Host`; the first is 'Hostess a'"),
    ("Host a\n  Port 22\n", "a has no HostName"),
    (f"{LIBVIRT}Host b\n", "b has no HostName"),
    ("Host\n  HostName 10.0.0.1\n", "'' cannot be the name of a host"),
    ("Host -oProxyCommand=x\n  HostName 10.0.0.1\n", "'-oProxyCommand=x' cannot be the name of a host"),
    ("Host a b\n  HostName 10.0.0.1\n", "'a b' cannot be the name of a host"),
]


@pytest.mark.parametrize(("text", "found"), [case[1:] for case in PARSED], ids=[case[0] for case in PARSED])
def test_ssh_config_becomes_connection_variables(text: str, found: dict[str, dict[str, Any]]) -> None:
    assert vagrant.parse(text) == found


@pytest.mark.parametrize(("text", "reason"), UNREADABLE)
def test_what_cannot_be_read_is_named(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        vagrant.parse(text)
    assert str(caught.value) == reason


INVENTORY = """\
plugin: provision.vagrant
vagrantfile: ..
all:
  vars: {roles: [site], site_title: x}
"""

Fake = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Vagrantfile and, below it, an inventory and a role; PATH is empty."""
    write(tmp_path / "site", {"vagrant.yml": INVENTORY, **ROLE})
    (tmp_path / "Vagrantfile").touch()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "site"


@pytest.fixture
def fake(site: Path) -> Fake:
    """Makes a `vagrant` that prints ``output``, complains on standard error, and notes how it was called."""
    folder = site.parent

    def make(output: str = LIBVIRT, complaint: str = "", status: int = 0, program: str = "") -> Path:
        (folder / "output").write_text(output)
        (folder / "complaint").write_text(complaint)
        script = f"""
            #!/bin/sh
            PATH=/usr/bin:/bin
            echo "$* in $(pwd), VAGRANT_CWD=$VAGRANT_CWD" >>{folder}/calls
            {program}
            cat {folder}/output
            cat {folder}/complaint >&2
            exit {status}
        """
        write(folder, {"bin/vagrant": script})
        (folder / "bin/vagrant").chmod(0o755)
        return folder / "calls"

    return make


def refusal(file: Path) -> tuple[str, str, str]:
    """Place, message and hint of the error that loading ``file`` gives, with the folders above it left out."""
    with pytest.raises(ConfigError) as caught:
        Inventory.load(file)
    error, folder = caught.value, str(file.parent.parent)
    place = str(error.position).replace(str(file), file.name)
    return place, error.message.replace(folder, "/shop"), error.hint.replace(folder, "/shop")


def test_every_machine_is_a_host(site: Path, fake: Fake) -> None:
    calls = fake()
    targets = Targets(site / "vagrant.yml")
    (host,) = targets.hosts
    assert targets.login(host) == Login(
        "web1",
        "192.168.121.89",
        port=22,
        user="vagrant",
        key_files=("/srv/shop/.vagrant/machines/web1/libvirt/private_key",),
        common_args=f"{LOCAL} -o IdentitiesOnly=yes",
    )
    assert calls.read_text() == f"ssh-config in {site.parent}, VAGRANT_CWD={site.parent}\n"
    assert targets.inventory.notes == ()


@pytest.mark.parametrize(
    ("option", "folder"), [("vagrantfile: ../Vagrantfile\n", ".."), ("vagrantfile: deep/..\n", "."), ("", ".")]
)
def test_where_vagrant_is_run(option: str, folder: str, site: Path, fake: Fake) -> None:
    (site / "Vagrantfile").touch()
    calls = fake()
    (site / "vagrant.yml").write_text(f"plugin: provision.vagrant\n{option}")
    assert list(Inventory.load(site / "vagrant.yml").hosts) == ["web1"]
    assert calls.read_text().startswith(f"ssh-config in {(site / folder).resolve()},")


def test_the_rest_of_the_file_is_an_inventory(site: Path, fake: Fake) -> None:
    """Groups may name machines; what the file says of a host is stronger, what it says of a group is weaker."""
    fake(LIBVIRT + LIBVIRT.replace("web1", "db1"))
    groups = "web: {hosts: {web1: {ansible_user: root}}}\nall: {vars: {ansible_port: 2200, shared: 1}}\n"
    (site / "vagrant.yml").write_text(INVENTORY.partition("all:")[0] + groups)
    write(site, {"host_vars/db1.yml": "ansible_host: 10.0.0.9\n"})
    inventory = Inventory.load(site / "vagrant.yml")
    assert {name: list(group.hosts) for name, group in inventory.groups.items() if group.hosts} == {
        "ungrouped": ["db1"],
        "web": ["web1"],
    }
    web1, db1 = (inventory.hosts[name].variables for name in ("web1", "db1"))
    assert [web1[name].value for name in ("ansible_user", "ansible_port", "shared")] == ["root", "22", 1]
    assert (db1["ansible_host"].value, db1["ansible_user"].value) == ("10.0.0.9", "vagrant")
    assert inventory.hosts["db1"].source == str(site / "vagrant.yml")
    assert inventory.notes == ()


def test_a_folder_may_hold_other_hosts_too(site: Path, fake: Fake) -> None:
    fake()
    (site / "both").mkdir()
    (site / "both/a.yml").write_text("all: {hosts: {rented: }}")
    (site / "both/b.yml").write_text("plugin: provision.vagrant\n")
    assert list(Inventory.load(site / "both").hosts) == ["rented", "web1"]


@pytest.mark.parametrize(("address", "trusted"), [("192.168.121.89", True), ("203.0.113.7", False)])
def test_host_keys_of_local_machines_are_not_checked(address: str, trusted: bool, site: Path, fake: Fake) -> None:
    """Those of all others are."""
    fake(LIBVIRT.replace("192.168.121.89", address))
    targets = Targets(site / "vagrant.yml")
    settings = resolve(targets.login(targets.hosts[0]))
    for blob in (b"before", b"and after it was made anew"):
        key = HostKey(settings.host_key_name, "ssh-ed25519", blob)
        try:
            HostKeyPolicy().check(key, settings.known_hosts, strict=settings.strict)
        except HostKeyError:
            assert not trusted
        else:
            assert trusted
    assert not (site.parent / ".ssh").exists()


NOT_READY = """\
The provider for this Vagrant-managed machine is reporting that it
is not yet ready for SSH. Depending on your provider this can carry
different meanings. Make sure your machine is created and running and
try again.
"""
REPEAT = "cd /shop && vagrant ssh-config"
FAILURES: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "no machine runs",
        {"output": "", "complaint": NOT_READY, "status": 1},
        "not every machine of /shop is running",
        "`vagrant up` starts them, `vagrant status` shows which there are",
    ),
    (
        "a broken Vagrantfile",
        {"output": "", "complaint": "There is a syntax error in it:\n\n/x:7: unexpected end\n", "status": 1},
        "`vagrant ssh-config` ended with status 1: There is a syntax error in it:\n\n/x:7: unexpected end",
        f"repeat it with: {REPEAT}",
    ),
    (
        "a long complaint",
        {"complaint": "".join(f"line {n}\n" for n in range(99)), "status": 255},
        "`vagrant ssh-config` ended with status 255: " + "\n".join(f"line {n}" for n in range(15)),
        f"repeat it with: {REPEAT}",
    ),
    (
        "a failure without a word",
        {"status": 3},
        "`vagrant ssh-config` ended with status 3: it said nothing",
        f"repeat it with: {REPEAT}",
    ),
    (
        "a plugin's error instead of machines",
        {"output": "Traceback\n"},
        "what `vagrant ssh-config` printed cannot be used: no line of it begins with `Host`; the first is 'Traceback'",
        f"see for yourself: {REPEAT}",
    ),
    (
        "a wrong port",
        {"output": LIBVIRT.replace("22\n", "ssh\n")},
        "ansible_port must be a port between 1 and 65535",
        "",
    ),
]


@pytest.mark.parametrize(
    ("made", "message", "hint"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
def test_a_failure_of_vagrant_is_explained(
    made: dict[str, Any], message: str, hint: str, site: Path, fake: Fake
) -> None:
    fake(**made)
    assert refusal(site / "vagrant.yml") == ("vagrant.yml:1:1", message, hint)


def test_without_vagrant(site: Path) -> None:
    assert refusal(site / "vagrant.yml") == (
        "vagrant.yml:1:1",
        "there is no `vagrant` on this machine, and this inventory takes its hosts from it",
        "install Vagrant; hosts that are no machines of Vagrant need an inventory without `plugin:`",
    )


def test_vagrant_that_cannot_be_run(site: Path) -> None:
    (site.parent / "bin/vagrant").touch(0o644)
    assert refusal(site / "vagrant.yml") == ("vagrant.yml:1:1", "`vagrant` cannot be run: Permission denied", "")


def test_vagrant_that_does_not_end(site: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, with what it has started."""
    monkeypatch.setattr(vagrant, "TIMEOUT", 5.0)
    fifo = site.parent / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fake(program=f"{{ echo child; exec sleep 600; }} >{fifo} & wait")
    assert refusal(site / "vagrant.yml") == (
        "vagrant.yml:1:1",
        "`vagrant ssh-config` did not end within 5 s",
        f"see what it waits for: {REPEAT}",
    )
    assert os.read(reader, 100) == b"child\n"
    eventually(lambda: _at_end(reader))  # the child of vagrant runs no longer
    os.close(reader)


def _at_end(reader: int) -> bool:
    """Has the last writer of a pipe closed it?"""
    try:
        return os.read(reader, 1) == b""
    except BlockingIOError:
        return False


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        (
            "plugin: provision.vagrnat\n",
            "1:9",
            "provision.vagrant is the only inventory plugin that is supported",
            "convert it: ansible-inventory -i vagrant.yml --list --yaml --export > inventory.yml",
        ),
        (
            "plugin: provision.vagrant\nvagrantfile: [..]\n",
            "2:14",
            "vagrantfile must be a folder with a Vagrantfile, not a list",
            "",
        ),
        (
            "plugin: provision.vagrant\nvagrantfile:\n",
            "2:13",
            "vagrantfile must be a folder with a Vagrantfile, not nothing",
            "",
        ),
        (
            "plugin: provision.vagrant\nvagrantfile: ../VMs\n",
            "2:14",
            "there is no Vagrantfile in /shop/VMs",
            "vagrantfile is the folder that holds it, seen from /shop/site",
        ),
        (
            "plugin: provision.vagrant\nvagrant_file: ..\n",
            "2:15",
            "the group vagrant_file must be a mapping, not text",
            "hosts go under `hosts:`, groups under `children:`, variables under `vars:`",
        ),
        (
            "plugin: provision.vagrant\nall: {hosts: {web2: }}\n",
            "2:15",
            "Vagrant has no machine web2",
            "Did you mean web1?",
        ),
        (
            "plugin: provision.vagrant\nall: {hosts: {database: }}\n",
            "2:15",
            "Vagrant has no machine database",
            "it has web1",
        ),
    ],
)
def test_mistakes_in_the_file(text: str, place: str, message: str, hint: str, site: Path, fake: Fake) -> None:
    fake()
    (site / "vagrant.yml").write_text(text)
    assert refusal(site / "vagrant.yml") == (f"vagrant.yml:{place}", message, hint)


def test_commands_ask_vagrant(site: Path, fake: Fake) -> None:
    calls = fake()
    file = str(site / "vagrant.yml")
    shown = invoke("inventory", file, "--host", "web1")
    assert json.loads(shown.stdout) == {**WEB1, "roles": ["site"], "site_title": "x"}
    explained = invoke("explain", file, "ansible_host", "--host", "web1")
    assert 'ansible_host on web1 = "192.168.121.89"' in explained.stdout
    assert "(vagrant ssh-config)" in explained.stdout
    assert len(calls.read_text().splitlines()) == 2


def test_lint_does_not_ask_vagrant(site: Path, fake: Fake) -> None:
    calls = fake()
    write(site, {"host_vars/web1.yml": "site_port: 81\n"})
    linted = invoke("lint", "site/vagrant.yml")
    assert (linted.exit_code, linted.stdout) == (
        0,
        "notice:  site/vagrant.yml: Vagrant is not asked for its machines; one called default stands for all\n"
        "site/vagrant.yml: nothing is wrong (1 host)\n",
    )
    assert not calls.exists()


def test_lint_checks_the_machines_that_the_file_names(site: Path) -> None:
    (site / "vagrant.yml").write_text(f"{INVENTORY}  hosts: {{web1: {{site_prt: 1}}, web2: }}\n")
    linted = invoke("lint", "site/vagrant.yml")
    assert linted.exit_code == 2
    assert linted.stdout.startswith(
        "notice:  site/vagrant.yml: Vagrant is not asked for its machines; checked are those named here: web1, web2\n"
        "site/vagrant.yml:5:18: error: the role site has no variable site_prt\n"
    )
    assert linted.stdout.endswith("site/vagrant.yml: 1 error (2 hosts)\n")


def test_the_inventory_of_the_vagrantfile_is_right() -> None:
    """`make test-vagrant` shows that it works."""
    file = ROOT / "inventories/vagrant.yml"
    linted = invoke("lint", str(file))
    assert linted.exit_code == 0, linted.output
    schema = json.loads(invoke("schema").stdout)
    content = yaml.safe_load(file.read_text())
    assert accepts(schema, content, schema)
    assert not accepts(schema, {**content, "plugin": "amazon.aws.aws_ec2"}, schema)


def test_the_inventories_of_the_document_can_be_loaded(tmp_path: Path) -> None:
    text = (ROOT / "docs/vagrant.md").read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "Vagrantfile").touch()
    (tmp_path / "site").mkdir()
    file = tmp_path / "site/vagrant.yml"
    found = []
    for block in blocks:
        file.write_text(block)
        found.append(list(Inventory.load(file, ask_vagrant=False).hosts))
    assert found == [["default"], ["web1", "web2", "db1"]]


def test_the_variables_of_the_vagrantfile_are_explained() -> None:
    """In its own comment, and in the document's table."""
    lines = (ROOT / "src/provision/lab/Vagrantfile").read_text("utf-8").splitlines()
    document = (ROOT / "docs/vagrant.md").read_text("utf-8")
    comment, code = (
        {name for line in lines for name in re.findall(r"PROVISION_[A-Z_]+", line) if line.startswith("#") is commented}
        for commented in (True, False)
    )
    table = {name for row in re.findall(r"^\| `PROVISION_.*$", document, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert len(code) == 10
    assert comment == code
    assert table & code == code
