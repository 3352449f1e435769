"""A password as PostgreSQL keeps it: a SCRAM verifier, made and tried here, so that the password stays here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

ITERATIONS = 4096
"""PostgreSQL's own, SCRAM_SHA_256_DEFAULT_ITERATIONS."""


def check_password(field: str, password: str) -> None:
    """Raise ValueError for a password that cannot be used."""
    if not password:
        raise ValueError(f"{field} is empty")
    # Others are normalised before they are hashed (SASLprep), by each client in its own way.
    if not re.fullmatch("[ -~]+", password):
        raise ValueError(f"{field} holds other characters than those of ASCII that can be printed")


def verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """What the server stores, of RFC 5803: ``SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY``."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def new_verifier(password: str) -> str:
    """A verifier with a salt of its own."""
    return verifier(password, secrets.token_bytes(16))


class AnyVerifierOf(str):
    """The wanted text of a password in a State: equal to each verifier that was made of it, whatever its salt.

    What it is compared with are verifiers as a reading has them, whose keys are hashed once more. Its own text says
    nothing.
    """

    _password: str

    def __new__(cls, password: str) -> AnyVerifierOf:
        made = super().__new__(cls, "the one that is given")
        made._password = password
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and _made_of(self._password, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # what is equal to it has other hashes


def reading_of(stored: str) -> str:
    """A verifier as a reading shows it: without its keys, with a digest of them."""
    head, _, keys = stored.rpartition("$")
    return f"{head}${hashlib.sha256(keys.encode()).hexdigest()}"


def _made_of(password: str, reading: str) -> bool:
    found = re.fullmatch(r"SCRAM-SHA-256\$([0-9]{1,7}):([A-Za-z0-9+/]+=*)\$[0-9a-f]{64}", reading)
    if found is None:
        return False
    made = verifier(password, base64.b64decode(found[2]), int(found[1]))
    return hmac.compare_digest(reading_of(made), reading)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
