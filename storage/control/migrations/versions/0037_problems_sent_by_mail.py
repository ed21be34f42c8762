"""Which problems of connections were sent by e-mail and have not ended."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_EVENT = "data.alert_ended"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "mail_problem",
        sa.Column("webhook_id", sa.String(), sa.ForeignKey("webhook.id"), primary_key=True),
        sa.Column("connection_id", sa.String(), sa.ForeignKey("connection.id"), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Take back: an older version knows no e-mail, and fails where it reads the event that came with it."""
    op.drop_table("mail_problem")
    op.execute("DELETE FROM webhook_delivery WHERE webhook_id IN (SELECT id FROM webhook WHERE format IN ('email', 'email-daily'))")
    op.execute("DELETE FROM webhook WHERE format IN ('email', 'email-daily')")
    op.execute("DELETE FROM webhook_delivery WHERE event = 'data.alert_ended'")
    session, webhook = op.get_bind(), sa.table("webhook", sa.column("id"), sa.column("events"))
    for row in session.execute(sa.select(webhook).where(webhook.c.events.contains(_EVENT))).all():
        kept = json.dumps([event for event in json.loads(row.events) if event != _EVENT])
        session.execute(webhook.update().where(webhook.c.id == row.id).values(events=kept))
