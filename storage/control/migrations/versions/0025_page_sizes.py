"""The rows a page that an account's reads have reached."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("connection", sa.Column("report_page", sa.Integer(), nullable=True))
    op.add_column("connection", sa.Column("walk_page", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("connection", "walk_page")
    op.drop_column("connection", "report_page")
