"""The parts of a lab of VMs that need neither root nor QEMU."""

from __future__ import annotations

import json
import platform
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.unit.lab_tools import stand_ins, tool

from provision.errors import ConfigError, ProvisionError
from provision.lab.acceleration import KVM, TCG, acceleration
from provision.lab.disk import ensure_disk
from provision.lab.files import replace_file
from provision.lab.lab import Lab
from provision.lab.monitor import SOCKET, Monitor
from provision.lab.overlay import Overlay
from provision.lab.personality import OwnFile, pack
from provision.lab.provider import Image
from provision.lab.qemu import Qemu
from provision.lab.records import Records

GREETING: dict[str, object] = {"QMP": {"version": {}, "capabilities": []}}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder at the front of PATH; an executable written there stands for the machine's own."""
    return stand_ins(tmp_path / "tools", monkeypatch)


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[Callable[[Sequence[object]], list[object]]]:
    """``answers(lines)`` lets a QEMU of this folder say these lines, one a command; what it is told is in the list."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / SOCKET))
    listener.listen()
    heard: list[object] = []

    def serve(answers: Sequence[object]) -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as lines:
            lines.write(json.dumps(GREETING).encode() + b"\n")
            for answer in ({"return": {}}, *answers):
                lines.flush()
                if isinstance(answer, dict) and "event" not in answer:
                    heard.append(json.loads(lines.readline()))
                lines.write(json.dumps(answer).encode() + b"\n")
            lines.flush()

    threads: list[threading.Thread] = []

    def start(answers: Sequence[object]) -> list[object]:
        threads.append(threading.Thread(target=serve, args=(answers,)))
        threads[-1].start()
        return heard

    yield start
    for thread in threads:
        thread.join()
    listener.close()


def test_a_command_is_answered_after_the_greeting_and_past_events(
    answers: Callable[[Sequence[object]], list[object]], tmp_path: Path
) -> None:
    heard = answers([{"event": "RESET"}, {"return": {"running": True}}])

    assert Monitor(tmp_path).command("query-status", all=True) == {"running": True}
    assert heard == [
        {"execute": "qmp_capabilities", "arguments": {}},
        {"execute": "query-status", "arguments": {"all": True}},
    ]


def test_what_qemu_complains_of_is_quoted(answers: Callable[[Sequence[object]], list[object]], tmp_path: Path) -> None:
    answers([{"error": {"class": "GenericError", "desc": "Device 'card' not found"}}])

    with pytest.raises(ProvisionError, match="Device 'card' not found"):
        Monitor(tmp_path).command("set_link", name="card", up=False)


def test_a_qemu_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match="does not answer"):
        Monitor(tmp_path).command("query-status")


def test_a_lab_keeps_its_provider(tmp_path: Path) -> None:
    (tmp_path / "labs" / "lab").mkdir(parents=True)
    (tmp_path / "labs" / "lab" / "provider").write_text("qemu")

    assert Lab("lab", tmp_path).provider == "qemu"
    assert Lab("other", tmp_path).provider == "nspawn"
    with pytest.raises(ConfigError, match="the lab lab has hosts of the provider qemu, not nspawn") as caught:
        Lab("lab", tmp_path, "nspawn")
    assert caught.value.hint == "`provision lab down --name lab` first, or another --name"


def test_each_vm_has_an_address_of_its_own_on_loopback(tmp_path: Path) -> None:
    records = Records(tmp_path, "lab")
    for number in (1, 12):
        records.of(f"lab{number}").mkdir(parents=True)
        records.complete_one(number, Image())
    records.claim_network(3)

    hosts = Qemu(tmp_path, "lab").hosts()

    assert [(host.name, host.address, host.port) for host in hosts] == [
        ("lab1", "127.77.3.11", 2222),
        ("lab12", "127.77.3.22", 2222),
    ]


def test_the_file_system_of_a_vm_is_no_folder(tmp_path: Path) -> None:
    records = Records(tmp_path, "lab")
    records.of("lab1").mkdir(parents=True)
    records.complete_one(1, Image())
    records.claim_network(0)
    provider = Qemu(tmp_path, "lab")

    with pytest.raises(ProvisionError, match="lab1 is a VM"):
        provider.root(provider.hosts()[0])


def test_other_processors_have_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.lab.qemu.require_root", lambda: None)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    with pytest.raises(ProvisionError, match="this machine is aarch64") as caught:
        Qemu(tmp_path, "lab").require()

    assert caught.value.hint == "use --provider nspawn"


@pytest.mark.parametrize("name", ["", "1", "Snap", "a b", "a" * 33])
def test_names_of_snapshots_that_do_not_fit_are_refused(name: str, tmp_path: Path) -> None:
    records = Records(tmp_path, "lab")
    records.of("lab1").mkdir(parents=True)
    records.complete_one(1, Image())
    records.claim_network(0)
    lab = Lab("lab", tmp_path)

    with pytest.raises(ConfigError, match="1 to 32 of a-z"):
        lab.snapshot(lab.hosts[0], name)


def test_files_are_packed_with_their_owners(tmp_path: Path) -> None:
    files = [OwnFile("etc/hostname", b"lab1\n"), OwnFile("home/debian/.ssh/keys", b"key", 0o600, "home/debian")]

    pack(files, tmp_path / "own.tar")

    with tarfile.open(tmp_path / "own.tar") as tar:
        assert [(member.name, member.mode, member.uid, member.isdir()) for member in tar] == [
            ("etc/hostname", 0o644, 0, False),
            ("home/debian/.ssh", 0o700, 1000, True),
            ("home/debian/.ssh/keys", 0o600, 1000, False),
        ]


def test_a_disk_is_an_image_with_a_kernel(tools: Path, tmp_path: Path) -> None:
    made = (
        'for a; do case $a in /*) mkdir "$a"; echo "$@" >"$a/made-with"; touch "$a/vmlinuz" "$a/initrd.img"; esac; done'
    )
    tool(tools / "mmdebstrap", made)
    tool(tools / "mke2fs", 'for a; do case $a in */disk.img) echo "$@" >"$a"; esac; done')

    folder = ensure_disk(tmp_path, Image())

    assert sorted(path.name for path in folder.iterdir()) == ["disk.img", "initrd.img", "root", "vmlinuz"]
    assert "-t ext4" in (folder / "disk.img").read_text()
    assert [path.name for path in folder.parent.iterdir() if path != folder] == ["lock"]


@pytest.mark.parametrize(
    ("qemu", "chosen"),
    [
        ('echo "Linux version 6.1" >"${console#file:}"; sleep 60', KVM),
        ("echo 'Could not access KVM kernel module' >&2; exit 1", TCG),
    ],
)
def test_kvm_is_used_where_a_kernel_boots_with_it(
    qemu: str, chosen: Sequence[str], tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: True)
    tool(tools / "qemu-system-x86_64", f"for console; do :; done\n{qemu.replace('sleep', 'exec sleep')}")

    assert acceleration(tmp_path) == chosen
    tool(tools / "qemu-system-x86_64", "exit 3")
    assert acceleration(tmp_path) == chosen


def test_without_a_device_there_is_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)

    assert acceleration(tmp_path) == TCG
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Overlay:
    """An overlay over /image that nobody mounts."""
    monkeypatch.setattr("provision.lab.overlay.run", lambda *argv: "")
    made = Overlay(tmp_path)
    made.create([Path("/image")])
    return made


def stack(folder: Path) -> list[str]:
    """The layers, from the top."""
    return [path.replace(f"{folder}/layers/", "") for path in json.loads((folder / "layers.json").read_text())]


def test_snapshots_lie_below_what_comes_later(overlay: Overlay, tmp_path: Path) -> None:
    overlay.snapshot("first")
    overlay.snapshot("second")
    assert stack(tmp_path) == ["000003/upper", "000002/upper", "000001/upper", "/image"]

    overlay.restore("first")

    assert stack(tmp_path) == ["000004/upper", "000001/upper", "/image"]
    assert overlay.snapshots() == ["first", "second"]
    overlay.restore("second")
    assert stack(tmp_path) == ["000005/upper", "000002/upper", "000001/upper", "/image"]
    assert sorted(path.name for path in (tmp_path / "layers").iterdir()) == ["000001", "000002", "000005"]


def test_a_snapshot_takes_the_place_of_one_of_its_name(overlay: Overlay, tmp_path: Path) -> None:
    overlay.snapshot("only")
    overlay.restore("only")
    overlay.snapshot("only")

    assert overlay.snapshots() == ["only"]
    overlay.restore("only")
    assert stack(tmp_path)[1:] == ["000003/upper", "000001/upper", "/image"]


def test_what_lies_in_several_layers_is_not_saved_as_one(overlay: Overlay, tmp_path: Path) -> None:
    overlay.snapshot("first")

    with pytest.raises(ProvisionError, match="lies in several layers"):
        overlay.save(tmp_path / "layer")


def test_there_are_not_more_layers_than_fit(overlay: Overlay) -> None:
    for number in range(11):
        overlay.snapshot(f"s{number}")

    with pytest.raises(ProvisionError, match="one too many"):
        overlay.require_room()
    with pytest.raises(ProvisionError, match="one too many") as caught:
        overlay.snapshot("another")

    assert "restore one that was made earlier" in caught.value.hint
    overlay.restore("s9")
    overlay.snapshot("another")


def test_a_snapshot_that_is_cut_is_never_written_to(
    overlay: Overlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its two records it does not come to, the topmost layer is none of a snapshot's."""
    for last in range(2):
        left = iter(range(last))

        def cut(path: Path, text: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            replace_file(path, text)

        monkeypatch.setattr("provision.lab.overlay.replace_file", cut)
        with pytest.raises(KeyboardInterrupt):
            overlay.snapshot("kept")
        kept = tmp_path / "snapshots/kept"
        assert (
            not kept.exists()
            or json.loads(kept.read_text())[0] != json.loads((tmp_path / "layers.json").read_text())[0]
        )


def test_a_host_of_another_version_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match="made by another version") as caught:
        Overlay(tmp_path).mount()

    assert caught.value.hint == "provision lab down, then up"
