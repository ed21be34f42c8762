"""When claims of a connection ended unsettled, and how many workers died in a row while they had it."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("connection", sa.Column("unsettled_at", sa.Text(), nullable=True))
    op.add_column("connection", sa.Column("worker_deaths", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take back."""
    op.drop_column("connection", "worker_deaths")
    op.drop_column("connection", "unsettled_at")
