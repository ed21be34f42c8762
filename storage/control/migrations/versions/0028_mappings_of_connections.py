"""What counts as a connection's conversions, and since when."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("connection", sa.Column("mapping", sa.Text(), nullable=True))
    op.add_column("connection", sa.Column("mapping_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("connection", "mapping_since")
    op.drop_column("connection", "mapping")
