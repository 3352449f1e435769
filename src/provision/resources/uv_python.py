"""``uv_python``: a CPython beside the distribution's, installed by uv where the app's user can run it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.filecontent import check_path
from provision.resources.programs import program
from provision.shell import sh


@dataclass(frozen=True, kw_only=True)
class UvPython:
    """``PATH/VERSION/bin/python3``, owned by root; without a version nothing is wanted, and nothing removed."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("path",)
    BESIDE_APT: ClassVar[bool] = True
    """Neither changes what apt installs, nor what a package finds when it is installed."""

    uv: str
    """The path of uv on the host."""
    version: str = ""
    """A minor version (``3.12``), of which the newest patch version is installed once, or a patch version."""
    path: str = "/opt/provision/pythons"
    """The folder of all of them."""
    downloads_url: str = ""
    """A mirror of python-build-standalone's releases, or a list of downloads that ends in ``.json``."""
    ca_bundle: str = "/etc/ssl/certs/ca-certificates.crt"
    """Certificate authorities on the host that uv trusts; empty for the list that uv brings."""

    def __post_init__(self) -> None:
        check_path("path", self.path)
        if not re.fullmatch(r"(?:3\.\d+(?:\.\d+)?)?", self.version):
            raise ValueError(f"version is one of CPython's such as 3.12 or 3.12.4, not {self.version!r}")

    def reads(self) -> Iterable[Read]:
        """Which versions are there."""
        return [self._read]

    @property
    def _read(self) -> Shell:
        found = sh("cd {} 2>/dev/null || exit 0\nfor python in */bin/python3; do\n", self.path)
        return Shell(sh('{}[ ! -x "$python" ] || echo "${{python%%/*}}=installed"\ndone', found))

    def desired(self, facts: Facts) -> State:
        """The version is there; it gets its name when it is complete."""
        return {self._read[self.version]: "installed"} if self.version else {}

    def change(self, diff: Diff) -> list[Step]:
        """Download and unpack it."""
        script = program(
            "python.sh",
            VERSION=self.version,
            PYTHONS=self.path,
            UV=self.uv,
            CA_BUNDLE=self.ca_bundle,
            DOWNLOADS_URL=self.downloads_url,
        )
        return [Step(script, title=f"install Python {self.version}")]
