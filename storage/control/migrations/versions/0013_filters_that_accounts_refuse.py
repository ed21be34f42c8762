"""By which statuses an account's reports are filtered, where it refuses the widest filter."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("connection", sa.Column("ad_filter", sa.String(255), nullable=True))
    op.add_column("connection", sa.Column("campaign_filter", sa.String(255), nullable=True))
    op.add_column("connection", sa.Column("filters_noted_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("connection", "filters_noted_at")
    op.drop_column("connection", "campaign_filter")
    op.drop_column("connection", "ad_filter")
