"""Tables of the control plane."""

import sqlalchemy as sa
from alembic import op

from storage.control.tables import Exact, Instant, Serial

_OPEN = sa.text("state IN ('queued', 'leased', 'fetched', 'applied', 'postponed')")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "call_ledger",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("at", Instant(timezone=True), nullable=False),
        sa.Column("heat", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_call_ledger_key_at", "call_ledger", ["key", "at"], unique=False)

    op.create_table(
        "dispatch",
        sa.Column("provider", sa.String(length=255), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("provider"),
    )
    op.create_table(
        "workspace",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("realtime_granted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "credential",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", Instant(timezone=True), nullable=True),
        sa.Column("created_at", Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "connection",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("credential_id", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=255), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("login_customer_id", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("currency", sa.String(length=255), nullable=False),
        sa.Column("timezone", sa.String(length=255), nullable=False),
        sa.Column("gross_margin", Exact(length=32), nullable=False),
        sa.Column("status", sa.String(length=255), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("ad_count", sa.Integer(), nullable=True),
        sa.Column("campaign_count", sa.Integer(), nullable=True),
        sa.Column("trailing_spend", sa.BigInteger(), nullable=False),
        sa.Column("sync_frequency", sa.String(length=255), nullable=False),
        sa.Column("last_sync_attempted_at", Instant(timezone=True), nullable=True),
        sa.Column("last_sync_completed_at", Instant(timezone=True), nullable=True),
        sa.Column("last_metrics_changed_at", Instant(timezone=True), nullable=True),
        sa.Column("total_syncs_attempted", sa.Integer(), nullable=False),
        sa.Column("total_syncs_with_changes", sa.Integer(), nullable=False),
        sa.Column("sync_status", sa.String(length=255), nullable=False),
        sa.Column("last_sync_error", sa.Text(), nullable=True),
        sa.Column("next_due_at", Instant(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_generation", sa.Integer(), nullable=False),
        sa.Column("lease_until", Instant(timezone=True), nullable=True),
        sa.Column("cooldown_until", Instant(timezone=True), nullable=True),
        sa.Column("cooldown_reason", sa.Text(), nullable=True),
        sa.Column("consecutive_failures", sa.Integer(), nullable=False),
        sa.Column("postponed_until", Instant(timezone=True), nullable=True),
        sa.Column("postponed_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["credential.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workspace_id", "provider", "external_id"),
    )
    op.create_index("ix_connection_due", "connection", ["provider", "sync_frequency", "status", "next_due_at"], unique=False)

    op.create_table(
        "partition_state",
        sa.Column("connection_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("day", sa.String(length=255), nullable=False),
        sa.Column("fetched_at", Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connection.id"],
        ),
        sa.PrimaryKeyConstraint("connection_id", "kind", "day"),
    )
    op.create_table(
        "sync_run",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("connection_id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=255), nullable=False),
        sa.Column("parts", sa.String(length=255), nullable=False),
        sa.Column("force_refresh", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("requested_at", Instant(timezone=True), nullable=False),
        sa.Column("started_at", Instant(timezone=True), nullable=True),
        sa.Column("finished_at", Instant(timezone=True), nullable=True),
        sa.Column("until", Instant(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("flow_run_id", sa.String(length=255), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("fetched", sa.Integer(), nullable=False),
        sa.Column("inserted", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("entities_changed", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=255), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connection.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sync_run_open", "sync_run", ["connection_id"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index("ix_sync_run_waiting", "sync_run", ["provider", "state"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_sync_run_waiting", "sync_run")
    op.drop_index("ix_sync_run_open", "sync_run")

    op.drop_table("sync_run")
    op.drop_table("partition_state")
    op.drop_index("ix_connection_due", "connection")

    op.drop_table("connection")
    op.drop_table("credential")
    op.drop_table("workspace")
    op.drop_table("dispatch")
    op.drop_index("ix_call_ledger_key_at", "call_ledger")

    op.drop_table("call_ledger")
