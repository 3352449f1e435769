"""``build``: a release with a virtual environment of its own, in a folder that nothing serves from while it is made."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.errors import Refused
from provision.resources.base import Diff, Facts, Property, Read, Shell, State, Step
from provision.resources.mounts import FileText, mount_points
from provision.resources.programs import program, source
from provision.resources.release import check_name, release_id
from provision.shell import Sh, sh
from provision.source import SourceTree

SYSTEM_PYTHON = "/usr/bin/python3"

_PYTHONS: Mapping[str, str] = {
    "bookworm": "3.11",
    "trixie": "3.13",
    "jammy": "3.10",
    "noble": "3.12",
}
"""The minor version of python3 by VERSION_CODENAME: the host may have none installed yet."""

_ENTRYPOINT = re.compile(r"\w+(?:\.\w+)*:\w+(?:\(\))?")
_CLAUSE = re.compile(r"\s*(~=|===?|!=|<=?|>=?)\s*(\d+)(?:\.(\d+))?(?:\.(\d+|\*))?\s*")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What goes into a build; equal recipes have equal builds."""

    name: str
    """The app's name."""
    src: SourceTree
    entrypoint: str
    """``package.module:variable``, or ``package.module:factory()``."""
    lock: Literal["locked", "frozen"] = "locked"
    """uv.lock must fit pyproject.toml (locked), or is used as it is (frozen)."""
    groups: tuple[str, ...] = ()
    """Dependency groups to install beside the project's dependencies."""
    extras: tuple[str, ...] = ()
    """Extras of the project to install."""
    python: str = SYSTEM_PYTHON
    """The interpreter's path on the host."""
    run_command: str = ""
    """A program of the venv and its words, in place of ``fastapi run``; it must take --host, --port and --workers."""
    writable: tuple[str, ...] = ()
    """Paths below the app's folder that it writes to; with a slash at the end a folder."""
    files: Mapping[str, FileText] = field(default_factory=dict)
    """Files in the app's folder that are no part of its source, such as settings with secrets."""

    def __post_init__(self) -> None:
        check_name(self.name)
        if not _ENTRYPOINT.fullmatch(self.entrypoint):
            raise ValueError(f"entrypoint is package.module:variable, not {self.entrypoint!r}")
        # What these raise should be known before anything is sent.
        _ = self.dependencies, self.mount_points
        wanted = self.src.project.requires_python
        if self.python == SYSTEM_PYTHON and not any(accepts(wanted, version) for version in _PYTHONS.values()):
            have = ", ".join(f"{release} {version}" for release, version in _PYTHONS.items())
            raise ValueError(f"src needs Python {wanted}, and the distributions have {have}")

    @property
    def dependencies(self) -> str:
        """How build.sh installs the dependencies. Raises ConfigError where the project does not say which."""
        source = self.src.project.dependency_source
        return f"uv-{self.lock}" if source == "uv-lock" else source

    @property
    def mount_points(self) -> tuple[str, ...]:
        """What a deployment lays something over, so that it must exist in the tree. Raises ValueError."""
        return mount_points(self.src, self.writable, self.files)

    def build_id(self, facts: Facts) -> str:
        """The build's folder. Of the host it depends only on what stays the same before and after a first run."""
        host = [facts.distribution, facts.distribution_release, facts.architecture]
        options = [self.entrypoint, self.dependencies, self.groups, self.extras, self.python, self.run_command]
        options += [self.mount_points]
        return hashlib.sha256(json.dumps([self.src.digest, options, host]).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Build(Recipe):
    """``/srv/NAME/builds/ID``: ``app``, a copy of the release with its bytecode, and ``.venv``."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    uv: str
    """The path of uv on the host."""
    index_url: str = ""
    """A package index other than PyPI."""
    ca_bundle: str = "/etc/ssl/certs/ca-certificates.crt"
    """Certificate authorities on the host that uv trusts; empty for the list that uv brings."""

    def reads(self) -> Iterable[Read]:
        """Which builds are complete."""
        return [self._read]

    @property
    def _read(self) -> Shell:
        marker = sh("cd /srv/{}/builds 2>/dev/null || exit 0\nfor marker in */.complete; do\n", self.name)
        return Shell(Sh(marker + '[ ! -e "$marker" ] || echo "${marker%/*}=complete"\ndone'))

    def desired(self, facts: Facts) -> State:
        """The build is complete."""
        return {Property(self._read, self.build_id(facts)): "complete"}

    def change(self, diff: Diff) -> list[Step]:
        """Make it. Raises Refused where the host's Python is not one the project accepts."""
        self._check_python(diff.facts)
        options = [*(f"--group={name}" for name in self.groups), *(f"--extra={name}" for name in self.extras)]
        script = program(
            "state.sh",
            "build.sh",
            NAME=self.name,
            RELEASE=release_id(self.src),
            BUILD=self.build_id(diff.facts),
            ENTRYPOINT=self.entrypoint,
            DEPENDENCIES=self.dependencies,
            UV_OPTIONS=options,
            UV=self.uv,
            PYTHON=self.python,
            RUN_COMMAND=self.run_command,
            CA_BUNDLE=self.ca_bundle,
            INDEX_URL=self.index_url,
        )
        mounts = "".join(f"{line}\n" for line in self.mount_points)
        files = {"bytecode.py": source("bytecode.py"), "mounts": mounts.encode()}
        return [Step(script, title=f"build {self.build_id(diff.facts)}", files=files)]

    def _check_python(self, facts: Facts) -> None:
        version = _PYTHONS.get(facts.distribution_release, facts.python_version)
        wanted = self.src.project.requires_python
        if self.python == SYSTEM_PYTHON and version and not accepts(wanted, version):
            raise Refused(
                f"{self.name} needs Python {wanted}; {facts.distribution} {facts.distribution_release} has {version}",
                hint="use a distribution with a Python it accepts, or correct requires-python",
            )


def accepts(requires: str, version: str) -> bool:
    """Does ``requires`` (a version specifier) allow some release of ``version`` (``3.11``)? What it cannot read, yes.

    >>> accepts(">=3.11,<3.13", "3.11"), accepts(">=3.12", "3.11")
    (True, False)
    """
    have = tuple(int(part) for part in version.split(".")[:2])
    return all(_allows(clause, have) for clause in requires.split(",")) if len(have) == 2 else True


def _allows(clause: str, have: tuple[int, ...]) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        return True
    operator, major, minor, patch = found.groups()
    if minor is None:
        have = have[:1]
    limit = (int(major),) if minor is None else (int(major), int(minor))
    match operator:
        case ">=":
            return have >= limit
        case ">":
            return have > limit if minor is None else have >= limit
        case "<=":
            return have <= limit
        case "<":
            return have <= limit if patch not in (None, "0") else have < limit
        case "!=":
            return patch != "*" or have != limit
        case "~=":
            return have[0] == limit[0] and have >= limit and (patch is None or have == limit)
        case _:
            return have == limit
