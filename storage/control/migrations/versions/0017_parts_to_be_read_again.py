"""What a person wants read again is marked, where its age was forgotten: its numbers are known meanwhile."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("partition_state", sa.Column("due", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take back: what is marked was never read, as the version before has it."""
    op.execute("DELETE FROM partition_state WHERE due")
    op.drop_column("partition_state", "due")
