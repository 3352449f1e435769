"""``get_url``: a file of the web, known by its checksum."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from provision.resources.base import Diff, Digest, Facts, Read, Stat, State, Step
from provision.resources.fields import Mode
from provision.resources.filecontent import check_names, check_path, replace_file
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class GetUrl:
    """A regular file with the content that has ``checksum``, downloaded from ``url`` only where the file is not it.

    ``checksum`` is ``sha256:`` and 64 hex digits: without it nobody could say whether the host has what the URL gives,
    nor whether it gives what was meant. The host needs curl or wget. A link at ``dest`` is replaced, never followed.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("dest",)

    url: str
    dest: str
    checksum: str
    owner: str = "root"
    group: str = "root"
    mode: Mode = field(default=Mode("0644"))
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_path("dest", self.dest)
        check_names(owner=self.owner, group=self.group)
        check_checksum(self.checksum)
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"url {self.url!r} must start with http:// or https://")
        for text in (self.url, *self.headers, *self.headers.values()):
            if any(ord(character) < ord(" ") for character in text):
                raise ValueError(f"{text!r} has a control character in it")

    def reads(self) -> Iterable[Read]:
        """Everything about ``dest`` but its text."""
        return (Stat(self.dest), Digest(self.dest))

    def desired(self, facts: Facts) -> State:
        """A regular file of this owner, mode and digest."""
        stat = Stat(self.dest)
        return {
            stat["type"]: "file",
            stat["mode"]: self.mode.zfill(4),
            stat["owner"]: self.owner,
            stat["group"]: self.group,
            Digest(self.dest)["sha256"]: _digest(self.checksum),
        }

    def change(self, diff: Diff) -> list[Step]:
        """One step: download beside ``dest``, compare, rename."""
        where = urlsplit(self.url)
        shown = where._replace(netloc=where.netloc.rpartition("@")[2], query="").geturl()
        fetch = lines(sh("url={} wanted={}", shown, _digest(self.checksum)), _FETCH)
        script = replace_file(self.dest, owner=self.owner, group=self.group, mode=self.mode, check=fetch)
        return [Step(script, files={"content": b"", "curl": self._curl(), "wget": self._wget(), "url": self._url()})]

    # URL and headers may hold a password: they go by files.
    def _curl(self) -> bytes:
        options = [("url", self.url), *(("header", f"{name}: {value}") for name, value in self.headers.items())]
        return (_CURL + "".join(f"{name} = {_quoted(value)}\n" for name, value in options)).encode()

    def _wget(self) -> bytes:
        return (_WGET + "".join(f"header = {name}: {value}\n" for name, value in self.headers.items())).encode()

    def _url(self) -> bytes:
        return self.url.encode() + b"\n"


def check_checksum(checksum: str) -> None:
    """Raise ValueError unless ``checksum`` is ``sha256:`` and its digits."""
    if not re.fullmatch(r"sha256:[0-9a-fA-F]{64}", checksum):
        raise ValueError(
            f"checksum must be sha256: and 64 hex digits, not {checksum!r}; a file of checksums on the web could "
            "change together with what it vouches for: copy the line for this file out of it"
        )


def _digest(checksum: str) -> str:
    return checksum.removeprefix("sha256:").lower()


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Limits of patience: 20 s for a connection, a minute without a byte.
_CURL = """\
silent
show-error
fail
location
globoff
proto = "=http,https"
retry = 3
connect-timeout = 20
speed-time = 60
speed-limit = 1
"""

_WGET = """\
tries = 3
connect_timeout = 20
read_timeout = 60
auth_no_challenge = on
"""

_FETCH = Sh("""\
failed() { # PROGRAM STATUS
    echo "$url could not be downloaded ($1 ended with status $2); $dest is as it was" >&2
    exit 1
}
has() { printf '%s  %s\\n' "$wanted" "$1" | sha256sum --check --status 2>/dev/null; }
if [ -f "$dest" ] && [ ! -L "$dest" ] && has "$dest"; then
    cat -- "$dest" >"$temp" # its owner or mode differs
elif command -v curl >/dev/null; then
    curl --config "$FILES"/curl --output "$temp" || failed curl "$?"
elif command -v wget >/dev/null; then
    # Quiet: what it says holds the whole URL, which may hold a password.
    WGETRC=$FILES/wget wget --quiet --input-file="$FILES"/url --output-document="$temp" || failed wget "$?"
else
    echo 'the host has neither curl nor wget: install one by a package task before this one' >&2
    exit 1
fi
if ! has "$temp"; then
    echo "$url gave a file with another checksum: sha256:$(sha256sum <"$temp" | cut -d ' ' -f 1)" >&2
    echo "wanted is sha256:$wanted; $dest is as it was" >&2
    exit 1
fi""")
