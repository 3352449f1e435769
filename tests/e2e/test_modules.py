"""The modules of users' own roles on a real host: a second run finds nothing to do, damage is mended, all can go."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import testinfra.host
from tests.e2e.cli import Result, provision

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0mLRxOoyLKXcM1BhpnsGSR2oqEbrsMEzUyEsEYyxLd ann@example.com"
TOOL = b"#!/bin/sh\necho tool\n"

ASSERT = "- assert: {that: [ansible_distribution == 'Debian', ansible_memtotal_mb > 1]}\n"

TASKS = """
- package: {name: [cron, git]}
- name: line
  lineinfile:
    path: /etc/ssh/sshd_config
    regexp: '^#?MaxAuthTries\\s'
    line: MaxAuthTries 4
    validate: /usr/sbin/sshd -tf %s
- name: block
  blockinfile: {path: /etc/hosts, block: "10.0.0.1 db\\n10.0.0.2 cache's $HOME\\n"}
- name: download
  get_url: {url: "SERVER/tool", dest: /usr/local/bin/tool, checksum: "sha256:TOOL", mode: 755}
- name: archive
  get_url: {url: "SERVER/pkg.tgz", dest: /opt/pkg.tgz, checksum: "sha256:PKG"}
- name: folder
  file: {path: /opt/pkg, state: directory}
- name: unpack
  unarchive: {src: /opt/pkg.tgz, remote_src: yes, dest: /opt/pkg, checksum: "sha256:PKG", owner: www-data}
- name: unit
  systemd_unit:
    name: mine.service
    content: |
      [Service]
      ExecStart=/bin/sleep infinity
      [Install]
      WantedBy=multi-user.target
  notify: restart mine
- name: drop-in
  systemd_unit: {name: mine.service, dropin: nice, content: "[Service]\\nNice=5\\n"}
  notify: restart mine
- name: service
  service: {name: mine, state: started, enabled: yes}
- name: job
  cron: {name: say hello, job: logger hello, minute: "*/5"}
- name: parameter
  ansible.posix.sysctl: {name: net.ipv4.ip_forward, value: 1}
- name: name
  hostname: {name: modules.example.com}
- name: zone
  community.general.timezone: {name: Europe/Berlin}
- name: user
  user: {name: ann}
- name: keys
  ansible.posix.authorized_key: {user: ann, key: ED, exclusive: yes}
- name: repository
  command: {argv: [sh, -c, "ORIGIN"], creates: /srv/origin/done}
- name: checkout
  git: {repo: file:///srv/origin, dest: /srv/checkout, version: v1}
- wait_for: {port: 22, timeout: 10}
- debug: {var: ansible_hostname}
"""
ORIGIN = (
    "git init -q /srv/origin && cd /srv/origin && echo 1 >file && git add file && git -c user.name=x"
    " -c user.email=x@example.com commit -qm one && git tag v1 && touch done"
)
HANDLERS = "- name: restart mine\n  service: {name: mine, state: restarted}\n"

DAMAGE = """
sed -i 's/^MaxAuthTries.*/MaxAuthTries 6/' /etc/ssh/sshd_config
sed -i /cache/d /etc/hosts
echo >>/usr/local/bin/tool
rm /opt/pkg/.pkg.tgz.unarchived
echo '[Unit]' >>/etc/systemd/system/mine.service
rm -r /etc/systemd/system/mine.service.d
echo x >>/etc/cron.d/say-hello
echo 0 >/proc/sys/net/ipv4/ip_forward
hostname other
ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
echo 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC8 evil' >>~ann/.ssh/authorized_keys
chown root ~ann/.ssh
git -C /srv/checkout checkout --quiet --orphan other
"""
MENDED = [
    "line",
    "block",
    "download",
    "unpack",
    "unit",
    "drop-in",
    "service",
    "job",
    "parameter",
    "name",
    "zone",
    "keys",
]

GONE = """
- lineinfile: {path: /etc/ssh/sshd_config, regexp: ^MaxAuthTries, state: absent}
- blockinfile: {path: /etc/hosts, state: absent}
- systemd_unit: {name: mine.service, dropin: nice, state: absent}
- systemd_unit: {name: mine.service, state: absent}
- cron: {name: say hello, state: absent}
- sysctl: {name: net.ipv4.ip_forward, state: absent}
- authorized_key: {user: ann, key: ED, state: absent}
"""


@dataclass(frozen=True)
class Site:
    """A role ``mine`` and the host it is for."""

    folder: Path
    host: Host
    view: testinfra.host.Host
    server: str
    first: Result | None = None
    """What the first run of all tasks said."""

    def up(self, tasks: str, code: int = 0) -> Result:
        """Write the role, run it."""
        role = self.folder / "roles/mine"
        checksums = {"TOOL": TOOL, "PKG": PACKAGE}
        for name, data in checksums.items():
            tasks = tasks.replace(f"sha256:{name}", "sha256:" + hashlib.sha256(data).hexdigest())
        tasks = tasks.replace("SERVER", self.server).replace("ORIGIN", ORIGIN).replace("ED", ED)
        for name, text in (("tasks", tasks), ("handlers", HANDLERS)):
            (role / name).mkdir(parents=True, exist_ok=True)
            (role / name / "main.yml").write_text(text)
        result = provision("up", self.folder / "inventory.yml")
        assert result.code == code, str(result)
        return result


def package() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("bin/x")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    return buffer.getvalue()


PACKAGE = package()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A folder of files."""

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def site(
    lab: Lab,
    host: Host,
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The host, and this machine as a server that only its hosts can reach."""
    folder = tmp_path_factory.mktemp("site")
    write_inventory(folder / "inventory.yml", [host], {"roles": ["mine"]})
    (folder / "www").mkdir()
    (folder / "www/tool").write_bytes(TOOL)
    (folder / "www/pkg.tgz").write_bytes(PACKAGE)
    gateway = host.address.rpartition(".")[0] + ".1"
    handler = functools.partial(Quiet, directory=str(folder / "www"))
    with http.server.ThreadingHTTPServer((gateway, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        site = Site(folder, host, inspect(host), f"http://{gateway}:{server.server_port}")
        yield replace(site, first=site.up(ASSERT + TASKS))
        server.shutdown()
        thread.join()


def state(view: testinfra.host.Host) -> list[str]:
    """What the tasks are for, each seen by another tool."""
    return [
        view.check_output("sshd -T | grep maxauthtries"),
        view.check_output("getent hosts db"),
        view.check_output("/usr/local/bin/tool"),
        view.check_output("stat -c '%U %a' /opt/pkg/bin/x"),
        view.check_output("systemctl show -P ActiveState mine"),
        view.check_output("ps -o ni= -p $(systemctl show -P MainPID mine)").strip(),
        view.check_output("tail -n 1 /etc/cron.d/say-hello"),
        view.check_output("cat /proc/sys/net/ipv4/ip_forward"),
        view.check_output("uname -n; cat /etc/hostname"),
        view.check_output("date +%Z"),
        view.check_output("cat ~ann/.ssh/authorized_keys; stat -c '%U %a' ~ann/.ssh ~ann/.ssh/authorized_keys"),
        view.check_output("git -C /srv/checkout log --format=%s"),
    ]


def test_all_modules_change_a_host_once(site: Site) -> None:
    assert site.first is not None
    assert site.first.settled[1] == 3
    site.up(ASSERT + TASKS)  # another test may have removed some
    assert site.up(ASSERT + TASKS).settled == (0, 1)
    found = state(site.view)
    assert found[:3] == ["maxauthtries 4", "10.0.0.1        db", "tool"]
    assert found[3:9] == [
        "www-data 644",
        "active",
        "5",
        "*/5 * * * * root logger hello",
        "1",
        "modules.example.com\nmodules.example.com",
    ]
    assert found[9] in ("CET", "CEST")
    assert found[10:] == [f"{ED}\nann 700\nann 600", "one"]
    assert site.first.notices == ["ansible_hostname: modules"]


def test_damage_is_mended(site: Site) -> None:
    site.up(ASSERT + TASKS)
    before = state(site.view)
    site.view.check_output(DAMAGE)
    changed = site.up(ASSERT + TASKS).changed
    assert [name for name in MENDED if f"mine : {name}" not in changed] == []
    assert "mine : restart mine" in changed
    assert state(site.view) == before
    assert site.up(ASSERT + TASKS).settled == (0, 1)


def test_what_is_absent_goes(site: Site) -> None:
    site.up(ASSERT + TASKS)
    site.up(GONE)
    assert site.up(GONE).settled == (0, 1)
    assert site.view.check_output("sshd -T | grep maxauthtries") == "maxauthtries 6"
    assert site.view.run("getent hosts db").rc != 0
    assert site.view.check_output("systemctl show -P LoadState mine") == "not-found"
    assert site.view.check_output("find /etc/systemd /etc/cron.d /etc/sysctl.d -name '*mine*' -o -name '*hello*'") == ""
    assert site.view.file("/home/ann/.ssh/authorized_keys").content == b""


def test_a_false_assertion_changes_nothing(site: Site) -> None:
    result = site.up("- file: {path: /srv/new, state: directory}\n- assert: {that: ansible_memtotal_mb < 1}\n", code=1)
    assert "ansible_memtotal_mb < 1, asserted in " in result.error["message"]
    assert not site.view.file("/srv/new").exists
