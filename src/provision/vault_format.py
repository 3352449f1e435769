"""The text that ansible-vault writes: a header, and below it salt, HMAC and ciphertext in hexadecimal, twice.

The keys come from the password by PBKDF2, the cipher is AES-256 in counter mode, padded as in PKCS #7.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from binascii import hexlify, unhexlify
from typing import NamedTuple

from provision.vault import DEFAULT_LABEL, MARK

_CIPHER = "AES256"
_ROUNDS = 10_000
_KEY = 32
_BLOCK = 16
_WIDTH = 80


class Sealed(NamedTuple):
    """An encrypted text, taken apart."""

    label: str
    salt: bytes
    digest: bytes
    """The HMAC-SHA256 of the ciphertext."""
    ciphertext: bytes


class _Keys(NamedTuple):
    cipher: bytes
    hmac: bytes
    counter: bytes


def unpack(text: str) -> Sealed:
    """Take an encrypted text apart. Raises ValueError, in words that hold nothing of it."""
    header, *lines = [line.strip() for line in (text or "\n").splitlines()]
    mark, *parts = [part.strip() for part in header.split(";")]
    if mark != MARK:
        raise ValueError(f"it does not begin with {MARK};1.1;{_CIPHER}")
    if parts[:2] not in (["1.1", _CIPHER], ["1.2", _CIPHER]):
        raise ValueError(f"its first line does not name version 1.1 or 1.2 and {_CIPHER}")
    try:
        salt, digest, ciphertext = map(unhexlify, unhexlify("".join(lines)).split(b"\n", 2))
    except ValueError:
        # Python's own words may quote what it cannot read.
        raise ValueError("it is damaged or cut") from None
    if not salt or len(digest) != hashlib.sha256().digest_size or not ciphertext or len(ciphertext) % _BLOCK:
        raise ValueError("it is damaged or cut")
    return Sealed("".join(parts[2:3]) or DEFAULT_LABEL, salt, digest, ciphertext)


def decrypt(sealed: Sealed, password: bytes) -> bytes | None:
    """The plain bytes; None where the password is another, or the text was damaged."""
    keys = _keys(password, sealed.salt)
    if not hmac.compare_digest(hmac.digest(keys.hmac, sealed.ciphertext, "sha256"), sealed.digest):
        return None
    padded = _counter_mode(keys, sealed.ciphertext)
    length = padded[-1]
    if not 1 <= length <= _BLOCK or padded[-length:] != bytes([length]) * length:
        return None
    return padded[:-length]


def encrypt(data: bytes, password: bytes, label: str) -> str:
    """The text that ansible-vault would write; version 1.2 where there is a label."""
    salt = os.urandom(_KEY)
    keys = _keys(password, salt)
    padding = _BLOCK - len(data) % _BLOCK
    ciphertext = _counter_mode(keys, data + bytes([padding]) * padding)
    digest = hmac.digest(keys.hmac, ciphertext, "sha256")
    payload = hexlify(b"\n".join(map(hexlify, (salt, digest, ciphertext)))).decode()
    header = [MARK, "1.1", _CIPHER] if label == DEFAULT_LABEL else [MARK, "1.2", _CIPHER, label]
    lines = (payload[start : start + _WIDTH] for start in range(0, len(payload), _WIDTH))
    return "\n".join([";".join(header), *lines, ""])


def _keys(password: bytes, salt: bytes) -> _Keys:
    material = hashlib.pbkdf2_hmac("sha256", password, salt, _ROUNDS, 2 * _KEY + _BLOCK)
    return _Keys(material[:_KEY], material[_KEY : 2 * _KEY], material[2 * _KEY :])


def _counter_mode(keys: _Keys, data: bytes) -> bytes:
    """Encrypts and decrypts alike."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(keys.cipher), modes.CTR(keys.counter)).encryptor()
    return cipher.update(data) + cipher.finalize()
