"""Consecutive days that were read are one row: years of history stay few."""

from datetime import date, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_KEYS = ("connection_id", "kind", "day")


def upgrade() -> None:
    """Apply. Rows of single days become ranges when their connection is synced next."""
    op.add_column("partition_state", sa.Column("days", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("partition_state", sa.Column("last_read_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back: each day is a row again, as old as the earliest read of its range."""
    names = (*_KEYS, "days", "fetched_at", "due")
    table = sa.table("partition_state", *(sa.column(name) for name in names))
    connection = op.get_bind()
    for row in connection.execute(sa.select(table).where(table.c.days > 1)).all():
        first = date.fromisoformat(row.day)
        rest = [(first + timedelta(days=n)).isoformat() for n in range(1, row.days)]
        same = {"connection_id": row.connection_id, "kind": row.kind, "fetched_at": row.fetched_at, "due": row.due}
        connection.execute(sa.insert(table), [{**same, "day": day, "days": 1} for day in rest])
    op.drop_column("partition_state", "last_read_at")
    op.drop_column("partition_state", "days")
