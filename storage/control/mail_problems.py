"""Which problems of connections a person was sent by e-mail and that have not ended yet."""

from collections.abc import Collection, Mapping, Sequence
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


def begin(session: Session, webhook_id: str, same_person: Sequence[str], event: Event, now: datetime) -> bool:
    """Note that a problem is sent by a webhook; False if one of the same person's webhooks has sent it already."""
    key = Problem.of(webhook_id, event.type, event.data)
    same = (MailProblemRow.connection_id == key.connection_id) & (MailProblemRow.kind == key.kind)
    if session.scalar(select(MailProblemRow.webhook_id).where(MailProblemRow.webhook_id.in_(same_person), same).limit(1)):
        return False
    new = insert_or_update(session, MailProblemRow).values(**key._asdict(), since=now).on_conflict_do_nothing()
    return session.scalar(new.returning(MailProblemRow.webhook_id)) is not None


def end(session: Session, same_person: Sequence[str], connection_id: str) -> bool:
    """Note that a connection's problems have ended; False if there were none that the person was sent."""
    of_connection = MailProblemRow.webhook_id.in_(same_person) & (MailProblemRow.connection_id == connection_id)
    return bool(session.execute(delete(MailProblemRow).where(of_connection)).rowcount)


def forget(session: Session, webhook_id: str) -> None:
    """Forget the problems of a webhook, whose messages were not sent: what lasts is sent again."""
    session.execute(delete(MailProblemRow).where(MailProblemRow.webhook_id == webhook_id))


def forget_unsent(session: Session, unsent: Collection[Problem]) -> None:
    """Forget these problems, whose messages were not sent: what lasts is sent again."""
    key = tuple_(MailProblemRow.webhook_id, MailProblemRow.connection_id, MailProblemRow.kind)
    session.execute(delete(MailProblemRow).where(key.in_(unsent)))
