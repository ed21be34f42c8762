"""A failed run stays open until it is tried again; runs have a lane; dead ones are letters to a person; the sweep has a leader."""

import sqlalchemy as sa
from alembic import op

from storage.control.tables import Instant

_BEFORE = sa.text("state IN ('queued', 'leased', 'fetched', 'applied', 'postponed')")
_OPEN = sa.text("state IN ('queued', 'leased', 'fetched', 'applied', 'postponed', 'failed')")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("connection", sa.Column("consecutive_throttles", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("connection", sa.Column("slow", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("sync_run", sa.Column("lane", sa.String(length=255), nullable=False, server_default="on-demand"))
    op.add_column("sync_run", sa.Column("settled_generation", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("sync_run", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("sync_run", sa.Column("error_during", sa.String(length=255), nullable=True))
    op.add_column("sync_run", sa.Column("resolved_at", Instant(timezone=True), nullable=True))
    op.add_column("sync_run", sa.Column("resolution", sa.String(length=255), nullable=True))
    # Until now a failed run was closed; nobody needs to look at those any more.
    op.execute("UPDATE sync_run SET state = 'dead', resolved_at = finished_at, resolution = 'before dead letters' WHERE state = 'failed'")
    # What was read by the legs so far is settled: only a run that is being worked on may have something to adopt.
    op.execute("UPDATE sync_run SET settled_generation = generation WHERE state NOT IN ('leased', 'fetched', 'applied')")
    op.drop_index("ix_sync_run_open", "sync_run")
    op.create_index("ix_sync_run_open", "sync_run", ["connection_id"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index("ix_sync_run_connection", "sync_run", ["connection_id", "requested_at"], unique=False)
    op.execute("ALTER TABLE dispatch RENAME COLUMN provider TO deployment")
    op.execute("UPDATE dispatch SET deployment = deployment || '-on-demand'")
    op.create_table(
        "leader",
        sa.Column("job", sa.String(length=255), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("until", Instant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("leader")
    op.execute("DELETE FROM dispatch WHERE deployment NOT LIKE '%-on-demand'")
    op.execute("UPDATE dispatch SET deployment = replace(deployment, '-on-demand', '')")
    op.execute("ALTER TABLE dispatch RENAME COLUMN deployment TO provider")
    op.drop_index("ix_sync_run_connection", "sync_run")
    op.drop_index("ix_sync_run_open", "sync_run")
    op.execute("UPDATE sync_run SET state = 'queued' WHERE state = 'failed'")
    op.create_index("ix_sync_run_open", "sync_run", ["connection_id"], unique=True, sqlite_where=_BEFORE, postgresql_where=_BEFORE)
    for column in ("resolution", "resolved_at", "error_during", "attempts", "settled_generation", "lane"):
        op.drop_column("sync_run", column)
    for column in ("slow", "consecutive_throttles"):
        op.drop_column("connection", column)
