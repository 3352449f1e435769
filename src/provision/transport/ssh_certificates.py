"""OpenSSH's certificates (PROTOCOL.certkeys): whom one belongs to, and whether a host's vouches for the host."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)

SUFFIX = "-cert-v01@openssh.com"
"""What the algorithms of certificates end with."""


@dataclass(frozen=True)
class UserCertificate:
    """What a host may let in with the key ``public`` belongs to."""

    path: Path
    algorithm: str
    blob: bytes
    public: bytes
    trouble: str
    """Why no host will take it, as far as can be told here; usually empty."""


def user_certificate(path: Path) -> UserCertificate:
    """The certificate in a file. Raises OSError, and ValueError where there is none of a user."""
    words = path.read_bytes().split(None, 2)
    certificate = _read(base64.b64decode(words[1]) if len(words) > 1 else b"")
    if certificate.type is not SSHCertificateType.USER:
        raise ValueError("it is not a user's")
    return UserCertificate(
        path, words[0].decode(), base64.b64decode(words[1]), _blob(certificate.public_key()), _untimely(certificate)
    )


def signer(blob: bytes) -> bytes:
    """The key of the authority that has signed a certificate, as known_hosts names keys; empty if it is unreadable."""
    try:
        return _blob(_read(blob).signature_key())
    except ValueError:
        return b""


def objection(blob: bytes, name: str, authorities: Collection[bytes]) -> str:
    """Why a certificate does not vouch for the host ``name``, by OpenSSH's rules; empty if it does.

    ``authorities`` are the keys that may sign for that host.
    """
    try:
        certificate = _read(blob)
        by = _blob(certificate.signature_key())
        certificate.verify_cert_signature()
    except ValueError as error:
        return str(error)
    except (InvalidSignature, UnsupportedAlgorithm):
        # Among them those by SHA-1, which OpenSSH takes no more.
        return "its signature is wrong, or of a kind that is no longer taken"
    if by not in authorities:
        return f"it is signed by {_fingerprint(by)}, which no @cert-authority line names for this host"
    if certificate.type is not SSHCertificateType.HOST:
        return "it is not a host's"
    if untimely := _untimely(certificate):
        return untimely
    if certificate.critical_options:
        return "it has critical options, of which there are none for hosts"
    if name.encode() not in certificate.valid_principals:
        names = b", ".join(certificate.valid_principals).decode("utf-8", "backslashreplace")
        return f"it is for {names or 'no host by name'}, not for {name}"
    return ""


def _read(blob: bytes) -> SSHCertificate:
    try:
        algorithm = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
        identity = load_ssh_public_identity(algorithm + b" " + base64.b64encode(blob))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("it cannot be read") from error
    if not isinstance(identity, SSHCertificate):
        raise ValueError("it is a plain key")
    return identity


def _blob(key: object) -> bytes:
    text: bytes = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)  # type: ignore[attr-defined]
    return base64.b64decode(text.split()[1])


def _untimely(certificate: SSHCertificate) -> str:
    now = time.time()
    if now < certificate.valid_after:
        return f"it is valid from {_date(certificate.valid_after)} on"
    if now >= certificate.valid_before:
        return f"it has expired on {_date(certificate.valid_before)}"
    return ""


def _date(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return "a day that no calendar has"


def _fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
