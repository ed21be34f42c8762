"""When the last checks of today found a change, and the calls of what the last one left unread."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("change_check", sa.Column("left_calls", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("change_check", sa.Column("changes", sa.Text(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Take back."""
    op.drop_column("change_check", "changes")
    op.drop_column("change_check", "left_calls")
