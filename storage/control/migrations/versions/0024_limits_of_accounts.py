"""What limits an account's calls: the access of its app, and its own number of calls an hour."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("connection", sa.Column("full_access", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("connection", sa.Column("calls_per_hour", sa.Integer(), nullable=True))
    op.create_index("ix_connection_account", "connection", ["provider", "external_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_connection_account", table_name="connection")
    op.drop_column("connection", "calls_per_hour")
    op.drop_column("connection", "full_access")
