"""Note in the database that it has been migrated to this release, and by which host."""

from __future__ import annotations

import socket
import time

from main import VERSION, engine
from sqlalchemy import text

with engine.begin() as connection:
    connection.execute(text("CREATE TABLE IF NOT EXISTS migrations (version INTEGER NOT NULL, host TEXT NOT NULL)"))
with engine.begin() as connection:
    row = {"version": VERSION, "host": socket.gethostname()}
    connection.execute(text("INSERT INTO migrations VALUES (:version, :host)"), row)
time.sleep(1)  # Long enough that two runs at once would meet in it.
