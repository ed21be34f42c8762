"""What the platform counts a grant's credential together with, learned once as it was given."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Grants under way do not know it and are dropped; they would end within the hour."""
    op.execute("DELETE FROM credential_grant")
    op.add_column("credential_grant", sa.Column("scope", sa.String(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("credential_grant", "scope")
