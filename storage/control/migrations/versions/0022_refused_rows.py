"""Rows that were refused, and the campaigns that a hole is about."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "refused_row",
        sa.Column("connection_id", sa.String(length=255), sa.ForeignKey("connection.id"), primary_key=True),
        sa.Column("kind", sa.String(length=255), primary_key=True),
        sa.Column("day", sa.String(length=255), primary_key=True),
        sa.Column("level", sa.String(length=255), primary_key=True),
        sa.Column("external_id", sa.String(length=255), primary_key=True),
        sa.Column("campaign_id", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.add_column("hole", sa.Column("campaigns", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """Take back."""
    op.drop_column("hole", "campaigns")
    op.drop_table("refused_row")
