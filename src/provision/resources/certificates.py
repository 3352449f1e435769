"""What Caddy has of the certificates of some names, and what it says of those that it has not got."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from provision.resources.base import Reading, Shell
from provision.shell import Sh, lines, sh

WAITED = "/var/lib/provision/certificates"
"""An empty file for each name that a run has waited for."""

_DATA = "/var/lib/caddy/.local/share/caddy"

ACCOUNTS = f"{_DATA}/acme"
"""Caddy keeps an account there as AUTHORITY/users/EMAIL/USER.json and .key."""

STORAGE = f"{_DATA}/certificates"
"""Caddy keeps a certificate there as AUTHORITY/NAME/NAME.crt, with ``wildcard_`` for ``*``; its own is ``local``."""

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
"""Where Caddy tries again, once the other has refused."""

_FIND = Sh("""\
certificate() { # NAME public|any: is it there, by another authority than Caddy's own or by any? Sets found.
    case $1 in
    '*'*) set -- "wildcard_${1#?}" "$2" ;;
    esac
    for found in "$storage"/*/"$1"/"$1".crt; do
        case "$2 $found" in
        "public $storage/local/"*) ;;
        *) [ ! -s "$found" ] || return 0 ;;
        esac
    done
    return 1
}""")

FIND = lines(sh("storage={}", STORAGE), _FIND)

REFUSALS = Sh("""\
refusals() { # OPTIONS of journalctl: what Caddy says in its log of certificates that it did not get.
    timeout 3 journalctl -qu caddy -o cat --no-pager "$@" 2>/dev/null </dev/null |
        grep -F -e '"msg":"could not get certificate from issuer"' -e '"msg":"challenge failed"' -e '"msg":"will retry"'
}
refusals_of() { # NAME: the last of them, from stdin, as ``reasons`` reads them.
    n=0
    grep -F -e "\\"identifier\\":\\"$1\\"" -e "[$1] " | tail -n 10 | while read -r line; do
        n=$((n + 1))
        printf '%s\\n' "$1:says$n=$line"
    done
}""")

_LOOK = """
[ -d /var/lib/caddy ] || exit 0
own=
set -- {}
while [ $# -gt 0 ]; do
	name=$1
	if certificate "$1" "$2"; then
		case $found in
		"$storage"/local/*)
			kind=own
			# Newer than this trip's own folder: signed later than now. Another process only where it looks so.
			if [ -n "${{here-}}" ] && [ "$found" -nt "$here" ] && [ -n "$(find "$found" -newermt '1 hour')" ]; then
				kind=early
			fi
			printf '%s\\n' "$name=$kind"
			;;
		*) printf '%s\\n' "$name=yes" ;;
		esac
		printf '%s\\n' "$name:waited=yes"
	else
		found=$(timeout 3 getent ahosts "$name" | cut -d ' ' -f 1 | sort -u | tr '\\n' ' ')
		printf '%s\\n' "$name=no $found"
		[ ! -e {}/"$name" ] || printf '%s\\n' "$name:waited=yes"
		own=$(hostname -I)
		refusals -n 1000 | refusals_of "$name"
	fi
	shift 2
done
printf '%s\\n' "own=$own"
"""

_OF_OWN_KIND = re.compile(r"[^.]+|([0-9]+\.){3}[0-9]+|(.+\.)?(localhost|local|internal|home\.arpa)", re.IGNORECASE)
"""What Caddy asks no public authority for: certmagic's SubjectQualifiesForPublicCert."""


RENEW = (
    f"`rm -r {STORAGE}/local {_DATA}/pki/authorities/local/intermediate.*` and "
    "`systemctl restart caddy` there make it sign others"
)
"""Caddy's authority keeps its root, which clients may trust."""

_REGISTER = (
    "the key of Caddy's account is not the one that is registered: after "
    f"`rm -r {ACCOUNTS}` there run this again, then `systemctl restart caddy`"
)


def certifiable(name: str) -> bool:
    """Does Caddy ask a public authority for a certificate of this name? Else it signs one itself."""
    return not _OF_OWN_KIND.fullmatch(name)


def pairs(names: Sequence[str], tls: str, acme_ca: str) -> tuple[str, ...]:
    """The words for ``certificate``: each name, and whose certificate will do."""
    own = {name: tls == "internal" or not (acme_ca or certifiable(name)) for name in names}
    return tuple(word for name in names for word in (name, "any" if own[name] else "public"))


def look(names: Sequence[str], tls: str, acme_ca: str) -> Shell:
    """Of each name ``NAME``: yes, own, early, or no and the addresses it has; ``NAME:waited``; ``NAME:says1``, ... .

    ``own`` is a certificate of Caddy's own authority, which counts where ``tls`` is internal, or for a name that no
    public authority certifies and ``acme_ca`` is not asked for. Nothing is said where Caddy is not there yet. Resolver
    and journal are asked only for a name without a certificate, so a run with nothing to do costs one stat a name.
    ``own=`` is what the host calls its addresses.
    """
    return Shell(lines(FIND, REFUSALS, sh(_LOOK, pairs(names, tls, acme_ca), WAITED)))


def missing(name: str, found: Reading) -> str:
    """What is to be said of a name: nothing where it has a certificate, or where nobody has looked."""
    if found.get(name, "yes") == "yes":
        return ""
    if found[name] == "early":
        return f"the certificate of {name} was signed while this host's clock was ahead, and is not valid yet: {RENEW}"
    if found[name] == "own":
        return f"the certificate of {name} is signed by Caddy itself, and browsers warn: no public authority was asked"
    resolved, own = found[name].removeprefix("no").split(), found.get("own", "").split()
    there = f"{name} resolves to {', '.join(resolved)}" if resolved else f"{name} does not resolve"
    here = f", this host is {', '.join(own)}" if own else ""
    why = reasons(name, found)
    return f"no certificate yet: {there}{here}; Caddy retries by itself" + (why and f"; it was told: {why}")


def reasons(name: str, found: Reading) -> str:
    """What Caddy was told by those who refused it a certificate; empty where its log has nothing."""
    return "; ".join(_reasons(name, found))


def _reasons(name: str, found: Reading) -> Iterator[str]:
    """The last answer to each challenge, and of each authority; of a staging server only beside no other.

    Beside none of them what Caddy says of its whole attempt: its own storage may have failed.
    """
    asked: dict[str, str] = {}
    told: dict[str, str] = {}
    attempt = ""
    for row in _said(name, found):
        try:
            entry = json.loads(row)
            if "challenge_type" in entry:
                # The fields of Caddy 2.6, and of later ones.
                problem = entry.get("problem") or {"type": entry["problem_type"], "detail": entry["error"]}
                kind = str(problem["type"]).removeprefix("urn:ietf:params:acme:error:")
                asked[str(entry["challenge_type"])] = _plain(name, f"{kind}: {problem['detail']}")
            elif "issuer" in entry:
                told[str(entry["issuer"]).removesuffix("-directory")] = _plain(name, str(entry["error"]))
            else:
                attempt = _plain(name, str(entry["error"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    real = {issuer: error for issuer, error in told.items() if "staging" not in issuer}
    yield from (f"{challenge}: {problem}" for challenge, problem in asked.items())
    for issuer, error in (real or told).items():
        # What is left to say when each challenge has failed.
        if not (asked and "no solvers available" in error):
            yield f"{issuer}: {error}"
    if attempt and not (asked or told):
        yield attempt


def _said(name: str, found: Reading) -> Iterator[str]:
    number = 1
    while row := found.get(f"{name}:says{number}"):
        yield row
        number += 1


def _plain(name: str, error: str) -> str:
    """An error of Caddy without the name at each of its layers, and without the URLs of an order."""
    error = re.sub(r"\((?:order|ca)=[^)]*\)", "", error.replace(f"[{name}] ", ""))
    error = re.sub(r"\s+", " ", error).strip()
    if "JWS verification error" in error:
        return f"{error} ({_REGISTER})"
    return error if len(error) <= 300 else error[:299] + "…"
