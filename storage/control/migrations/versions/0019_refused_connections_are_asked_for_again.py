"""When a connection that its platform refused is asked for again, and how often it was since it was synced last."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("connection", sa.Column("recheck_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("connection", sa.Column("rechecks", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take back. The version before does not know two statuses: those connections wait for a permission, as they would have then."""
    op.execute("UPDATE connection SET status = 'needs_permission' WHERE status IN ('needs_login', 'blocked')")
    op.drop_column("connection", "rechecks")
    op.drop_column("connection", "recheck_at")
