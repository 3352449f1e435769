"""What a host has that its image has not: name, address, keys, and this machine's resolver and CA certificates."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from provision.lab.commands import run
from provision.lab.provider import Host

# What cloud-init writes before root's key where another user is the login (its `disable_root`).
_LOGIN_ELSEWHERE = (
    "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,"
    'command="echo \'Please login as the user \\"{user}\\" rather than the user \\"root\\".\';'
    'echo;sleep 10;exit 142" '
)

_FIRST_USER = 1000
"""The uid that Debian gives the first login; that of the cloud images' user."""


@dataclass(frozen=True)
class Link:
    """How a host is connected."""

    interface: str
    """A pattern of systemd.network(5)."""
    address: str
    """With the length of its prefix."""
    gateway: str


@dataclass(frozen=True)
class OwnFile:
    """One file of a host's own."""

    path: str
    """Below the root."""
    content: bytes
    mode: int = 0o644
    home: str = ""
    """For a file of a login: its home folder, whose owner is the file's."""


def create_client_key(key: Path) -> None:
    """Make the key pair that opens the hosts of a lab, unless it is there."""
    if not key.with_suffix(".pub").exists():  # ssh-keygen writes it last.
        key.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "provision lab", "-f", str(key))


def own_files(host: Host, link: Link) -> list[OwnFile]:
    """The own files of ``host``, with a new host key, which is written to its ``known_hosts`` on this machine."""
    # minbase has no /etc/hosts; without localhost many services do not start.
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n::1 localhost ip6-localhost ip6-loopback\n"
    network = (
        f"[Match]\nName={link.interface}\n\n"
        f"[Network]\nAddress={link.address}\nGateway={link.gateway}\nIPv6AcceptRA=no\n"
    )
    return [
        OwnFile("etc/hostname", f"{host.name}\n".encode()),
        OwnFile("etc/hosts", hosts.encode()),
        # The name sorts before systemd's own 80-container-host0.network, which would win with a link-local address.
        OwnFile("etc/systemd/network/10-lab.network", network.encode()),
        *_trust_like_this_machine(),
        *_host_key(host),
        *_authorized_keys(host),
    ]


def personalize(root: Path, host: Host, link: Link) -> None:
    """Write the own files of ``host`` below ``root``."""
    for file in own_files(host, link):
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # A link, or that of the host that a layer was saved from.
        path.touch(mode=file.mode)
        path.write_bytes(file.content)
        if file.home:
            owner = (root / file.home).stat()
            path.parent.chmod(0o700)
            for each in (path.parent, path):
                os.chown(each, owner.st_uid, owner.st_gid)


def pack(files: Sequence[OwnFile], path: Path) -> None:
    """Write ``files`` to ``path``, as a tar to be unpacked in the root of a host."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for file in files:
            owner = 0 if file.home in ("", "root") else _FIRST_USER
            if file.home:
                tar.addfile(_member(str(Path(file.path).parent), 0o700, owner, folder=True))
            tar.addfile(_member(file.path, file.mode, owner, len(file.content)), BytesIO(file.content))


def _member(path: str, mode: int, owner: int, size: int = 0, *, folder: bool = False) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type = tarfile.DIRTYPE if folder else tarfile.REGTYPE
    member.mode, member.uid, member.gid, member.size = mode, owner, owner, size
    return member


def _trust_like_this_machine() -> Iterator[OwnFile]:
    # systemd-resolved's stub listens on the machine's loopback, which a host cannot reach.
    resolved = Path("/run/systemd/resolve/resolv.conf")
    resolver = resolved if resolved.exists() else Path("/etc/resolv.conf")
    yield OwnFile("etc/resolv.conf", resolver.read_bytes())
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    # Their sources too: update-ca-certificates makes the bundle anew.
    own = sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    for path in (bundle, *own):
        if path.is_file():
            yield OwnFile(str(path.relative_to("/")), path.read_bytes())


def _host_key(host: Host) -> Iterator[OwnFile]:
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder, "ssh_host_ed25519_key")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{host.name}", "-f", str(key))
        public = key.with_suffix(".pub")
        yield OwnFile(f"etc/ssh/{key.name}", key.read_bytes(), 0o600)
        yield OwnFile(f"etc/ssh/{public.name}", public.read_bytes())
        kind, text, _ = public.read_text().split(" ", 2)
    where = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
    host.known_hosts.write_text(f"{where},{host.name} {kind} {text}\n")


def _authorized_keys(host: Host) -> Iterator[OwnFile]:
    public = host.key.with_suffix(".pub").read_text()
    elsewhere = "" if host.user == "root" else _LOGIN_ELSEWHERE.format(user=host.user)
    yield _opened_by("root", elsewhere + public)
    if host.user != "root":
        yield _opened_by(f"home/{host.user}", public)


def _opened_by(home: str, line: str) -> OwnFile:
    return OwnFile(f"{home}/.ssh/authorized_keys", line.encode(), 0o600, home)
