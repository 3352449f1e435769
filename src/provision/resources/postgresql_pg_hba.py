"""``postgresql_pg_hba``: who may log in to which database of a PostgreSQL server, from where, and how."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.resources.base import Diff, Facts, Read, State, Step
from provision.resources.blockinfile import BlockInFile
from provision.resources.fields import option
from provision.resources.filecontent import check_path
from provision.resources.postgresql_server import HBA_WORDS, check_name

_ADDRESS_WORDS = ("all", "samehost", "samenet")


@dataclass(frozen=True, kw_only=True)
class PostgresqlPgHba:
    """Lines at the top of the pg_hba.conf ``dest``, where they count before all others; the server must reload it.

    One line for each ``address``: a network, one address, or a word such as samenet. ``contype: local`` takes none, and
    with any other an empty list removes the lines. A task with other ``contype``, ``databases`` or ``users`` has lines
    of its own.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("dest", "contype", "databases", "users", "address", "method", "state")

    dest: str
    contype: Literal["local", "host", "hostssl", "hostnossl"]
    databases: tuple[str, ...] = ("all",)
    users: tuple[str, ...] = ("all",)
    address: tuple[str, ...] = field(default=(), metadata=option(aliases=("source", "src")))
    method: Literal["cert", "md5", "peer", "reject", "scram-sha-256", "trust"] = "scram-sha-256"
    state: Literal["present", "absent"] = "present"

    def __post_init__(self) -> None:
        check_path("dest", self.dest)
        for name in ("databases", "users"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty")
            for word in getattr(self, name):
                check_name(name, word)
        if self.contype == "local" and self.address:
            raise ValueError("address does not go with contype: local, which is the socket")
        if self.method == "peer" and self.contype != "local":
            raise ValueError("method peer goes with contype: local only, which is the socket")
        for address in self.address:
            _network(address)

    def reads(self) -> Iterable[Read]:
        """Whether the lines are there."""
        return self._block.reads()

    def desired(self, facts: Facts) -> State:
        """That they are."""
        return self._block.desired(facts)

    def change(self, diff: Diff) -> list[Step]:
        """One step: write beside the file, rename."""
        return self._block.change(diff)

    @property
    def _block(self) -> BlockInFile:
        who = f"{self.contype} {_words(self.databases)} {_words(self.users)}"
        places = [""] if self.contype == "local" else [f"{_network(address)} " for address in self.address]
        return BlockInFile(
            path=self.dest,
            state=self.state,
            marker=f"# {{mark}} provision: {who}",
            block="".join(f"{who} {place}{self.method}\n" for place in places),
            insertbefore="BOF",
        )


def _words(names: Iterable[str]) -> str:
    """Names in pg_hba.conf: quoted, so that they mean themselves, but for its own words."""
    return ",".join(name if name in HBA_WORDS else '"' + name.replace('"', '""') + '"' for name in names)


def _network(address: str) -> str:
    """As pg_hba.conf wants it, which has no single addresses. Raises ValueError."""
    if address in _ADDRESS_WORDS:
        return address
    try:
        return str(ipaddress.ip_network(address, strict=False))
    except ValueError as error:
        raise ValueError(f"address {address!r} is no network such as 10.0.0.0/24, and no address") from error
