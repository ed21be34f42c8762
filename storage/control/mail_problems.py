"""Which problems of connections a person was sent by e-mail and that have not ended yet."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, delete, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.events import Event, EventType
from adpulse.model import ConnectionStatus
from storage.control.database import Session, insert_or_update
from storage.control.tables import Base

_LASTING = (EventType.SYNC_FAILED, EventType.NEEDS_ATTENTION, EventType.DATA_STALE)


class MailProblemRow(Base):
    """A problem of a connection that was sent by a webhook; ``kind`` is its event's type and, where it has one, the status."""

    __tablename__ = "mail_problem"
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhook.id"), primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime]


_KEY = (MailProblemRow.webhook_id, MailProblemRow.connection_id, MailProblemRow.kind)


class Problem(NamedTuple):
    """The key of a problem that a webhook has sent."""

    webhook_id: str
    connection_id: str
    kind: str

    @classmethod
    def of(cls, webhook_id: str, event: EventType, data: Mapping[str, Any]) -> "Problem":
        """The problem that an event with these data begins."""
        return cls(webhook_id, data["connection_id"], " ".join(filter(None, (event, data.get("status")))))


def lasts(event: Event) -> bool:
    """Whether the event begins a problem of a connection that the connection's next completed sync ends.

    A disabled account is not one of them: its syncs complete while it stays disabled, and its event is published once.
    """
    return event.type in _LASTING and event.data.get("status") != ConnectionStatus.DISABLED


def ends(event: Event) -> bool:
    """Whether the event ends its connection's problems."""
    return event.type is EventType.SYNC_COMPLETED


def begin(session: Session, sent: Mapping[Problem, Collection[str]], now: datetime) -> set[Problem]:
    """Note problems that are to be sent, each with all webhooks of its person; returns those that none of these has sent already."""
    if not sent:
        return set()
    webhook_ids, connection_ids = {one for ids in sent.values() for one in ids}, {problem.connection_id for problem in sent}
    of_these = MailProblemRow.webhook_id.in_(webhook_ids) & MailProblemRow.connection_id.in_(connection_ids)
    noted = {Problem(*row) for row in session.execute(select(*_KEY).where(of_these))}
    # In one order, so that two transactions never wait for each other.
    new = sorted(problem for problem, ids in sent.items() if noted.isdisjoint(problem._replace(webhook_id=one) for one in ids))
    if not new:
        return set()
    insert = insert_or_update(session, MailProblemRow).on_conflict_do_nothing().returning(*_KEY)
    return {Problem(*row) for row in session.execute(insert, [problem._asdict() | {"since": now} for problem in new])}


def end(session: Session, webhook_ids: Collection[str], connection_ids: Collection[str]) -> set[tuple[str, str]]:
    """Note that these connections' problems have ended; returns the webhook and the connection of those that were sent."""
    if not connection_ids:
        return set()
    of_these = MailProblemRow.webhook_id.in_(webhook_ids) & MailProblemRow.connection_id.in_(connection_ids)
    ended = delete(MailProblemRow).where(of_these).returning(MailProblemRow.webhook_id, MailProblemRow.connection_id)
    return {(row.webhook_id, row.connection_id) for row in session.execute(ended)}


def forget(session: Session, webhook_id: str) -> None:
    """Forget the problems of a webhook, whose messages were not sent: what lasts is sent again."""
    session.execute(delete(MailProblemRow).where(MailProblemRow.webhook_id == webhook_id))


def forget_unsent(session: Session, unsent: Collection[Problem]) -> None:
    """Forget these problems, whose messages were not sent: what lasts is sent again."""
    session.execute(delete(MailProblemRow).where(tuple_(*_KEY).in_(unsent)))
