"""The keys of a login: those in files, those that ssh-agent holds, and either with a certificate."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import os
import re
import socket
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.agent import AgentSSH
from paramiko.pkey import PublicBlob

from provision.transport.ssh_certificates import SUFFIX, UserCertificate

_CLASSES = (
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (rsa.RSAPrivateKey, paramiko.RSAKey),
)


class Locked(Exception):
    """The key's file needs a passphrase, or another one."""


class Certified(paramiko.PKey):
    """A key that is offered by its certificate."""

    def __init__(self, key: paramiko.PKey, algorithm: str, blob: bytes) -> None:
        self._key = key
        self._algorithm = algorithm
        self._blob = blob
        # By this name paramiko looks for it.
        self.public_blob = PublicBlob(algorithm, blob)

    def get_name(self) -> str:
        """The certificate's type."""
        return self._algorithm

    def asbytes(self) -> bytes:
        """The certificate."""
        return self._blob

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> paramiko.Message:
        """As the plain key signs."""
        signed: paramiko.Message = self._key.sign_ssh_data(data, (algorithm or "").removesuffix(SUFFIX) or None)
        return signed


def certified(key: paramiko.PKey, certificate: UserCertificate) -> Certified:
    """``key`` with its certificate."""
    return Certified(key, certificate.algorithm, certificate.blob)


def load(path: Path, passphrase: str | None = None) -> paramiko.PKey:
    """The private key in a file, without its certificate.

    Raises Locked, OSError, and ValueError or UnsupportedAlgorithm for what is no such key.
    """
    data = path.read_bytes()
    password = None if passphrase is None else passphrase.encode()
    key: object
    try:
        try:
            key = serialization.load_ssh_private_key(data, password)
        except ValueError:
            key = serialization.load_pem_private_key(data, password)
    except TypeError as error:
        # cryptography's word for a missing passphrase.
        raise Locked from error
    except ValueError as error:
        if passphrase is None:
            raise
        raise Locked from error
    if not isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("of no supported type")
    kind = next(ours for theirs, ours in _CLASSES if isinstance(key, theirs))
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return kind.from_private_key(io.StringIO(plain.decode()))


def public_of(path: Path) -> bytes | None:
    """The public part of a private key, locked or not: from the file beside it, else from the file itself.

    That may be a public one, too, which names a key of ssh-agent.
    """
    for file in (Path(f"{path}.pub"), path):
        try:
            words = file.read_text().split(None, 2)
            blob = base64.b64decode(words[1], validate=True)
        except (OSError, ValueError, IndexError, binascii.Error):
            continue
        if blob[4:].startswith(words[0].encode()):
            return blob
    try:
        data = base64.b64decode(re.sub(r"-----[A-Z ]+-----|\s", "", path.read_text()), validate=True)
    except (OSError, ValueError, binascii.Error):
        return None
    magic = b"openssh-key-v1\0"
    if not data.startswith(magic):
        return None
    message = paramiko.Message(data[len(magic) :])
    for _ in ("cipher", "kdf", "its options"):
        message.get_binary()
    return message.get_binary() if message.get_int() == 1 else None


class Agent(AgentSSH):
    """The keys that the ssh-agent at a socket holds. Raises OSError, SSHException where there is none."""

    def __init__(self, path: str) -> None:
        super().__init__()
        with contextlib.ExitStack() as failing:
            sock = failing.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            sock.connect(path)
            self._connect(sock)  # type: ignore[attr-defined]  # the stubs leave out what is private
            failing.pop_all()

    def close(self) -> None:
        """Close the socket."""
        self._close()  # type: ignore[attr-defined]

    def keys(self) -> list[tuple[str, bytes, paramiko.PKey]]:
        """Each key with its comment, and what it is known by: its public part, or the certificate it is."""
        return [(key.comment, key.blob, _of_agent(key)) for key in self.get_keys()]


def _of_agent(key: paramiko.AgentKey) -> paramiko.PKey:
    return Certified(key, key.name, key.blob) if key.name.endswith(SUFFIX) else key


def agent_socket(identity_agent: str | None) -> str | None:
    """Where ssh-agent listens, by IdentityAgent; None where there is none."""
    if identity_agent == "none":
        return None
    if identity_agent is None or identity_agent.startswith("$"):
        return os.environ.get((identity_agent or "$SSH_AUTH_SOCK")[1:]) or None
    return identity_agent
