"""First contact with a host, and a host whose key has changed, by OpenSSH's rules."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.e2e.cli import provision
from tests.e2e.held import TASKS, write_role
from tests.e2e.terminal import terminal

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host


class Met:
    """A host with a list of known hosts that does not have it yet."""

    def __init__(self, folder: Path, host: Host) -> None:
        self.host = host
        self.known_hosts = folder / "known_hosts"
        self.inventory = folder / "inventory.yml"
        write_role(folder, "held", TASKS)
        write_inventory(self.inventory, [host], {"roles": ["held"]})
        text = self.inventory.read_text()
        self.inventory.write_text(text.replace(str(host.known_hosts), str(self.known_hosts)))

    @property
    def recorded(self) -> list[str]:
        """The keys on record, each as type and base64."""
        lines = self.known_hosts.read_text().splitlines() if self.known_hosts.exists() else []
        return [line.split(" ", 1)[1] for line in lines]

    @property
    def key(self) -> str:
        """The host's own key, as the lab made it."""
        return self.host.known_hosts.read_text().strip().split(" ", 1)[1]

    @property
    def fingerprint(self) -> str:
        """What `ssh-keygen -l` makes of it."""
        argv = ["ssh-keygen", "-l", "-f", str(self.host.known_hosts)]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[1]


@pytest.fixture
def met(tmp_path: Path, host: Host) -> Met:
    return Met(tmp_path, host)


def test_off_a_terminal_an_unknown_key_is_refused(met: Met) -> None:
    result = provision("plan", met.inventory)

    address = met.host.address
    assert result.code == 3
    assert result.error["message"] == f"the host key of {address} is unknown: ED25519 {met.fingerprint}"
    assert result.error["hint"] == (
        f"compare the fingerprint with the host's own and run `ssh root@{address}` once, "
        "or run `provision up` with --accept-new-host-keys"
    )
    assert met.recorded == []


def test_new_keys_are_accepted_and_recorded_where_that_is_said(met: Met) -> None:
    first = provision("plan", met.inventory, "--accept-new-host-keys")

    assert (first.code, met.recorded) == (0, [met.key])
    assert provision("plan", met.inventory).code == 0


def test_a_changed_key_is_refused_always(lab: Lab, fresh_host: Host, tmp_path: Path) -> None:
    met = Met(tmp_path, fresh_host)
    assert provision("plan", met.inventory, "--accept-new-host-keys").code == 0
    (old,), was = met.recorded, met.fingerprint
    lab.reset(fresh_host)

    result = provision("plan", met.inventory, "--accept-new-host-keys")
    with terminal("plan", met.inventory) as screen:
        code = screen.end()

    assert (result.code, code, met.recorded) == (3, 3, [old])
    assert met.key != old
    assert result.error["message"] == (
        f"the host key of {met.host.address} has changed: it was ED25519 {was} ({met.known_hosts}:1), "
        f"now it is ED25519 {met.fingerprint}; the host was reinstalled, or somebody intercepts the connection"
    )
    forget = f"ssh-keygen -f {met.known_hosts} -R {met.host.address}"
    assert result.error["hint"] == (
        f"compare the new fingerprint on the host's console; if it is the host's own, run `{forget}`"
    )
    assert "has changed" in screen.seen
    subprocess.run(forget.split(), check=True, capture_output=True)
    assert provision("plan", met.inventory, "--accept-new-host-keys").code == 0


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("no", 3)])
def test_on_a_terminal_the_user_is_asked(met: Met, answer: str, code: int) -> None:
    with terminal("plan", met.inventory) as screen:
        screen.read_until("(yes/no/[fingerprint])? ")
        assert met.recorded == []
        screen.type("y")
        screen.read_until("Please type 'yes', 'no' or the fingerprint: ")
        screen.type(answer)
        assert screen.end() == code

    assert (
        f"The authenticity of host '{met.host.address}' can't be established.\n"
        f"ED25519 key fingerprint is {met.fingerprint}.\n"
        "Are you sure you want to continue connecting (yes/no/[fingerprint])? "
    ) in screen.seen
    assert met.recorded == ([met.key] if answer == "yes" else [])


def test_the_fingerprint_is_an_answer_too(met: Met) -> None:
    with terminal("plan", met.inventory) as screen:
        screen.read_until("(yes/no/[fingerprint])? ")
        screen.type(met.fingerprint)
        assert screen.end() == 0

    assert met.recorded == [met.key]


def test_ctrl_c_at_the_question_ends_the_run(met: Met) -> None:
    with terminal("plan", met.inventory) as screen:
        screen.read_until("(yes/no/[fingerprint])? ")
        screen.press("\x03")
        assert screen.end() == 130

    assert met.recorded == []
