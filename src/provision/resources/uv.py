"""``uv``: the program that builds virtual environments, pinned by version and by digest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Facts, Read, Stat, State, Step
from provision.resources.filecontent import check_path
from provision.resources.programs import program


@dataclass(frozen=True, kw_only=True)
class Uv:
    """``PATH/bin/uv``, from uv's wheel on the Python package index; it needs the package ``python3-pip-whl``."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("path",)
    BESIDE_APT: ClassVar[bool] = True
    """Neither changes what apt installs, nor what a package finds when it is installed."""

    path: str
    """A folder for this version alone."""
    version: str
    hashes: tuple[str, ...]
    """Digests of the wheels of this version, one for each architecture, as pip writes them: ``sha256:...``."""

    def __post_init__(self) -> None:
        check_path("path", self.path)
        if not re.fullmatch(r"[0-9][0-9A-Za-z.+-]*", self.version):
            raise ValueError(f"version is one of uv's such as 0.13.9, not {self.version!r}")
        if not self.hashes:
            raise ValueError("hashes lists no digest: what is downloaded could not be checked")
        for digest in self.hashes:
            if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
                raise ValueError(f"hashes: {digest!r} is no sha256: and 64 hex digits")

    @property
    def _program(self) -> Stat:
        return Stat(f"{self.path}/bin/uv")

    def reads(self) -> Iterable[Read]:
        """Whether the program is there: its folder comes last, and holds one version."""
        return (self._program,)

    def desired(self, facts: Facts) -> State:
        """A file."""
        return {self._program["type"]: "file"}

    def change(self, diff: Diff) -> list[Step]:
        """Download and unpack it."""
        script = program("uv.sh", VERSION=self.version, HASHES=self.hashes, UV=self.path)
        return [Step(script, title=f"install uv {self.version}")]
