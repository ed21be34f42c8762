"""What fails without holding up a connection's numbers, and the size that its numbers show before any walk."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "connection_warning",
        sa.Column("connection_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("code", sa.String(length=255), nullable=True),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.String(length=255), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"]),
        sa.PrimaryKeyConstraint("connection_id", "kind"),
    )
    op.add_column("connection", sa.Column("delivering_ads", sa.Integer(), nullable=True))
    op.add_column("connection", sa.Column("delivering_campaigns", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("connection", "delivering_campaigns")
    op.drop_column("connection", "delivering_ads")
    op.drop_table("connection_warning")
