"""The parts in which the numbers of large accounts' days are read."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "day_part",
        sa.Column("connection_id", sa.String(length=255), sa.ForeignKey("connection.id"), primary_key=True),
        sa.Column("day", sa.String(length=255), primary_key=True),
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("campaigns", sa.Text(), nullable=False),
        sa.Column("is_others", sa.Boolean(), nullable=False),
        sa.Column("leaf_calls", sa.Integer(), nullable=False),
        sa.Column("total_calls", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("day_part")
