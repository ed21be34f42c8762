"""An account that reports in another currency can be connected beside its history; the connections of a scope are found by an index."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Migration 0001 left the constraint without a name: this is PostgreSQL's own, and what it is called while SQLite rebuilds the table.
_NAMES = {"uq": "%(table_name)s_%(column_0_N_name)s_key"}
_BEFORE = "connection_workspace_id_provider_external_id_key"
_NOW = "uq_connection_account"


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("connection", naming_convention=_NAMES) as connection:
        connection.drop_constraint(_BEFORE, type_="unique")
        connection.create_unique_constraint(_NOW, ["workspace_id", "provider", "external_id", "currency"])
    op.create_index("ix_connection_scope", "connection", ["scope"], unique=False)


def downgrade() -> None:
    """Take back; fails while an account is connected twice."""
    op.drop_index("ix_connection_scope", "connection")
    with op.batch_alter_table("connection") as connection:
        connection.drop_constraint(_NOW, type_="unique")
        connection.create_unique_constraint(_BEFORE, ["workspace_id", "provider", "external_id"])
