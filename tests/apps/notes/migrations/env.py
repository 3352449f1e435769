import logging

from alembic import context

from notes.database import Base, engine

logging.basicConfig(level=logging.INFO, format="%(message)s")

with engine.connect() as connection:
    # Batch mode: SQLite alters a table by copying it.
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
