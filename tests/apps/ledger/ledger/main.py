"""The API."""

import logging

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from ledger import __version__
from ledger.database import DatabaseSession, Entry

app = FastAPI(title="Ledger", version=__version__)

logger = logging.getLogger("uvicorn.error")

CONNECTION = """
SELECT current_user, current_database(), host(inet_server_addr()), ssl
FROM pg_stat_ssl WHERE pid = pg_backend_pid()
"""


class NewEntry(BaseModel):
    text: str
    cents: int


class StoredEntry(NewEntry):
    model_config = ConfigDict(from_attributes=True)

    id: int


@app.get("/entries")
def list_entries(session: DatabaseSession) -> list[StoredEntry]:
    return [StoredEntry.model_validate(entry) for entry in session.scalars(select(Entry).order_by(Entry.id))]


@app.post("/entries", status_code=201)
def add_entry(new: NewEntry, session: DatabaseSession) -> StoredEntry:
    entry = Entry(text=new.text, cents=new.cents)
    session.add(entry)
    session.commit()
    return StoredEntry.model_validate(entry)


@app.get("/health")
def check_health(session: DatabaseSession) -> dict[str, int]:
    """Healthy means that the table can be read."""
    try:
        return {"cents": session.scalar(select(func.sum(Entry.cents))) or 0}
    except SQLAlchemyError as error:
        logger.error("cannot read the entries: %s", error)
        raise HTTPException(503, f"cannot read the entries: {type(error).__name__}") from error


@app.get("/connection")
def show_connection(session: DatabaseSession) -> dict[str, str | bool | None]:
    """As whom, where, and whether with TLS."""
    user, database, address, ssl = session.execute(text(CONNECTION)).one()
    return {"user": user, "database": database, "address": address, "ssl": ssl}


@app.get("/version")
def show_version() -> dict[str, str]:
    """Needs no database."""
    return {"version": __version__}
