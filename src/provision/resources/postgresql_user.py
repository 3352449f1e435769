"""``postgresql_user``: a role of a PostgreSQL server that may log in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.resources.base import Diff, Facts, Read, State, Step
from provision.resources.fields import option
from provision.resources.postgresql_password import AnyVerifierOf, check_password, new_verifier
from provision.resources.postgresql_server import (
    HBA_WORDS,
    check_name,
    check_port,
    identifier,
    key,
    run_sql,
    server,
    unless_exists,
)

_FLAGS = ("SUPERUSER", "CREATEROLE", "CREATEDB", "INHERIT", "LOGIN", "REPLICATION", "BYPASSRLS")


@dataclass(frozen=True, kw_only=True)
class PostgresqlUser:
    """A role of the PostgreSQL server on this host, with LOGIN unless ``role_attr_flags`` says NOLOGIN.

    ``role_attr_flags`` are attributes with commas between, ``CREATEDB,NOSUPERUSER``; those not named stay as they are.
    A role without ``password`` logs in over the socket only, as the system's user of the same name. The server gets a
    SCRAM verifier, never the password itself. ``state: absent`` fails for a role that still owns something.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("login_port",)

    name: str = field(metadata=option(aliases=("user",)))
    password: str | None = field(default=None, metadata=option(no_log=True))
    role_attr_flags: str = ""
    conn_limit: int | None = None
    state: Literal["present", "absent"] = "present"
    login_port: int = field(default=5432, metadata=option(aliases=("port",)))

    def __post_init__(self) -> None:
        check_name("name", self.name)
        if self.name.startswith("pg_") or self.name in {"public", "none", *HBA_WORDS}:
            raise ValueError(f"name {self.name} is one of PostgreSQL's own")
        if self.password is not None:
            check_password("password", self.password)
        for flag in self._flags:
            if flag.removeprefix("NO") not in _FLAGS:
                raise ValueError(f"role_attr_flags has {flag!r}, none of {', '.join(_FLAGS)} and the same after NO")
        check_port(self.login_port)

    @property
    def _flags(self) -> tuple[str, ...]:
        given = tuple(flag.strip().upper() for flag in self.role_attr_flags.split(",") if flag.strip())
        return given if "NOLOGIN" in given or "LOGIN" in given else ("LOGIN", *given)

    def reads(self) -> Iterable[Read]:
        """All that the server has."""
        return (server(self.login_port),)

    def desired(self, facts: Facts) -> State:
        """That it is there, with what is given."""
        read = server(self.login_port)
        if self.state == "absent":
            return {read[key("role", self.name)]: ""}
        wanted = {read[key("role", self.name)]: "yes"}
        for flag in self._flags:
            wanted[read[key("role", self.name, flag.removeprefix("NO"))]] = "" if flag.startswith("NO") else "yes"
        if self.conn_limit is not None:
            wanted[read[key("role", self.name, "connection limit")]] = str(self.conn_limit)
        if self.password is not None:
            wanted[read[key("role", self.name, "password")]] = AnyVerifierOf(self.password)
        return wanted

    def change(self, diff: Diff) -> list[Step]:
        """One step."""
        role = identifier(self.name)
        if self.state == "absent":
            return [run_sql(self.login_port, [f"DROP ROLE IF EXISTS {role};"])]
        words = [*self._flags]
        if self.conn_limit is not None:
            words.append(f"CONNECTION LIMIT {self.conn_limit}")
        if self.password is not None:
            words.append(f"PASSWORD '{new_verifier(self.password)}'")
        create = unless_exists(f"CREATE ROLE {role}", "pg_roles", "rolname", self.name)
        return [run_sql(self.login_port, [create, f"ALTER ROLE {role} WITH {' '.join(words)};"])]
