"""``caddy_account``: the key that Caddy registers with a certificate authority, made before Caddy would make it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.certificates import ACCOUNTS, LETS_ENCRYPT, STAGING, certifiable
from provision.resources.site import check_name
from provision.shell import sh


@dataclass(frozen=True, kw_only=True)
class CaddyAccount:
    """One account for all names of a site, for Caddy 2.6, where each name that finds none registers one of its own.

    Two names that do so at a time write registration and key, two files, over each other's: in 6 of 60 runs of 2.6.2
    with two names the key of one stayed beside the registration of the other. Then the certificates come, and no
    renewal ever does, since the authority answers "JWS verification error". With a key that is there and not registered
    yet all names register the same one, for which an authority has one account (RFC 8555, section 7.3.1).

    An account that is there is left alone, and nothing is done for names that no authority is asked about.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name", "email", "acme_ca", "acme_staging")

    name: tuple[str, ...]
    """The site's names."""
    email: str = ""
    """Contact for the certificate authority."""
    acme_ca: str = ""
    """Directory of another ACME server than the public ones."""
    acme_staging: bool = False
    """Let's Encrypt's staging server alone is asked."""

    def __post_init__(self) -> None:
        for name in self.name:
            check_name(name)

    @property
    def _accounts(self) -> dict[str, str]:
        """Authority -> path of the account's two files without ``.json`` and ``.key``."""
        if not any(self.acme_ca or certifiable(name) for name in self.name):
            return {}
        asked = [self.acme_ca] if self.acme_ca else [STAGING] if self.acme_staging else [LETS_ENCRYPT, STAGING]
        user = _safe(self.email) or "default"
        file = _safe(self.email.removeprefix("@").partition("@")[0]) or "default"
        return {key: f"{ACCOUNTS}/{key}/users/{user}/{file}" for key in map(_authority, asked)}

    @property
    def _read(self) -> Shell:
        return Shell(sh(_LOOK, [word for pair in self._accounts.items() for word in pair]))

    def reads(self) -> Iterable[Read]:
        """Whether each account has both of its files."""
        return [self._read] if self._accounts else []

    def desired(self, facts: Facts) -> State:
        """It has; what is in them is Caddy's."""
        return {self._read[authority]: "there" for authority in self._accounts}

    def change(self, diff: Diff) -> list[Step]:
        """One step."""
        contact = {"contact": [f"mailto:{self.email}"]} if self.email else {}
        words = [json.dumps(contact), *self._accounts.values()]
        return [Step(sh("cd /\nrunuser -u caddy -- sh -eu -c {} sh {}", _AS_CADDY, words), title=_TITLE)]


def _authority(url: str) -> str:
    """What Caddy calls an authority in its storage: certmagic's ``issuerKey``."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    host = parts.netloc.rpartition("@")[2]
    return _safe("-".join(part for part in (host, parts.path.replace("/", "-").strip("-")) if part))


def _safe(text: str) -> str:
    """A name of a file as certmagic's ``KeyBuilder.Safe`` makes it."""
    text = text.lower().strip()
    for old, new in ((" ", "_"), ("+", "_plus_"), ("*", "wildcard_"), (":", "-"), ("..", "")):
        text = text.replace(old, new)
    return re.sub(r"[^\w@.-]", "", text, flags=re.ASCII)


_TITLE = "making the key of Caddy's account"

_LOOK = """\
set -- {}
while [ $# -gt 0 ]; do
    [ ! -s "$2".json ] || [ ! -s "$2".key ] || printf '%s\\n' "$1=there"
    shift 2
done"""

# Its folder gets its name with both files in it, so that Caddy never finds one alone. ssh-keygen is OpenSSH's, as is
# the server that let us in.
_AS_CADDY = """\
umask 077
registration=$1
shift
for account in "$@"; do
    [ ! -s "$account".json ] || [ ! -s "$account".key ] || continue
    folder=${account%/*} file=${account##*/}
    mkdir -p "${folder%/*}"
    new=$(mktemp -d "${folder%/*}.XXXXXXXX")
    ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -C '' -f "$new/$file.key"
    rm -- "$new/$file.key.pub"
    printf '%s\\n' "$registration" >"$new/$file.json"
    sync "$new/$file.key" "$new/$file.json"
    rm -rf -- "$folder"
    mv -T -- "$new" "$folder"
done"""
