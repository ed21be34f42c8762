"""Credentials that were given but not connected yet, people who are at a platform to consent, and when a renewal was tried."""

import sqlalchemy as sa
from alembic import op

from storage.control.tables import Instant

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "pending_authorization",
        sa.Column("state", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=255), nullable=False),
        sa.Column("connection_id", sa.String(length=255), nullable=True),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("begun_by", sa.String(length=255), nullable=False),
        sa.Column("browser", sa.String(length=255), nullable=False),
        sa.Column("expires_at", Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("state"),
    )
    op.create_table(
        "credential_grant",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=255), nullable=False),
        sa.Column("connection_id", sa.String(length=255), nullable=True),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("accounts", sa.Text(), nullable=False),
        sa.Column("credential_expires_at", Instant(timezone=True), nullable=True),
        sa.Column("created_at", Instant(timezone=True), nullable=False),
        sa.Column("expires_at", Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_credential_grant_workspace", "credential_grant", ["workspace_id", "created_at"], unique=False)
    with op.batch_alter_table("credential") as credential:
        credential.add_column(sa.Column("renewal_tried_at", Instant(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("credential") as credential:
        credential.drop_column("renewal_tried_at")
    op.drop_index("ix_credential_grant_workspace", "credential_grant")
    op.drop_table("credential_grant")
    op.drop_table("pending_authorization")
