import logging

from alembic import context
from sqlalchemy import text

from ledger.database import Base, engine

logging.basicConfig(level=logging.INFO, format="%(message)s")

LOCK = 20141

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        # Of two runs at once one waits; and none waits long for a table that the app uses, since all others would then
        # queue behind it.
        connection.execute(text("SET LOCAL lock_timeout = '3s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()
