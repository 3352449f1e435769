"""The key of Caddy's repository that ships with the role is the one Caddy names, and can still sign."""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Iterator
from pathlib import Path

from provision.role import SHIPPED

FINGERPRINT = "65760C51EDEA2017CEA2CA15155B6D79CA56EA34"
"""As caddyserver.com/docs/install and Debian's extrepo-data have it."""

PUBLIC_KEY, PUBLIC_SUBKEY, SIGNATURE = 6, 14, 2
KEY_EXPIRATION, KEY_FLAGS, CAN_SIGN = 9, 27, 0x02


def armored(path: Path) -> bytes:
    """The bytes of an ASCII-armored block, without its checksum (RFC 9580, 6)."""
    lines = path.read_text("ascii").strip().splitlines()
    body = lines[lines.index("") + 1 : -1]
    return base64.b64decode("".join(line for line in body if not line.startswith("=")))


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet, old and new format (RFC 9580, 4.2)."""
    at = 0
    while at < len(data):
        head = data[at]
        if head & 0x40:
            tag, first = head & 0x3F, data[at + 1]
            if first < 192:
                size, start = first, at + 2
            else:
                assert first < 224, "no packet here is longer than 8383 bytes"
                size, start = ((first - 192) << 8) + data[at + 2] + 192, at + 3
        else:
            tag, width = (head >> 2) & 0x0F, 1 << (head & 0x03)
            size, start = int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width
        yield tag, data[start : start + size]
        at = start + size


def fingerprint(body: bytes) -> str:
    """Of a version 4 key (RFC 9580, 5.5.4.2)."""
    return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()


def hashed_subpackets(signature: bytes) -> dict[int, bytes]:
    """Of a version 4 signature; all here are shorter than 192 bytes."""
    area = signature[6 : 6 + int.from_bytes(signature[4:6], "big")]
    found, at = {}, 0
    while at < len(area):
        size = area[at]
        found[area[at + 1] & 0x7F] = area[at + 2 : at + 1 + size]
        at += 1 + size
    return found


KEY = SHIPPED / "caddy" / "files" / "caddy-stable.asc"


def test_the_key_is_caddys() -> None:
    tag, body = next(packets(armored(KEY)))
    assert (tag, fingerprint(body)) == (PUBLIC_KEY, FINGERPRINT)


def test_a_subkey_can_sign_today() -> None:
    """apt refuses a repository whose signing subkey has expired, as the one of 2020 did in December 2025."""
    now = datetime.datetime.now(datetime.UTC).timestamp()
    able, subkey = [], b""
    for tag, body in packets(armored(KEY)):
        if tag == PUBLIC_SUBKEY:
            subkey = body
        elif tag == SIGNATURE and subkey:
            said = hashed_subpackets(body)
            lifetime = int.from_bytes(said.get(KEY_EXPIRATION, b""), "big")
            ends = int.from_bytes(subkey[1:5], "big") + lifetime if lifetime else float("inf")
            if said.get(KEY_FLAGS, b"\0")[0] & CAN_SIGN and ends > now:
                able.append(fingerprint(subkey))
    assert able, f"no subkey of {KEY.name} can sign any more: fetch the key anew and compare its fingerprint"
