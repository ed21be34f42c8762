"""An index of dead letters: every sync that succeeds looks for its connection's, among all of the runs it ever had."""

import sqlalchemy as sa
from alembic import op

_LETTERS = sa.text("state = 'dead' AND resolved_at IS NULL")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_sync_run_letters", "sync_run", ["connection_id"], sqlite_where=_LETTERS, postgresql_where=_LETTERS)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_sync_run_letters", "sync_run")
