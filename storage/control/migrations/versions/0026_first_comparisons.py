"""Connections that were notified of remainders were compared before: their next comparison is not their first."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_NOTICES = sa.table("remainder_notice", sa.column("connection_id", sa.String), sa.column("day", sa.String))


def upgrade() -> None:
    """Apply."""
    compared = sa.select(_NOTICES.c.connection_id, sa.literal("")).distinct()
    op.execute(_NOTICES.insert().from_select(["connection_id", "day"], compared))


def downgrade() -> None:
    """Take back."""
    op.execute(_NOTICES.delete().where(_NOTICES.c.day == ""))
