"""The checks that show which older days of an account were restated."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "restatement_check",
        sa.Column("connection_id", sa.String(length=255), sa.ForeignKey("connection.id"), primary_key=True),
        sa.Column("day", sa.String(length=255), primary_key=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fingerprints", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("restatement_check")
