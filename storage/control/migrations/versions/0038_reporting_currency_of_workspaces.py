"""The currency in which a workspace sees one total of accounts of several currencies."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("workspace", sa.Column("reporting_currency", sa.String(255), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("workspace", "reporting_currency")
