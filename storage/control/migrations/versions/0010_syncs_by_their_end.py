"""Syncs by when they ended: what the last hour brought is counted without reading a week of them."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_sync_run_finished", "sync_run", ["finished_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_sync_run_finished", "sync_run")
