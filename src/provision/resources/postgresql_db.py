"""``postgresql_db``: a database of a PostgreSQL server."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.errors import Refused
from provision.resources.base import Diff, Facts, Read, State, Step
from provision.resources.fields import option
from provision.resources.postgresql_server import (
    HBA_WORDS,
    check_name,
    check_port,
    identifier,
    key,
    literal,
    run_sql,
    server,
    unless_exists,
)


@dataclass(frozen=True, kw_only=True)
class PostgresqlDb:
    """A database of the PostgreSQL server on this host.

    ``encoding`` can be given to a new one only; of an existing one another is refused. ``template``, ``lc_collate`` and
    ``lc_ctype`` count when it is made. ``state: absent`` drops it with all that is in it, and fails while somebody is
    connected. Backups are yours to make, by a cron task that runs pg_dump.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("login_port",)

    name: str = field(metadata=option(aliases=("db",)))
    owner: str | None = None
    encoding: str | None = None
    template: str | None = None
    lc_collate: str | None = None
    lc_ctype: str | None = None
    state: Literal["present", "absent"] = "present"
    login_port: int = field(default=5432, metadata=option(aliases=("port",)))

    def __post_init__(self) -> None:
        for name in ("name", "owner", "template"):
            if (value := getattr(self, name)) is not None:
                check_name(name, value)
        if self.name in HBA_WORDS:
            raise ValueError(f"name {self.name} is a word of pg_hba.conf")
        if self.encoding is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", self.encoding):
            raise ValueError(f"encoding {self.encoding!r} is none, such as UTF8")
        if self.state == "absent" and self.name in ("postgres", "template0", "template1"):
            raise ValueError(f"name {self.name} is one of PostgreSQL's own: it cannot be dropped")
        check_port(self.login_port)

    def reads(self) -> Iterable[Read]:
        """All that the server has."""
        return (server(self.login_port),)

    def desired(self, facts: Facts) -> State:
        """That it is there, with what is given."""
        read = server(self.login_port)
        if self.state == "absent":
            return {read[key("database", self.name)]: ""}
        wanted = {
            read[key("database", self.name)]: "yes",
            read[key("database", self.name, "owner")]: self.owner,
            read[key("database", self.name, "encoding")]: self._encoding,
        }
        return {prop: value for prop, value in wanted.items() if value is not None}

    @property
    def _encoding(self) -> str | None:
        """As the server spells it."""
        return None if self.encoding is None else self.encoding.upper().replace("UTF-8", "UTF8")

    def change(self, diff: Diff) -> list[Step]:
        """One step. Raises Refused for another encoding than it has."""
        database = identifier(self.name)
        if self.state == "absent":
            return [run_sql(self.login_port, [f"DROP DATABASE IF EXISTS {database};"])]
        has = diff.before(server(self.login_port)[key("database", self.name, "encoding")])
        if has and self._encoding not in (None, has):
            raise Refused(
                f"the database {self.name} has the encoding {has}, not {self._encoding}, and keeps it for ever",
                hint=f"leave encoding at {has}, or dump it with pg_dump and restore it into a new one",
            )
        create = unless_exists(f"CREATE DATABASE {database}{self._options}", "pg_database", "datname", self.name)
        owner = [f"ALTER DATABASE {database} OWNER TO {identifier(self.owner)};"] if self.owner is not None else []
        return [run_sql(self.login_port, [create, *owner])]

    @property
    def _options(self) -> str:
        given = {
            "OWNER": self.owner and identifier(self.owner),
            "TEMPLATE": self.template and identifier(self.template),
            "ENCODING": self._encoding and literal(self._encoding),
            "LC_COLLATE": self.lc_collate and literal(self.lc_collate),
            "LC_CTYPE": self.lc_ctype and literal(self.lc_ctype),
        }
        return "".join(f" {word} {value}" for word, value in given.items() if value)
