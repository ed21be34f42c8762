"""Days that a platform could not answer, and how much of an account may be requested at once."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "hole",
        sa.Column("connection_id", sa.String(length=255), sa.ForeignKey("connection.id"), primary_key=True),
        sa.Column("kind", sa.String(length=255), primary_key=True),
        sa.Column("day", sa.String(length=255), primary_key=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("code", sa.String(length=255), nullable=True),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("report_id", sa.String(length=255), nullable=True),
        sa.Column("report_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report_polls", sa.Integer(), nullable=False),
    )
    op.create_table(
        "working_size",
        sa.Column("account", sa.String(length=255), primary_key=True),
        sa.Column("part", sa.String(length=255), primary_key=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("working_size")
    op.drop_table("hole")
