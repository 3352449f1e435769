"""Give entries an amount.

With a default, because the release before this one goes on writing entries without one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE")
    op.add_column("entries", sa.Column("cents", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("entries", "cents")
