"""Schedules that somebody paused or changed in Prefect."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "schedule_change",
        sa.Column("deployment", sa.String(length=255), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("deployment"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("schedule_change")
