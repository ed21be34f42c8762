"""How often a connection is really read, where its limits allow less than was chosen."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("connection", sa.Column("paced_seconds", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("connection", "paced_seconds")
