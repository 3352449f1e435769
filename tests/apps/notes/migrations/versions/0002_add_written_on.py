"""Remember when a note was written.

Nullable, because the release before this one goes on writing notes while this migration runs and does not know the
column.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("notes") as notes:
        notes.add_column(sa.Column("written_on", sa.Date, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("notes") as notes:
        notes.drop_column("written_on")
