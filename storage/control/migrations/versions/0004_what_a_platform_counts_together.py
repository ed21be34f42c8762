"""Calls and connections know what the platform counts them together with; connections know whether they have asset groups."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    # Whoever was connected until now is Meta's, where the scope is the installation's app.
    op.add_column("connection", sa.Column("scope", sa.String(length=255), nullable=False, server_default="meta"))
    op.add_column("connection", sa.Column("asset_group_count", sa.Integer(), nullable=True))
    op.add_column("call_ledger", sa.Column("scope", sa.String(length=255), nullable=False, server_default="meta"))
    op.create_index("ix_call_ledger_scope_at", "call_ledger", ["scope", "at"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_call_ledger_scope_at", "call_ledger")
    op.drop_column("call_ledger", "scope")
    op.drop_column("connection", "asset_group_count")
    op.drop_column("connection", "scope")
