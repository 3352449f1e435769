"""Certificates of users and of hosts, against a real sshd and beside the `ssh` program."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.ssh.openssh import KINDS, agent_at, certify

from provision.errors import AuthenticationError, HostKeyError
from provision.transport.protocol import Login
from provision.transport.ssh_certificates import objection, signer
from provision.transport.ssh_hostkeys import HostKeyPolicy
from provision.transport.ssh_passphrases import Passphrases

if TYPE_CHECKING:
    from tests.unit.ssh.openssh import Sshd

Start = Callable[..., "Sshd"]


@pytest.fixture
def authority(home: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "authority"], check=True)
    return home / "authority"


@pytest.fixture
def trusting(more_sshd: Start, authority: Path) -> Sshd:
    """A server that lets in whom the authority has certified."""
    return more_sshd("trusting", TrustedUserCAKeys=f"{authority}.pub", AuthorizedKeysFile="none")


def root(server: Sshd, key: Path, **changes: str) -> Login:
    return replace(server.login, key_files=(str(key),), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_beside_the_key(trusting: Sshd, home: Path, authority: Path, kind: str) -> None:
    trusting.keygen(home / "me", kind)
    with pytest.raises(AuthenticationError):
        trusting.user_id(root(trusting, home / "me"))
    certify(authority, home / "me", "-n", "root")
    assert trusting.user_id(root(trusting, home / "me")) == b"0\n"


def test_certificate_file_and_the_default_keys(trusting: Sshd, home: Path, authority: Path) -> None:
    (home / ".ssh").mkdir()
    trusting.keygen(home / ".ssh" / "id_ecdsa", "ecdsa")
    certify(authority, home / ".ssh" / "id_ecdsa", "-n", "root").rename(home / "elsewhere.pub")
    login = replace(trusting.login, key_files=())
    with pytest.raises(AuthenticationError):
        trusting.user_id(login)
    assert trusting.user_id(replace(login, common_args=f"-o CertificateFile={home}/elsewhere.pub")) == b"0\n"
    (home / ".ssh" / "config").write_text("CertificateFile ~/none.pub\nCertificateFile ~/elsewhere.pub\n")
    assert trusting.user_id(login) == b"0\n"


@pytest.fixture
def agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with agent_at(home / "agent") as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield


def add(key: Path) -> None:
    subprocess.run(["ssh-add", "-q", key], check=True, capture_output=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_the_agent_with_a_certificate_in_a_file(
    trusting: Sshd, home: Path, authority: Path, agent: None, kind: str
) -> None:
    trusting.keygen(home / "me", kind)
    add(home / "me")
    certificate = certify(authority, home / "me", "-n", "root")
    (home / "me").unlink()
    login = replace(trusting.login, key_files=())
    assert trusting.user_id(replace(login, common_args=f"-o CertificateFile={certificate}")) == b"0\n"
    with pytest.raises(AuthenticationError):
        trusting.user_id(login)


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_that_holds_the_certificate(
    trusting: Sshd, home: Path, authority: Path, agent: None, kind: str
) -> None:
    trusting.keygen(home / "me", kind)
    certify(authority, home / "me", "-n", "root")
    add(home / "me")
    assert trusting.user_id(replace(trusting.login, key_files=())) == b"0\n"


def test_a_certified_key_with_a_passphrase(trusting: Sshd, home: Path, authority: Path) -> None:
    trusting.keygen(home / "me", "ed25519", "phrase")
    certify(authority, home / "me", "-n", "root")
    assert trusting.user_id(root(trusting, home / "me"), passphrases=Passphrases(lambda path: "phrase")) == b"0\n"


def test_a_certificate_of_no_use_leaves_the_plain_key(sshd: Sshd, trusting: Sshd, home: Path, authority: Path) -> None:
    for name in ("user", "user.pub"):
        (home / name).write_bytes((sshd.folder / name).read_bytes())
    (home / "user").chmod(0o600)
    certificate = certify(authority, home / "user", "-n", "root", "-V", "-2d:-1d")
    assert sshd.user_id(root(sshd, home / "user")) == b"0\n"
    with pytest.raises(AuthenticationError, match=r"user-cert\.pub: it has expired on "):
        trusting.user_id(root(trusting, home / "user"))
    certificate.write_text("nonsense")
    assert sshd.user_id(root(sshd, home / "user")) == b"0\n"
    with pytest.raises(AuthenticationError, match=r"user-cert\.pub is not a user's certificate"):
        trusting.user_id(root(trusting, home / "user"))


@pytest.fixture
def certified(more_sshd: Start, authority: Path) -> Start:
    """Starts a server whose key of one kind is certified."""

    def start(kind: str, *options: str) -> Sshd:
        return more_sshd(
            "certified",
            lambda folder: certify(authority, folder / kind, "-h", *options),
            HostCertificate=f"{{folder}}/{kind}-cert.pub",
        )

    return start


class Trust:
    """Who logs in to a server with these lines in known_hosts: provision, and the `ssh` program."""

    def __init__(self, server: Sshd, home: Path, *lines: str, hashed: bool = False) -> None:
        self._server = server
        self._known = home / "known"
        self._known.write_text("\n".join(lines) + "\n")
        if hashed:
            # ssh-keygen hashes no line with a marker.
            marker, _, plain = lines[0].partition(" ")
            self._known.write_text(plain + "\n")
            subprocess.run(["ssh-keygen", "-q", "-H", "-f", self._known], check=True, capture_output=True)
            assert "127.0.0.1" not in self._known.read_text()
            self._known.write_text(f"{marker} {self._known.read_text()}")

    def openssh(self) -> bool:
        options = ("-oStrictHostKeyChecking=yes", f"-oUserKnownHostsFile={self._known}")
        return self._server.openssh(f"-i{self._server.folder}/user", *options)

    def ours(self, policy: HostKeyPolicy | None = None) -> bool:
        return self._server.user_id(replace(self._server.login, known_hosts=str(self._known)), policy) == b"0\n"

    def refused(self, policy: HostKeyPolicy | None = None) -> str:
        """What we say; OpenSSH refuses too."""
        assert not self.openssh()
        with pytest.raises(HostKeyError) as caught:
            self.ours(policy)
        return caught.value.message


def line(names: str, key: Path, marker: str = "@cert-authority") -> str:
    return f"{marker} {names} {key.with_name(key.name + '.pub').read_text().strip()}".strip()


@pytest.mark.parametrize("kind", KINDS)
def test_an_authority_vouches_for_a_host_of_each_kind(certified: Start, home: Path, authority: Path, kind: str) -> None:
    trust = Trust(certified(kind, "-n", "db1,127.0.0.1"), home, line("*", authority))
    assert trust.openssh()
    assert trust.ours()
    assert len((home / "known").read_text().splitlines()) == 1


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_authorities_of_other_kinds(certified: Start, home: Path, authority: Path, sshd: Sshd, kind: str) -> None:
    for file in (authority, Path(f"{authority}.pub")):
        file.unlink()
    sshd.keygen(authority, kind)
    assert Trust(certified("ed25519", "-n", "127.0.0.1"), home, line("*", authority)).ours()


@pytest.mark.parametrize("names", ["127.0.0.*", "127.0.0.1", "[127.0.0.1]:{port}", "!web2,[127.0.0.*]:*", "hashed"])
def test_the_patterns_of_an_authority(certified: Start, home: Path, authority: Path, names: str) -> None:
    server = certified("ed25519", "-n", "127.0.0.1")
    written = "[127.0.0.1]:{port}" if names == "hashed" else names
    trust = Trust(server, home, line(written.format(port=server.port), authority), hashed=names == "hashed")
    assert trust.openssh()
    assert trust.ours()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-n", "web9"), "it is for web9, not for 127.0.0.1"),
        (("-n", "127.0.0.*"), r"it is for 127.0.0.*, not for 127.0.0.1"),
        (("-n", "127.0.0.1", "-V", "-2d:-1d"), "it has expired on "),
        (("-n", "127.0.0.1", "-V", "+1d:+2d"), "it is valid from "),
        (("-n", "127.0.0.1", "-O", "critical:force=x"), "it has critical options"),
    ],
)
def test_a_certificate_that_does_not_vouch(
    certified: Start, home: Path, authority: Path, options: tuple[str, ...], said: str
) -> None:
    server = certified("ed25519", *options)
    message = Trust(server, home, line("*", authority)).refused()
    assert "is unknown" in message
    assert f"(its certificate is of no use: {said}" in message
    # As with OpenSSH, the plain key counts then: a known one is right, another one has changed.
    plain = server.known("ed25519").read_text().strip()
    known = Trust(server, home, line("*", authority), plain)
    assert known.openssh()
    assert known.ours()
    other = line(f"[127.0.0.1]:{server.port}", authority, marker="")
    assert "has changed" in Trust(server, home, line("*", authority), other).refused(HostKeyPolicy(accept_new=True))


def test_a_certificate_without_names_is_not_taken(certified: Start, home: Path, authority: Path) -> None:
    """Older versions of OpenSSH take it for any host."""
    trust = Trust(certified("ed25519"), home, line("*", authority))
    with pytest.raises(HostKeyError, match="it is for no host by name, not for"):
        trust.ours()


def test_what_is_revoked_is_refused(certified: Start, home: Path, authority: Path) -> None:
    server = certified("ed25519", "-n", "127.0.0.1")
    for revoked, said in (
        (authority, "is certified by an authority that is revoked"),
        (server.folder / "ed25519", "is revoked"),
    ):
        lines = line("*", authority), line("*", revoked, marker="@revoked")
        assert said in Trust(server, home, *lines).refused(HostKeyPolicy(accept_new=True))


def test_without_an_authority_for_it_the_plain_key_counts(
    certified: Start, home: Path, authority: Path, sshd: Sshd
) -> None:
    server = certified("ed25519", "-n", "127.0.0.1")
    sshd.keygen(home / "other", "ed25519")
    message = Trust(server, home, line("*", home / "other")).refused()
    assert "which no @cert-authority line names for this host" in message
    message = Trust(server, home, line("web*", authority)).refused()
    assert "certificate" not in message
    plain = server.known("rsa").read_text().strip()
    assert Trust(server, home, line("web*", authority), plain).ours()


def test_a_user_s_certificate_is_no_host_s(more_sshd: Start, home: Path, authority: Path) -> None:
    server = more_sshd(
        "certified",
        lambda folder: certify(authority, folder / "ed25519", "-n", "127.0.0.1"),
        HostCertificate="{folder}/ed25519-cert.pub",
    )
    assert "is unknown" in Trust(server, home, line("*", authority)).refused()


def test_a_host_without_a_certificate_is_asked_about(sshd: Sshd, home: Path, authority: Path) -> None:
    trust = Trust(sshd, home, line("*", authority))
    assert f"(it shows no certificate of the @cert-authority in {home}/known:1)" in trust.refused()
    assert trust.ours(HostKeyPolicy(ask=lambda key: True))
    assert trust.openssh()
    assert trust.ours()


def test_a_forged_signature_is_seen(certified: Start, home: Path, authority: Path) -> None:
    """No server would show it: the certificate itself, with one bit turned."""
    server = certified("ed25519", "-n", "127.0.0.1")
    blob = base64.b64decode((server.folder / "ed25519-cert.pub").read_text().split()[1])
    by = base64.b64decode(Path(f"{authority}.pub").read_text().split()[1])
    assert signer(blob) == by
    assert objection(blob, "127.0.0.1", {by}) == ""
    assert "signature is wrong" in objection(blob[:-1] + bytes([blob[-1] ^ 1]), "127.0.0.1", {by})
    assert "cannot be read" in objection(blob[:40], "127.0.0.1", {by})
    assert objection(by, "127.0.0.1", {by}) == "it is a plain key"


def test_the_alias_is_the_name(certified: Start, home: Path, authority: Path) -> None:
    server = certified("ed25519", "-n", "web1.example")
    known = home / "known"
    known.write_text(line("web1.*", authority) + "\n")
    login = replace(server.login, known_hosts=str(known), common_args="-o HostKeyAlias=web1.example")
    assert server.user_id(login) == b"0\n"
