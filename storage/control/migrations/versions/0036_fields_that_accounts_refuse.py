"""Which fields an account's reports are requested without, because it refuses them."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("connection", sa.Column("refused_fields", sa.String(255), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("connection", "refused_fields")
