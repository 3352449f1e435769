"""``deb822_repository`` (also ``apt_repository``): a source of packages, with its key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from provision.resources.base import Content, Diff, Digest, Facts, LocalFile, Preview, Read, Stat, State, Step
from provision.resources.filecontent import desired_file, replace_file
from provision.shell import lines, sh


@dataclass(frozen=True, kw_only=True)
class Deb822Repository:
    """``/etc/apt/sources.list.d/NAME.sources``, and its key in ``/etc/apt/keyrings/NAME.asc``.

    ``signed_by`` is a file with the ASCII-armored public key. A later ``package`` task refreshes apt's index by itself,
    since the source is newer than it. A ``NAME.list`` in the older format is replaced: apt reads no source at all
    where two files name one repository and different keys.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    state: Literal["present", "absent"] = "present"
    types: tuple[Literal["deb", "deb-src"], ...] = ("deb",)
    uris: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    signed_by: LocalFile | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", self.name):
            raise ValueError(f"name {self.name!r} becomes a file name that apt ignores: letters, digits, '-', '_', '.'")
        if self.state == "present" and not (self.types and self.uris and self.suites):
            raise ValueError("a repository needs uris and suites")
        for word in (*self.uris, *self.suites, *self.components, *self.architectures):
            if not word or re.search(r"[\s#]", word):
                raise ValueError(f"{word!r} has a blank or '#' in it; give several as a list")
        if self.signed_by and not self.signed_by.data.startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----"):
            raise ValueError(f"signed_by: {self.signed_by.path} is no ASCII-armored public key (gpg --armor --export)")

    @property
    def _source(self) -> str:
        return "/etc/apt/sources.list.d/" + self.name + ".sources"

    @property
    def _older(self) -> str:
        return "/etc/apt/sources.list.d/" + self.name + ".list"

    @property
    def _key(self) -> str:
        return "/etc/apt/keyrings/" + self.name + ".asc"

    def reads(self) -> Iterable[Read]:
        """Both files, the source's text for a diff, and whether there is an older one."""
        return (
            Stat(self._older),
            Stat(self._source),
            Digest(self._source),
            Content(self._source),
            Stat(self._key),
            Digest(self._key),
        )

    def desired(self, facts: Facts) -> State:
        """Both files, or neither; without ``signed_by`` the key is not ours."""
        if self.state == "absent":
            return {Stat(self._source)["type"]: "absent", Stat(self._key)["type"]: "absent"}
        key = desired_file(self._key, self.signed_by.data) if self.signed_by else {}
        older = {Stat(self._older)["type"]: "absent"}
        return {**key, **older, **desired_file(self._source, self._text().encode())}

    def change(self, diff: Diff) -> list[Step]:
        """The key first: a source that names a missing key makes every ``apt-get update`` fail."""
        if self.state == "absent":
            return [Step(sh("rm -f -- {}", [self._source, self._key]))]
        steps = []
        if self.signed_by:
            # apt before 2.4 does not bring this folder.
            script = lines("install -d -m 0755 /etc/apt/keyrings", replace_file(self._key))
            steps.append(Step(script, files={"content": self.signed_by.data}))
        script = lines(replace_file(self._source), sh("rm -f -- {}", self._older))
        steps.append(Step(script, files={"content": self._text().encode()}))
        return steps

    def preview(self) -> Preview | None:
        """The new text of the source."""
        return Preview(Content(self._source), self._text() if self.state == "present" else "")

    def _text(self) -> str:
        """The source as sources.list(5) wants it."""
        fields = {
            "Types": self.types,
            "URIs": self.uris,
            "Suites": self.suites,
            "Components": self.components,
            "Architectures": self.architectures,
            "Signed-By": (self._key,) if self.signed_by else (),
        }
        return "".join(name + ": " + " ".join(words) + "\n" for name, words in fields.items() if words)
