"""The role hardening: sshd takes no passwords once a key has let somebody in, and takes them again if none does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from tests.e2e.cli import Result, provision, wait_for
from tests.e2e.held import running

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host

PASSWORD = "correct-horse-battery"
SSHD = "hardening : Take no passwords over ssh, once a key has let somebody in"
FILE = "etc/ssh/sshd_config.d/10-provision.conf"

SETUP = f"""
set -e
echo root:{PASSWORD} | chpasswd
# As cloud images have it.
echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/50-cloud-init.conf
echo 'PermitRootLogin yes' >>/etc/ssh/sshd_config
systemctl reload ssh
"""


class Hard:
    """The host, and an inventory that gives it the role."""

    def __init__(self, lab: Lab, host: Host, inventory: Path) -> None:
        self.lab, self.host, self.inventory = lab, host, inventory
        self.root = lab.root(host)
        self.set()

    def set(self, **variables: object) -> None:
        """Write the inventory, with these variables besides the role."""
        write_inventory(self.inventory, [self.host], {"roles": ["hardening"], **variables})

    def log_in_by_password(self) -> None:
        """Let the inventory know a password and no key."""
        inventory = yaml.safe_load(self.inventory.read_text())
        (login,) = inventory["all"]["hosts"].values()
        del login["ansible_ssh_private_key_file"]
        login["ansible_password"] = PASSWORD
        self.inventory.write_text(yaml.safe_dump(inventory))

    def up(self, code: int = 0) -> Result:
        result = provision("up", self.inventory)
        assert result.code == code, str(result)
        return result

    def run(self, command: str) -> str:
        done = self.lab.run(self.host, command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def takes(self) -> str:
        """The ways to log in that sshd offers to whoever has none, in ssh's words."""
        argv = self.host.ssh("true")
        argv[1:1] = ["-o", "PubkeyAuthentication=no", "-o", "BatchMode=yes"]
        refused = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert refused.returncode == 255
        return refused.stderr.strip().rpartition("Permission denied ")[2]


@pytest.fixture(scope="module")
def hard(lab: Lab, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Hard:
    hard = Hard(lab, host, tmp_path_factory.mktemp("hard") / "inventory.yml")
    hard.run(SETUP)
    # A reload starts sshd anew, and for a moment nobody listens.
    wait_for("passwords", lambda: "password" in hard.takes())
    first = hard.up()
    assert SSHD in first.changed
    assert first.recaps[host.name]["trips"] == 3
    assert hard.up().settled == (0, 1)
    return hard


@pytest.fixture(autouse=True)
def hardened(hard: Hard) -> None:
    """Whatever the test before left."""
    hard.set()
    hard.up()


@pytest.fixture
def soft(hard: Hard) -> None:
    """sshd takes passwords again."""
    hard.set(hardening_ssh_password_authentication=True)
    assert hard.up().changed == [SSHD]
    assert hard.up().settled == (0, 1)
    assert "password" in hard.takes()
    hard.set()


def test_keys_let_in_and_nothing_else(hard: Hard) -> None:
    assert hard.takes() == "(publickey)."
    assert hard.run("id -u") == "0\n"
    assert "permitrootlogin without-password" in hard.run("sshd -T")


def test_updates_and_the_journal(hard: Hard) -> None:
    settings = hard.run("apt-config dump")
    assert 'APT::Periodic::Unattended-Upgrade "1";' in settings
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in settings
    assert hard.run("systemctl is-enabled apt-daily-upgrade.timer") == "enabled\n"
    assert "SystemMaxUse=1G" in hard.run("systemd-analyze cat-config systemd/journald.conf")

    hard.set(hardening_unattended_upgrades=False, hardening_journal_max_use="")
    assert len(hard.up().changed) == 3  # two files, and journald's restart
    assert hard.up().settled == (0, 1)
    assert "Automatic-Reboot" not in hard.run("apt-config dump")
    assert "SystemMaxUse=1G" not in hard.run("systemd-analyze cat-config systemd/journald.conf")


@pytest.mark.usefixtures("soft")
def test_whoever_came_by_password_may_go_on(hard: Hard) -> None:
    hard.log_in_by_password()
    refused = hard.up(code=1)
    assert refused.error["message"] == (
        "passwords are still taken, since no key lets this run in: a password was needed to log in"
    )
    assert "ssh-copy-id" in refused.error["hint"]
    assert refused.log.strip() == "nothing was changed"
    assert "password" in hard.takes()
    assert not (hard.root / FILE).exists()


@pytest.mark.usefixtures("soft")
def test_a_key_that_lets_nobody_in_afterwards_is_no_proof(hard: Hard) -> None:
    """A login that ends at once, as soon as the file is there."""
    (hard.root / "root/.bashrc").write_text(f"[ ! -e /{FILE} ] || exit 1\n")
    try:
        failed = hard.up(code=1)
    finally:
        (hard.root / "root/.bashrc").unlink()
    assert failed.error["message"] == (
        "without passwords sshd let nobody in, so it takes them again: the new login ended before it had done anything"
    )
    wait_for("passwords", lambda: "password" in hard.takes())
    assert not (hard.root / FILE).exists()
    assert hard.up().changed == [SSHD]
    assert hard.up().settled == (0, 1)


@pytest.mark.usefixtures("soft")
@pytest.mark.parametrize("ends", ["timer", "boot"])
def test_a_killed_run_leaves_sshd_as_it_was(hard: Hard, ends: str) -> None:
    """A new login that hangs for as long as the file is there, and a controller that is gone."""
    (hard.root / "root/.bashrc").write_text(f"while [ -e /{FILE} ]; do sleep 0.1; done\n")
    hard.set(hardening_revert_after=40 if ends == "timer" else 600)
    try:
        with running(hard.inventory) as run:
            wait_for("the file", (hard.root / FILE).exists)
            run.kill()
        if ends == "boot":
            hard.lab.restart(hard.host)
        wait_for("the file to be gone", lambda: not (hard.root / FILE).exists())
    finally:
        (hard.root / "root/.bashrc").unlink()
    wait_for("passwords", lambda: "password" in hard.takes())
    wait_for("nothing to be left of it", lambda: not hard.run("ls /var/lib/provision/undo"))
