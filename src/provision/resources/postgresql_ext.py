"""``postgresql_ext``: an extension in a database of a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.resources.base import Diff, Facts, Read, State, Step
from provision.resources.fields import option
from provision.resources.postgresql_server import check_name, check_port, extensions, identifier, key, run_sql


@dataclass(frozen=True, kw_only=True)
class PostgresqlExt:
    """An extension in the database ``login_db``; its package is a task of its own, before this one.

    It is made by the superuser, so it may be one that the database's owner could not create. An extension that is
    there keeps its version.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("login_db", "login_port")

    name: str = field(metadata=option(aliases=("ext",)))
    login_db: str = field(metadata=option(aliases=("db",)))
    state: Literal["present", "absent"] = "present"
    login_port: int = field(default=5432, metadata=option(aliases=("port",)))

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_name("login_db", self.login_db)
        check_port(self.login_port)

    def reads(self) -> Iterable[Read]:
        """The extensions of the database."""
        return (extensions(self.login_port, self.login_db),)

    def desired(self, facts: Facts) -> State:
        """That it is there, or is not."""
        prop = extensions(self.login_port, self.login_db)[key("extension", self.name)]
        return {prop: "yes" if self.state == "present" else ""}

    def change(self, diff: Diff) -> list[Step]:
        """One step."""
        if self.state == "present":
            statement = f"CREATE EXTENSION IF NOT EXISTS {identifier(self.name)};"
        else:
            statement = f"DROP EXTENSION IF EXISTS {identifier(self.name)};"
        return [run_sql(self.login_port, [statement], self.login_db)]
