"""An app of several hosts: its database counts the migrations to each release, whatever kind of database it is."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI, HTTPException
from sqlalchemy import create_engine, text

VERSION = 1
app = FastAPI(title="tally")
engine = create_engine(
    os.environ.get("DATABASE_URL") or f"sqlite:///{Path(os.environ.get('STATE_DIRECTORY', '.'), 'tally.db')}",
    pool_pre_ping=True,
)


@app.get("/health")
def health() -> dict[str, str]:
    """Whether the database can be read; it is told by its environment to fail."""
    if os.environ.get("BROKEN"):
        raise HTTPException(503, "told to be broken")
    return {"database": engine.dialect.name, "migrations": ",".join(map(str, migrations()))}


@app.get("/version")
def version() -> dict[str, int]:
    """Which one answers; needs no database."""
    return {"version": VERSION}


def migrations() -> list[int]:
    """The release that each migration led to."""
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT version FROM migrations ORDER BY version")))
