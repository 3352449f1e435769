"""``build``: a release with a virtual environment of its own, in a folder that nothing serves from while it is made."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from provision.errors import ConfigError, Refused
from provision.python_versions import DISTRIBUTIONS, INSTALLABLE, accepts
from provision.resources.base import Diff, Facts, Property, Read, Shell, State, Step
from provision.resources.mounts import FileText, mount_points
from provision.resources.programs import program, source
from provision.resources.release import check_name, release_id
from provision.shell import Sh, sh
from provision.source import SourceTree

SYSTEM_PYTHON = "/usr/bin/python3"

_ENTRYPOINT = re.compile(r"\w+(?:\.\w+)*:\w+(?:\(\))?")
_VERSION_IN_PATH = re.compile(r"3\.\d+(?:\.\d+)?")
_CONSTRAINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?\s*(?:[=!<>~]=?|@).*")
_GROUPED = ("uv-lock", "poetry-lock", "pyproject")
"""The sources that know dependency groups."""
_LOCKED = ("uv-lock", "poetry-lock")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What goes into a build; equal recipes have equal builds."""

    name: str
    """The app's name."""
    src: SourceTree
    entrypoint: str
    """``package.module:variable``, or ``package.module:factory()``."""
    lock: Literal["locked", "frozen"] = "locked"
    """uv.lock must fit pyproject.toml (locked), or is used as it is (frozen); of other sources it says nothing."""
    groups: tuple[str, ...] = ()
    """Dependency groups to install beside the project's dependencies."""
    extras: tuple[str, ...] = ()
    """Extras of the project to install."""
    constraints: tuple[str, ...] = ()
    """Versions that may be installed (``pydantic<2``), or files of the app that say them."""
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
        self._check_options()
        self._check_python_version()

    def _check_python_version(self) -> None:
        """Refuse what no host can have, or what another Python than the distribution's is not. Raises ConfigError."""
        if not self.python.startswith("/"):
            raise ValueError(f"python is the path of an interpreter, not {self.python!r}; python_version installs one")
        wanted = self.src.dependencies.requires_python
        given = _VERSION_IN_PATH.findall(self.python)
        if self.python == SYSTEM_PYTHON and not any(accepts(wanted, version) for version in DISTRIBUTIONS.values()):
            installable = any(accepts(wanted, version) for version in INSTALLABLE)
            raise ConfigError(
                f"the app needs Python {wanted}, which no distribution has{'' if installable else ', nor uv'}",
                hint="python_version installs another one" if installable else "correct requires-python",
            )
        if given and not accepts(wanted, given[-1]):
            raise ConfigError(
                f"the app needs Python {wanted}, and {self.python} is not one", hint="see python_version and app_python"
            )

    def _check_options(self) -> None:
        source = self.src.dependencies.source
        if self.constraints and source in _LOCKED:
            raise ValueError(f"constraints say nothing where {source.replace('-', '.')} decides the versions")
        if self.groups and source not in _GROUPED:
            raise ValueError(f"groups are of pyproject.toml, and this app is installed from {self._file}")
        if self.extras and source == "requirements":
            raise ValueError(f"extras are of pyproject.toml, and this app is installed from {self._file}")
        _ = self.requirements, self.constraints_text

    @property
    def _file(self) -> str:
        return self.src.dependencies.wheel or "requirements.txt"

    @property
    def dependencies(self) -> str:
        """How build.sh installs the dependencies. Raises ConfigError where the project does not say which."""
        source = self.src.dependencies.source
        return f"uv-{self.lock}" if source == "uv-lock" else source

    @property
    def requirements(self) -> str:
        """What uv installs where the source is none that it reads by itself. Raises ConfigError."""
        found = self.src.dependencies
        if found.source == "wheel":
            extras = f"[{','.join(self.extras)}]" if self.extras else ""
            return f"{self.src.project.folder_name}{extras} @ ./{found.wheel}\n"
        return found.requirements(self.groups, self.extras)

    @property
    def constraints_text(self) -> str:
        """The constraints as one file of them. Raises ValueError for a file that the app does not have."""
        return "".join(self._constraint(line).rstrip("\n") + "\n" for line in self.constraints)

    def _constraint(self, line: str) -> str:
        here = self.src.content.below(self.src.folder)
        if line in here:
            return here.text(line)
        if not _CONSTRAINT.fullmatch(line):
            raise ValueError(f"constraints: {line!r} is neither a constraint such as pydantic<2 nor a file of the app")
        return line

    @property
    def mount_points(self) -> tuple[str, ...]:
        """What a deployment lays something over, so that it must exist in the tree. Raises ValueError."""
        return mount_points(self.src, self.writable, self.files)

    def build_id(self, facts: Facts) -> str:
        """The build's folder. Of the host it depends only on what stays the same before and after a first run."""
        host = [facts.distribution, facts.distribution_release, facts.architecture]
        options = [self.entrypoint, self.dependencies, self.groups, self.extras, self.python, self.run_command]
        options += [self.mount_points, self.src.folder, self.requirements, self.constraints_text]
        return hashlib.sha256(json.dumps([self.src.digest, options, host]).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Build(Recipe):
    """``/srv/NAME/builds/ID``: ``app``, a copy of the release with its bytecode, and ``.venv``."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    uv: str
    """The path of uv on the host."""
    index_url: str = ""
    """A package index other than PyPI; a login in it counts as the two fields below."""
    index_username: str = ""
    """The login for that index."""
    index_password: str = ""
    """Its password or token; used while the build is made, and kept nowhere."""
    ca_bundle: str = "/etc/ssl/certs/ca-certificates.crt"
    """Certificate authorities on the host that uv trusts; empty for the list that uv brings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("index_url", "index_username", "index_password"):
            if re.search(r"[\0-\x1f]", getattr(self, name)):
                raise ValueError(f"{name} holds a line break or another control character")
        if self.index_password and not urlsplit(self.index_url).hostname:
            raise ValueError("index_password is for index_url, which is not given")

    def confidential(self) -> list[str]:
        """The password of the index."""
        found = urlsplit(self.index_url).password or ""
        return [text for text in (self.index_password, found, unquote(found)) if text]

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
        found = self.src.dependencies
        options = [*(f"--group={name}" for name in self.groups), *(f"--extra={name}" for name in self.extras)]
        url, netrc = self._index()
        script = program(
            "state.sh",
            "build.sh",
            NAME=self.name,
            RELEASE=release_id(self.src),
            BUILD=self.build_id(diff.facts),
            ENTRYPOINT=self.entrypoint,
            WORK=self.src.folder,
            DEPENDENCIES=self.dependencies,
            FOLDER=found.folder,
            UV_OPTIONS=options if found.source in _GROUPED else [],
            UV=self.uv,
            PYTHON=self.python,
            RUN_COMMAND=self.run_command,
            CA_BUNDLE=self.ca_bundle,
            INDEX_URL=url,
        )
        texts = {
            "mounts": "".join(f"{line}\n" for line in self.mount_points),
            "requirements.txt": self.requirements,
            "constraints.txt": self.constraints_text,
            "netrc": netrc,
        }
        files = {"bytecode.py": source("bytecode.py")} | {name: text.encode() for name, text in texts.items()}
        return [Step(script, title=f"build {self.build_id(diff.facts)}", files=files)]

    def _index(self) -> tuple[str, str]:
        """The index's URL without a login, and the login as a netrc, which uv looks into for every URL of that host."""
        parts = urlsplit(self.index_url)
        login = self.index_username or unquote(parts.username or "")
        password = self.index_password or unquote(parts.password or "")
        if not (login or password):
            return self.index_url, ""
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        login, password = (re.sub(r'["\\]', r"\\\g<0>", word) for word in (login or "__token__", password))
        return url, f'machine {parts.hostname}\nlogin "{login}"\npassword "{password}"\n'

    def _check_python(self, facts: Facts) -> None:
        version = DISTRIBUTIONS.get(facts.distribution_release, facts.python_version)
        wanted = self.src.dependencies.requires_python
        if self.python == SYSTEM_PYTHON and version and not accepts(wanted, version):
            raise Refused(
                f"{self.name} needs Python {wanted}; {facts.distribution} {facts.distribution_release} has {version}",
                hint="python_version installs another one",
            )
