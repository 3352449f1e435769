"""Certificates, trusted or not: as a server shows one, and as Caddy has stored one for a site."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cryptography.x509 import Certificate as X509

LATE = 1 / 6
"""The share of its time that is left of a certificate which should have been renewed: Caddy does it at a third, also
with those of its own authority, which last 12 hours."""


@dataclass(frozen=True)
class Certificate:
    """What is looked at of one."""

    issuer: str
    """The organisation and the name of who signed it."""
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...] = ()

    def state(self, now: datetime) -> Literal["valid", "early", "late", "expired"]:
        """``early``: not valid yet; ``late``: its renewal has failed so far."""
        if self.not_before > now:
            return "early"
        if self.not_after <= now:
            return "expired"
        return "late" if self.not_after - now < LATE * (self.not_after - self.not_before) else "valid"


@dataclass(frozen=True)
class Stored:
    """The certificate of one site."""

    name: str
    """What it is for: a domain, an address, or ``*.example.com``."""
    authority: str
    """As Caddy names its folder: ``local`` for its own, else the host and path of an ACME directory."""
    state: str
    """That of the certificate, or ``unreadable``."""
    not_before: datetime | None = None
    not_after: datetime | None = None


def parse(data: bytes) -> Certificate:
    """The certificate in ``data``, DER. Raises ValueError.

    The standard library tells the fields of trusted certificates only.
    """
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        found = x509.load_der_x509_certificate(data)
        words = [
            str(attribute.value)
            for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
            for attribute in found.issuer.get_attributes_for_oid(oid)
        ]
        issuer = " ".join(words) or found.issuer.rfc4514_string()
        return Certificate(issuer, found.not_valid_before_utc, found.not_valid_after_utc, _names(found))
    except (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        # The library's own are no ValueErrors, and a host may answer with anything.
        raise ValueError(str(error)) from error


def _names(found: X509) -> tuple[str, ...]:
    from cryptography import x509

    try:
        subjects = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = map(str, subjects.get_values_for_type(x509.IPAddress))
    return (*subjects.get_values_for_type(x509.DNSName), *addresses)


def stored(authority: str, site: str, encoded: str, now: datetime) -> Stored:
    """Of the base64 text of DER, which Caddy keeps in a folder ``site``."""
    name = f"*.{site.removeprefix('wildcard_.')}" if site.startswith("wildcard_.") else site
    try:
        found = parse(base64.b64decode(encoded, validate=True))
    except ValueError:
        return Stored(name, authority, "unreadable")
    return Stored(name, authority, found.state(now), found.not_before, found.not_after)
