"""Which home folder has the warehouse of a workspace."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("workspace", sa.Column("home_id", sa.String(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("workspace", "home_id")
