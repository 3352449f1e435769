"""What a host has that its image has not: name, address, keys, and this machine's resolver and CA certificates."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from provision.lab.commands import run
from provision.lab.network import Network
from provision.lab.provider import Host

# What cloud-init writes before root's key where another user is the login (its `disable_root`).
_LOGIN_ELSEWHERE = (
    "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,"
    'command="echo \'Please login as the user \\"{user}\\" rather than the user \\"root\\".\';'
    'echo;sleep 10;exit 142" '
)


def create_client_key(key: Path) -> None:
    """Make the key pair that opens the hosts of a lab, unless it is there."""
    if not key.with_suffix(".pub").exists():  # ssh-keygen writes it last.
        key.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "provision lab", "-f", str(key))


def personalize(root: Path, host: Host, network: Network) -> None:
    """Write the own files of ``host`` below ``root``, and its ``known_hosts`` on this machine."""
    etc = root / "etc"
    (etc / "hostname").write_text(f"{host.name}\n")
    # minbase has no /etc/hosts; without localhost many services do not start.
    (etc / "hosts").write_text(
        f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n::1 localhost ip6-localhost ip6-loopback\n"
    )
    # The name sorts before systemd's own 80-container-host0.network, which would win with a link-local address.
    (etc / "systemd/network/10-lab.network").write_text(
        "[Match]\nName=host0\n\n"
        f"[Network]\nAddress={host.address}/{network.subnet.prefixlen}\nGateway={network.gateway}\n"
        "IPv6AcceptRA=no\n"
    )
    _trust_like_this_machine(root)
    _host_key(root, host)
    _authorize(root, host)


def _trust_like_this_machine(root: Path) -> None:
    # systemd-resolved's stub listens on the machine's loopback, which a container cannot reach.
    resolved = Path("/run/systemd/resolve/resolv.conf")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    shutil.copyfile(resolved if resolved.exists() else "/etc/resolv.conf", root / "etc/resolv.conf")
    bundle = "etc/ssl/certs/ca-certificates.crt"
    if Path("/", bundle).exists():
        shutil.copyfile(Path("/", bundle), root / bundle)
    # Their sources too: update-ca-certificates makes the bundle anew.
    own = Path("/usr/local/share/ca-certificates")
    if own.exists():
        shutil.copytree(own, root / own.relative_to("/"), dirs_exist_ok=True)


def _host_key(root: Path, host: Host) -> None:
    key = root / "etc/ssh/ssh_host_ed25519_key"
    key.unlink(missing_ok=True)  # Of the host that a layer was saved from.
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{host.name}", "-f", str(key))
    kind, public, _ = key.with_suffix(".pub").read_text().split(" ", 2)
    host.known_hosts.write_text(f"{host.address},{host.name} {kind} {public}\n")


def _authorize(root: Path, host: Host) -> None:
    public = host.key.with_suffix(".pub").read_text()
    if host.user == "root":
        _authorized_keys(root / "root", public)
    else:
        _authorized_keys(root / "root", _LOGIN_ELSEWHERE.format(user=host.user) + public)
        _authorized_keys(root / "home" / host.user, public)


def _authorized_keys(home: Path, line: str) -> None:
    owner = home.stat()
    keys = home / ".ssh" / "authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)  # Debian makes /root/.ssh itself.
    keys.touch(mode=0o600)
    keys.write_text(line)
    for path in (keys.parent, keys):
        os.chown(path, owner.st_uid, owner.st_gid)
