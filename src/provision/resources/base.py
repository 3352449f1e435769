"""The contract of a kind of resource: typed reads, a desired state, steps that change a difference.

A kind is a frozen dataclass with three pure functions and no I/O. ``reads`` may use only the fields named in
``IDENTITY``: what is read never depends on facts nor on the desired content, so one script can read a whole host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from provision.shell import Sh

Reading = Mapping[str, str]
"""What one read found: property name -> text. All is text, so ``644`` and ``0644`` are made equal in desired()."""


@dataclass(frozen=True)
class Read:
    """One thing to learn from a host. Reads of one type are merged into one command by script.py."""

    def __getitem__(self, name: str) -> Property:
        return Property(self, name)


class Property(NamedTuple):
    """One named value of a read; the keys of a State."""

    read: Read
    name: str


State = Mapping[Property, str]


@dataclass(frozen=True)
class Stat(Read):
    """``type`` (file, directory, link, other, absent), ``mode`` (four octal digits), ``owner``, ``group``, ``target``.

    A link is not followed; ``target`` is where it points, empty for all else.
    """

    path: str


@dataclass(frozen=True)
class Digest(Read):
    """``sha256`` in hex of a regular file; empty for anything else (a FIFO would block sha256sum for ever)."""

    path: str


@dataclass(frozen=True)
class Content(Read):
    """``text`` of a regular file up to 64 KiB in UTF-8, ``readable`` yes or no."""

    path: str


@dataclass(frozen=True)
class Unit(Read):
    """``LoadState``, ``ActiveState``, ``SubState``, ``UnitFileState``, ``NeedDaemonReload``, ``InvocationID``.

    Names and values are those of `systemctl show`, but that a unit which is reloading is active.
    """

    name: str


@dataclass(frozen=True)
class Package(Read):
    """``status`` (installed, half, absent) and ``version`` from dpkg."""

    name: str


@dataclass(frozen=True)
class Account(Read):
    """A line of ``database`` (passwd or group): ``exists`` yes or no, and ``id``.

    Of passwd also ``gid``, ``group`` (that one's name), ``comment``, ``home``, ``shell``, ``groups`` (supplementary
    names, sorted, joined by commas), and ``in GROUP`` = yes for each of all these groups.
    """

    database: str
    name: str


@dataclass(frozen=True)
class Listing(Read):
    """``names`` in a folder, one per line, sorted; empty where there is no such folder."""

    path: str


@dataclass(frozen=True)
class Shell(Read):
    """A script of a kind's own: ``rc``, and each line ``key=value`` it prints as a property. ``timeout`` in seconds.

    It runs as root under a shell of its own and must change nothing.
    """

    script: Sh
    timeout: int = 20


@dataclass(frozen=True)
class Facts:
    """What every survey learns. Variable names are Ansible's; see ``variables``."""

    distribution: str = ""
    distribution_release: str = ""
    distribution_version: str = ""
    os_family: str = ""
    architecture: str = ""
    hostname: str = ""
    processor_vcpus: int = 1
    memtotal_mb: int = 0
    python_version: str = ""
    uid: int = 0

    def variables(self) -> dict[str, Any]:
        """The facts as template variables: ``ansible_distribution``, ``ansible_memtotal_mb``, ..."""
        return {f"ansible_{name}": getattr(self, name) for name in self.__dataclass_fields__}


class Change(NamedTuple):
    """One property that differs."""

    property: Property
    before: str
    after: str


@dataclass(frozen=True)
class Diff:
    """What differs for one resource, with everything observed, for steps that depend on it."""

    changes: tuple[Change, ...]
    observed: Mapping[Read, Reading]
    facts: Facts

    def differs(self, *names: str) -> bool:
        """Does any property of one of these names differ?"""
        return any(change.property.name in names for change in self.changes)

    def before(self, prop: Property) -> str:
        """The observed text of ``prop``, empty where the host had none."""
        return self.observed.get(prop.read, {}).get(prop.name, "")


@dataclass(frozen=True)
class LoginProof:
    """A new login, made as the run made its own, that must get in while the step which waits for it runs.

    See proven.py: the script waits for a file ``"$FILES.login"``, which the new login writes.
    """

    failure: str
    """What it means that none got in; the error begins with it."""
    hint: str
    by_key: bool = False
    """A key alone must have let it in, and no password."""


@dataclass(frozen=True)
class Step:
    """One piece of sh that changes something, run as root as ``sh -eu FILE``.

    It must give the wanted state from *any* earlier one. ``files`` lie beside the script, in the folder ``"$FILES"``,
    0600; they are how content travels (never in the text of the script). ``secret`` keeps the step's output out of
    logs. ``timeout`` in seconds, None for no limit: never limit a step that runs dpkg. ``abort`` is run on the second
    Ctrl-C (stopping a systemctl client does not stop the unit's job). ``login`` is made when the step has begun.
    """

    script: Sh
    title: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    secret: bool = False
    timeout: int | None = None
    abort: Sh | None = None
    login: LoginProof | None = None


@dataclass(frozen=True)
class LocalFile:
    """A field of this type takes a path in YAML; the loader replaces it by the controller's file, read."""

    path: str
    data: bytes


@dataclass(frozen=True)
class Rendered:
    """A field of this type takes a template's name in YAML; the loader replaces it by the rendered text."""

    path: str
    text: str


@dataclass(frozen=True)
class Shared:
    """Work on what several hosts have in common, such as a database: one of them does it, the others are told.

    A kind that has some answers it from ``shared(observed, facts)``, which the contract below does not ask for.
    """

    key: str
    """Equal on all hosts that share it; empty where it is this host's own."""
    host: str
    """Name of the host that does it; empty for the first one in the inventory."""
    done: bool
    """This host has it on record."""
    needs: frozenset[str]
    """The modules whose tasks, of the same role, must have been done before."""
    work: Step
    note: Step
    """Puts on record that another host has done it."""


class Preview(NamedTuple):
    """The text a change would give a file, for ``--diff``. ``read`` is where the old text is."""

    read: Content
    text: str


class Resource(Protocol):
    """What a task declares. See CONTRIBUTING.md, "How to add a module"."""

    IDENTITY: ClassVar[tuple[str, ...]]
    """The fields that ``reads`` uses."""

    def reads(self) -> Iterable[Read]:
        """What to learn from the host, from the identity alone."""
        ...

    def desired(self, facts: Facts) -> State:
        """The wanted text of each property; properties left out are not ours."""
        ...

    def change(self, diff: Diff) -> list[Step]:
        """The steps that bring about what ``diff`` lacks; never empty for a diff that is not."""
        ...


KindT = TypeVar("KindT")


def partial(kind: type[KindT], identity: Mapping[str, Any]) -> KindT:
    """An instance of ``kind`` that has its identity only: enough for ``reads``, an AttributeError for all else.

    This is how a task is read before the facts its other fields need are known.
    """
    instance = object.__new__(kind)
    for name, value in identity.items():
        object.__setattr__(instance, name, value)
    return instance
