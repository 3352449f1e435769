"""A lab of Vagrant's machines, with a stand-in for `vagrant` that keeps its machines in files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.unit.lab_tools import tool
from tests.unit.waiting import eventually

from provision.cli.lab import lab as command
from provision.errors import ConfigError, ProvisionError
from provision.lab.claim import claimed
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image
from provision.lab.vagrantfile import complete_settings

# `running` of a machine is in WORLD/NAME, as with a provider's own records; Vagrant's are where the real one has them.
_VAGRANT = """\
import json, os, pathlib, sys, time

world, words = pathlib.Path({world!r}), sys.argv[1:]
with (world / "calls").open("a") as calls:
    calls.write(" ".join(words) + "\\n")
folder = pathlib.Path(os.environ["VAGRANT_CWD"])
if words[:2] == ["box", "list"]:
    sys.exit(print("1,,box-name,debian/bookworm64\\n1,,box-provider,libvirt"))
lab = json.loads((folder / "lab.json").read_text())
(name,) = [word for word in words if word in lab["machines"]]
known = pathlib.Path(os.environ["VAGRANT_DOTFILE_PATH"], "machines", name, "libvirt")
known.mkdir(parents=True, exist_ok=True)
machine = world / (lab["mark"] + "-" + name)
if (world / "fails").exists():
    sys.exit((world / "fails").read_text())
match words[0]:
    case "up":
        if machine.exists() and not (known / "id").exists():
            sys.exit("Domain name taken")
        machine.write_text("running")
        if (world / "hangs").exists():
            (world / "hangs").unlink()
            time.sleep(600)
        (known / "id").touch()
        print(f"Uploading\\n\\r\\033[KProgress: 0%\\r\\033[KProgress: 9%\\r\\033[K==> {{name}}: Machine booted!")
    case "halt":
        machine.write_text("shutoff")
    case "destroy":
        machine.unlink(missing_ok=True)
        (known / "id").unlink(missing_ok=True)
    case "status":
        state = machine.read_text() if machine.exists() else "not_created"
        if not machine.exists():
            (known / "id").unlink(missing_ok=True)
        print(f"1,{{name}},provider-name,libvirt\\n1,{{name}},state,{{state}}\\n1,{{name}},state-human-short,{{state}}")
    case "ssh-config":
        print((world / "ssh-config").read_text().replace("NAME", name))
    case "snapshot":
        kept = world / (name + "-snapshots")
        if words[1] == "save":
            kept.open("a").write(words[-1] + "\\n")
        elif words[1] == "list":
            print(f"==> {{name}}: \\n" + kept.read_text() if kept.exists() else f"==> {{name}}: No snapshots yet!")
"""

_SSH_CONFIG = """\
Host NAME
  HostName 127.0.0.1
  User vagrant
  Port {port}
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  IdentityFile /dotfile/NAME/private_key
  IdentitiesOnly yes
"""


class World:
    """What the stand-ins keep: which machines there are, and how they were called."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.ssh_config = _SSH_CONFIG.format(port=port)
        (folder / "ssh-config").write_text(self.ssh_config)

    @property
    def calls(self) -> list[str]:
        """The commands of vagrant that change something, in their order."""
        said = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").exists() else []
        return [call for call in said if not call.startswith(("status", "ssh-config", "box", "snapshot list"))]

    @property
    def virsh(self) -> list[str]:
        """The commands of virsh."""
        return (self.folder / "virsh").read_text().splitlines() if (self.folder / "virsh").exists() else []

    def machines(self) -> list[str]:
        """The states of the machines, whoever knows of them."""
        return [path.read_text() for path in sorted(self.folder.glob("provision-*"))]


@pytest.fixture
def greeting() -> Iterator[int]:
    """The port of something that greets as an sshd does."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import socket\n"
            "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
            "while True: s.accept()[0].sendall(b'SSH-2.0-x\\r\\n')",
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, greeting: int) -> World:
    """Vagrant, virsh and the clients of ssh are stand-ins, and no variable of ours is set."""
    tools, folder = tmp_path / "tools", tmp_path / "world"
    tools.mkdir()
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith(("PROVISION_", "VAGRANT_", "LIBVIRT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("PROVISION_LAB_DIR", str(tmp_path / "base"))
    monkeypatch.setenv("PROVISION_LIBVIRT_DRIVER", "qemu")
    # Named as the real one, since a process is known by it.
    (tools / "vagrant").write_text(f"#!{sys.executable}\n{_VAGRANT.format(world=str(folder))}")
    (tools / "vagrant").chmod(0o755)
    tool(tools / "virsh", f'echo "$@" >>{folder}/virsh; [ "$3" != destroy ] || rm -f "{folder}/$4"')
    tool(tools / "ssh-keyscan", 'echo "# $5:$4"; echo "[$5]:$4 ssh-ed25519 AAAA$(cat /proc/sys/kernel/random/uuid)"')
    tool(tools / "ssh", "echo running")
    return World(folder, greeting)


def base(world: World) -> Path:
    return world.folder.parent / "base"


def up(world: World, count: int = 1, image: Image | None = None) -> Lab:
    return Lab.up("lab", base(world), count=count, image=image, provider="vagrant")


def test_hosts_are_what_vagrant_says_of_its_machines(world: World, greeting: int) -> None:
    lab = up(world, 2)

    assert world.calls == ["up lab1", "up lab2"]
    assert [(host.name, host.address, host.port, host.user) for host in lab.hosts] == [
        ("lab1", "127.0.0.1", greeting, "vagrant"),
        ("lab2", "127.0.0.1", greeting, "vagrant"),
    ]
    assert lab.hosts[1].key == Path("/dotfile/lab2/private_key")
    # Whatever the address is after the next boot.
    assert lab.hosts[0].known_hosts.read_text().startswith("* ssh-ed25519 AAAA")
    log = base(world) / "labs/lab/hosts/lab1/vagrant.log"
    assert log.read_text() == "Uploading\n==> lab1: Machine booted!\n"


def test_what_runs_is_kept_and_what_is_off_is_booted(world: World) -> None:
    lab = up(world, 2)
    lab.stop(lab.hosts[1])
    keys = [host.known_hosts.read_text() for host in lab.hosts]

    up(world, 2)

    assert world.calls == ["up lab1", "up lab2", "halt --force lab2", "up lab2"]
    assert [host.known_hosts.read_text() for host in lab.hosts] == keys


def test_each_boot_may_give_another_address(world: World) -> None:
    lab = up(world)
    (world.folder / "ssh-config").write_text(world.ssh_config.replace("127.0.0.1", "localhost"))

    lab.restart(lab.hosts[0])

    assert lab.hosts[0].address == "localhost"


def test_a_machine_that_was_taken_from_outside_is_made_anew(world: World) -> None:
    lab = up(world)
    key = lab.hosts[0].known_hosts.read_text()
    for machine in world.folder.glob("provision-*"):
        machine.unlink()

    lab.ensure(1, Image())

    assert world.calls == ["up lab1", "destroy --force lab1", "up lab1"]
    assert lab.hosts[0].known_hosts.read_text() != key


def machines(world: World) -> dict[str, object]:
    """What the Vagrantfile of the lab reads."""
    content: dict[str, object] = json.loads((base(world) / "labs/lab/vagrant/lab.json").read_text())
    return content


def test_the_distribution_chooses_the_box(world: World) -> None:
    lab = up(world, image=Image("trixie"))
    lab.add(Image("bookworm"))

    assert machines(world)["machines"] == {
        "lab1": {"box": "debian/trixie64", "parallels": "bento/debian-13"},
        "lab2": {"box": "debian/bookworm64", "parallels": "bento/debian-12"},
    }
    assert lab.image_ready(Image("bookworm"))
    assert not lab.image_ready(Image("trixie"))


def test_the_settings_are_those_of_the_first_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVISION_BOX", "own/box")
    monkeypatch.setenv("PROVISION_MEMORY", "2048")
    monkeypatch.setenv("PROVISION_HOSTS", "7")
    up(world)
    monkeypatch.setenv("PROVISION_BOX", "other/box")

    up(world, 2)

    content = machines(world)
    settings = {"PROVISION_BOX": "own/box", "PROVISION_MEMORY": "2048", "PROVISION_LIBVIRT_DRIVER": "qemu"}
    assert content["settings"] == settings
    assert content["machines"] == {name: {"box": "own/box", "parallels": "own/box"} for name in ("lab1", "lab2")}


@pytest.mark.parametrize(
    ("there", "boots", "named", "driver"),
    [
        (False, False, {}, "qemu"),
        (True, False, {}, "qemu"),
        (True, True, {}, None),
        (False, False, {"PROVISION_LIBVIRT_DRIVER": "kvm"}, "kvm"),
    ],
)
def test_processors_are_emulated_where_kvm_does_not_work(
    there: bool, boots: bool, named: dict[str, str], driver: str | None, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = world.folder / "vmlinuz"
    kernel.touch()
    tool(world.folder.parent / "tools" / "qemu-system-x86_64", "exit 1")
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: there if path == Path("/dev/kvm") else exists(path))
    monkeypatch.setattr("provision.lab.vagrantfile.may_use_kvm", lambda: there)
    monkeypatch.setattr("provision.lab.vagrantfile.boots", lambda tried: boots and tried == kernel)

    settings = complete_settings({"PROVISION_LIBVIRT_KERNEL": str(kernel), **named})

    assert settings.get("PROVISION_LIBVIRT_DRIVER") == driver
    assert settings.get("PROVISION_LIBVIRT_CPU_MODE") == ("custom" if driver == "qemu" else None)


def test_the_vagrantfile_has_the_settings_of_the_shipped_one(world: World) -> None:
    up(world)
    folder = base(world) / "labs/lab/vagrant"
    root = Path(__file__).parents[2]
    (loaded,) = re.findall(r'^load File\.join\(__dir__, "([^"]*)"\)$', (root / "Vagrantfile").read_text(), re.MULTILINE)

    assert (folder / "Vagrantfile.shipped").read_text() == (root / loaded).read_text()
    # So that it makes no machine of its own.
    assert '"PROVISION_HOSTS" => "0"' in (folder / "Vagrantfile").read_text()
    assert "(1..HOSTS).each" in (root / loaded).read_text()


def test_the_commands_leave_nothing(world: World, tmp_path: Path) -> None:
    inventory = tmp_path / "inventories" / "lab.yml"
    arguments = ["--provider", "vagrant", "--count", "2", "--inventory", str(inventory)]
    said = CliRunner().invoke(command, ["up", *arguments], catch_exceptions=False)

    assert "lab1  127.0.0.1\nlab2  127.0.0.1\n" in said.output
    assert yaml.safe_load(inventory.read_text())["all"]["hosts"]["lab2"]["ansible_user"] == "vagrant"
    assert CliRunner().invoke(command, ["list"], catch_exceptions=False).output.count("running") == 2
    mark = str(machines(world)["mark"])

    CliRunner().invoke(command, ["down"], catch_exceptions=False)

    assert world.calls[-2:] == ["destroy --force lab1", "destroy --force lab2"]
    assert world.machines() == []
    connect = "--connect qemu:///system"
    assert world.virsh == [f"{connect} net-destroy {mark}", f"{connect} net-undefine {mark}"]
    assert not (base(world) / "labs/lab").exists()
    assert not inventory.exists()


def test_labs_of_one_name_in_other_folders_are_apart_in_libvirt(world: World) -> None:
    up(world)
    mark = machines(world)["mark"]
    Lab.up("lab", base(world) / "other", provider="vagrant")

    other = json.loads((base(world) / "other/labs/lab/vagrant/lab.json").read_text())
    assert other["mark"] != mark
    assert len(world.machines()) == 2


@pytest.fixture
def cut(world: World) -> Iterator[Callable[[], None]]:
    """Begins `provision lab up`, and kills it while its Vagrant, which goes on, makes the first machine."""
    started: list[subprocess.Popen[bytes]] = []

    def cut() -> None:
        (world.folder / "hangs").touch()
        code = "from provision.cli import program; program()"
        words = ["lab", "up", "--provider", "vagrant", "--inventory", str(world.folder / "lab.yml")]
        started.append(subprocess.Popen([sys.executable, "-c", code, *words]))
        eventually(lambda: not (world.folder / "hangs").exists())
        started[0].kill()
        started[0].wait()
        assert orphans(world), "the Vagrant of the killed provision does not run"

    yield cut
    for orphan in orphans(world):
        os.kill(orphan, signal.SIGKILL)


def orphans(world: World) -> list[int]:
    """The stand-ins for `vagrant up` that run."""
    said = subprocess.run(
        ["pgrep", "-f", f"^{sys.executable} {world.folder.parent}/tools/vagrant up"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(line) for line in said.stdout.split()]


def test_down_ends_what_a_killed_up_has_begun(world: World, cut: Callable[[], None]) -> None:
    cut()
    assert world.machines() == ["running"]

    Lab("lab", base(world)).down()

    assert orphans(world) == []
    assert world.machines() == []
    assert not (base(world) / "labs/lab").exists()


def test_up_begins_anew_what_a_killed_up_has_begun(world: World, cut: Callable[[], None]) -> None:
    cut()
    assert [host.address for host in Lab("lab", base(world)).hosts] == ["not-up.invalid"]

    lab = up(world)

    assert orphans(world) == []
    # Vagrant had not noted the domain as its own, and would have refused to make another of this name.
    assert world.virsh[:2] == [f"--connect qemu:///system {verb} {machines(world)['mark']}-lab1" for verb in _ENDED]
    assert world.calls == ["up lab1", "destroy --force lab1", "up lab1"]
    assert lab.hosts[0].address == "127.0.0.1"


_ENDED = ("destroy", "undefine")


def test_without_vagrant_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ProvisionError, match="this machine lacks vagrant") as caught:
        Lab.up("lab", tmp_path, provider="vagrant")

    assert caught.value.hint.startswith("on Debian: apt-get install --yes vagrant vagrant-libvirt ")
    assert caught.value.exit_code == 1


def test_a_failure_of_vagrant_is_quoted_with_the_way_to_repeat_it(world: World) -> None:
    lab = up(world)
    (world.folder / "fails").write_text("There was an error talking to Libvirt.\n")

    with pytest.raises(ProvisionError) as caught:
        lab.stop(lab.hosts[0])

    assert caught.value.message == (
        "`vagrant halt --force lab1` ended with status 1: There was an error talking to Libvirt."
    )
    assert caught.value.hint == f"see for yourself: cd {base(world)}/labs/lab/vagrant && vagrant halt --force lab1"


def test_a_vagrant_that_does_not_end_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.lab.vagrant_command._PATIENCE", 1.0)
    (world.folder / "hangs").touch()

    with pytest.raises(ProvisionError, match="`vagrant up lab1` did not end within 1 s"):
        up(world)

    assert orphans(world) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("==> lab1: nothing\n", "printed cannot be used: no line of it begins with `Host`"),
        ("Host lab1\n  HostName 127.0.0.1\n", "printed cannot be used: 'ansible_ssh_private_key_file'"),
        (
            "Host lab1\n  HostName 127.0.0.1\n  IdentityFile /k\n  ProxyCommand ssh kvm -W %h:%p\n",
            "lab1 runs on another machine, and a lab is on this one",
        ),
    ],
)
def test_a_login_that_is_of_no_use_is_refused(said: str, reason: str, world: World) -> None:
    (world.folder / "ssh-config").write_text(said)

    with pytest.raises(ProvisionError) as caught:
        up(world)

    assert reason in caught.value.message


def test_snapshots_are_vagrants(world: World) -> None:
    lab = up(world)
    (host,) = lab.hosts
    assert lab.snapshots(host) == []

    lab.snapshot(host, "first")
    # At first no packet gets through to it.
    tried, heard = world.folder / "tried", world.folder / "heard"
    unreachable = f"[ -e {tried} ] || {{ touch {tried}; exit 255; }}"
    tool(world.folder.parent / "tools" / "ssh", f'{unreachable}; echo "$@" >>{heard}; echo running')
    lab.restore(host, "first")

    assert lab.snapshots(host) == ["first"]
    assert world.calls[1:] == ["snapshot save --force lab1 first", "snapshot restore --no-provision lab1 first"]
    assert tried.exists()
    assert "sudo -n date --utc --set=@" in heard.read_text()
    with pytest.raises(ConfigError, match="lab1 has no snapshot 'second'"):
        lab.restore(host, "second")


def test_a_provider_without_snapshots_is_named_by_vagrant(world: World) -> None:
    lab = up(world)
    lab.snapshots(lab.hosts[0])
    tool(
        world.folder.parent / "tools" / "vagrant",
        'case "$*" in status*) echo 1,lab1,state,running;; *) echo "This provider does not support snapshots." >&2; '
        "exit 1;; esac",
    )

    with pytest.raises(ProvisionError, match=r"`vagrant snapshot save .*: This provider does not support snapshots\."):
        lab.snapshot(lab.hosts[0], "first")


def test_a_machine_begins_as_its_box(world: World, tmp_path: Path) -> None:
    lab = up(world)

    with pytest.raises(ProvisionError, match="lab1: a machine of Vagrant begins as its box"):
        lab.save(lab.hosts[0], tmp_path / "layer")
    with pytest.raises(ProvisionError, match="lab2: a machine of Vagrant begins as its box"):
        lab.add(layers=[tmp_path / "layer"])
    with pytest.raises(ProvisionError, match="lab1 is a VM"):
        lab.root(lab.hosts[0])


def test_a_lab_that_is_not_there_is_down_without_any_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "none"))

    Lab("lab", tmp_path).down()

    assert list(tmp_path.iterdir()) == []


def test_who_is_not_root_claims_names_beside_the_own_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVISION_LAB_DIR", str(tmp_path / "base"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with claimed("test") as first, claimed("test") as second:
        assert (first, second) == ("test", "test-b")
        assert [path.parent for path in tmp_path.rglob("*.session")] == [tmp_path / "base"] * 2


def test_a_host_is_removed_and_reset_alone(world: World) -> None:
    lab = up(world, 2)
    one, two = lab.hosts

    lab.remove(one)
    fresh: Host = lab.reset(two)

    assert [host.name for host in lab.hosts] == ["lab2"]
    assert fresh.address == "127.0.0.1"
    assert world.calls[2:] == ["destroy --force lab1", "destroy --force lab2", "up lab2"]
    assert list(json.loads((base(world) / "labs/lab/vagrant/lab.json").read_text())["machines"]) == ["lab2"]
