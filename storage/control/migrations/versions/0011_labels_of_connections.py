"""Labels that people give connections, and the order in which connections are listed."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "connection_label",
        sa.Column("connection_id", sa.String(length=255), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"]),
        sa.PrimaryKeyConstraint("connection_id", "label"),
    )
    op.create_index("ix_connection_label", "connection_label", ["label", "connection_id"], unique=False)
    op.create_index("ix_connection_name", "connection", ["workspace_id", "name", "id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_connection_name", "connection")
    op.drop_table("connection_label")
