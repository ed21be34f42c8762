"""Days of which a workspace was notified that they do not add up."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "remainder_notice",
        sa.Column("connection_id", sa.String(length=255), sa.ForeignKey("connection.id"), primary_key=True),
        sa.Column("day", sa.String(length=255), primary_key=True),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("remainder_notice")
