"""The outbox of webhooks, and the log of deliveries. After the step telemetry.

A message is stored in the transaction of the change that it reports, one row per subscribed webhook, so neither exists without the
other. The row's id is the message's id, the same in every attempt. Instants are real time.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, ForeignKey, Index, Row, Text, bindparam, delete, func, insert, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from adpulse import events
from adpulse.clock import Clock
from adpulse.events import Event, EventType
from adpulse.model import Connection, Restated, RunState
from storage.control import mail_problems, mail_recipients
from storage.control.database import Engine, Session, reading
from storage.control.formats import MAIL, Format
from storage.control.mail_recipients import Message, Subscription
from storage.control.tables import Base

SHOWN = 50
"""How many deliveries of a webhook are shown."""

FAILING_FOR = timedelta(days=5)
"""A webhook whose deliveries all failed for this long is disabled."""

_PORTION = 1000
_PENDING = "state = 'pending'"


class WebhookRow(Base):
    """Where a workspace's events go. ``ciphertext`` is its secret; Slack's is the URL, of which ``url`` then has only the host."""

    __tablename__ = "webhook"
    __table_args__ = (Index("ix_webhook_workspace", "workspace_id"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    name: Mapped[str]
    url: Mapped[str] = mapped_column(Text)
    format: Mapped[str]
    events: Mapped[str] = mapped_column(Text)
    ciphertext: Mapped[bytes]
    rotated_at: Mapped[datetime | None]
    enabled: Mapped[bool]
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime]


class DeliveryRow(Base):
    """One message to one webhook."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index("ix_webhook_delivery_pending", "next_attempt_at", "webhook_id", sqlite_where=text(_PENDING), postgresql_where=text(_PENDING)),
        Index("ix_webhook_delivery_webhook", "webhook_id", "created_at"),
        Index("ix_webhook_delivery_finished", "finished_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhook.id"))
    event: Mapped[str]
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str]
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class DeliveryState(StrEnum):
    """``failed``: delivery was given up, or the webhook was disabled."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one webhook, as people see it."""

    id: str
    webhook_id: str
    event: EventType
    payload: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


def publish(session: Session, *new: Event, now: datetime) -> None:
    """Store these events for all webhooks that subscribe to them, in the caller's transaction."""
    if not new:
        return
    columns = (WebhookRow.id, WebhookRow.workspace_id, WebhookRow.url, WebhookRow.format, WebhookRow.events)
    wanted = WebhookRow.workspace_id.in_({event.workspace_id for event in new}) & WebhookRow.enabled.is_(True)
    # Deleting a webhook waits for this transaction, which must not fail because a message refers to a missing webhook.
    rows = session.execute(select(*columns).where(wanted).with_for_update(read=True, key_share=True)).all()
    subscriptions = [_subscription(row) for row in rows]
    at_once = [one for one in subscriptions if not one.format.is_mail]
    pairs = [(one, event) for one in at_once for event in new if one.workspace_id == event.workspace_id and event.type in one.events]
    by_mail = mail_recipients.messages(session, [one for one in subscriptions if one.format.is_mail], new, now)
    store(session, [*(Message(webhook_id=one.webhook_id, event=event, due=now) for one, event in pairs), *by_mail], now)


def _subscription(row: Row[*tuple[Any, ...]]) -> Subscription:
    return Subscription(
        webhook_id=row.id,
        workspace_id=row.workspace_id,
        url=row.url,
        format=Format(row.format),
        events=frozenset(map(EventType, json.loads(row.events))),
    )


def store(session: Session, messages: Sequence[Message], now: datetime) -> list[str]:
    """Put messages into the outbox; returns their ids."""
    rows = [
        {
            "id": f"msg_{uuid4().hex}",
            "webhook_id": message.webhook_id,
            "event": message.event.type.value,
            # Rendered now, so that every attempt sends the same text, whatever is renamed meanwhile.
            "payload": events.body(message.event, now),
            "state": DeliveryState.PENDING.value,
            "attempts": 0,
            "next_attempt_at": message.due,
            "created_at": now,
        }
        for message in messages
    ]
    if rows:
        session.execute(insert(DeliveryRow), rows)
    return [str(row["id"]) for row in rows]


def events_of_leg(connection: Connection, run: Row[*tuple[Any, ...]], restated: Restated | None) -> list[Event]:
    """The events of a leg that was just settled. ``run`` is the run's row after the leg."""
    new = []
    job = events.about(connection) | {"job_id": run.id}
    # The counts are the sums over all legs: to its receivers a postponed run is one sync.
    counts = {
        "rows_fetched": run.fetched,
        "rows_changed": run.inserted + run.updated,
        "entities_changed": run.entities_changed,
        "platform_calls": run.calls,
        "attempts": run.attempts,
    }
    if run.state == RunState.DONE.value:
        new.append(Event(type=EventType.SYNC_COMPLETED, workspace_id=connection.workspace_id, data={**job, **counts}))
    if run.state == RunState.DEAD.value:
        failure = {"error": run.error, "error_code": run.error_code, "attempts": run.attempts}
        new.append(Event(type=EventType.SYNC_FAILED, workspace_id=connection.workspace_id, data={**job, **failure}))
    if restated:
        days = {"rows": restated.rows, "since": restated.since.isoformat(), "until": restated.until.isoformat()}
        new.append(Event(type=EventType.DATA_RESTATED, workspace_id=connection.workspace_id, data={**job, **days}))
    return new


class Outbox:
    """Messages that wait for delivery, and the results of past deliveries."""

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall

    def due(self, limit: int, *, busy: Collection[str] = (), excluded: Collection[str] = ()) -> list[Delivery]:
        """At most ``limit`` messages to deliver now, the longest waiting first; e-mails are of :class:`MailOutbox`.

        ``busy``: ids of webhooks that get no more messages at present. ``excluded``: ids of messages that are being delivered.
        """
        wanted = is_due(self._wall.now()) & DeliveryRow.webhook_id.not_in(busy)
        not_mail = DeliveryRow.webhook_id.not_in(select(WebhookRow.id).where(WebhookRow.format.in_(MAIL)))
        query = select(DeliveryRow.__table__).where(wanted, not_mail, DeliveryRow.id.not_in(excluded))
        with reading(self._engine).connect() as session:
            return [delivery_of(row) for row in session.execute(query.order_by(DeliveryRow.next_attempt_at).limit(limit))]

    def delivered(self, delivery: Delivery, status: int) -> None:
        """Record that the receiver accepted a message."""
        with self._engine.begin() as session:
            values = {"state": DeliveryState.DELIVERED.value, "next_attempt_at": None, "finished_at": self._wall.now()}
            self._note(session, delivery, **values, last_status=status, last_error=None)
            failing = (WebhookRow.id == delivery.webhook_id) & WebhookRow.failing_since.is_not(None)
            session.execute(update(WebhookRow).where(failing).values(failing_since=None))

    def postponed(self, delivery: Delivery, status: int | None, error: str, until: datetime) -> None:
        """Record a failed attempt; the next one is at ``until``."""
        with self._engine.begin() as session:
            self._note(session, delivery, next_attempt_at=until, last_status=status, last_error=error)
            note_failure(session, delivery.webhook_id, self._wall.now())

    def failed(self, delivery: Delivery, status: int | None, error: str) -> None:
        """Record a failed attempt and give the message up."""
        with self._engine.begin() as session:
            values = {"state": DeliveryState.FAILED.value, "next_attempt_at": None, "finished_at": self._wall.now()}
            self._note(session, delivery, **values, last_status=status, last_error=error)
            note_failure(session, delivery.webhook_id, self._wall.now())

    def receiver_gone(self, delivery: Delivery, status: int, reason: str) -> None:
        """Record that the receiver wants no more messages, and disable its webhook."""
        with self._engine.begin() as session:
            self._note(session, delivery, last_status=status)
            disable(session, delivery.webhook_id, reason, self._wall.now())

    @staticmethod
    def _note(session: Session, delivery: Delivery, **values: Any) -> None:
        # A message that was given up meanwhile, because its webhook was disabled, stays given up.
        row = (DeliveryRow.id == delivery.id) & (DeliveryRow.state == DeliveryState.PENDING.value)
        session.execute(update(DeliveryRow).where(row).values(attempts=DeliveryRow.attempts + 1, **values))

    def history(self, webhook_id: str, limit: int = SHOWN) -> list[Delivery]:
        """A webhook's deliveries, newest first."""
        query = select(DeliveryRow.__table__).where(DeliveryRow.webhook_id == webhook_id)
        with reading(self._engine).connect() as session:
            rows = session.execute(query.order_by(DeliveryRow.created_at.desc(), DeliveryRow.id).limit(limit))
            return [delivery_of(row) for row in rows]

    def prune(self, older_than: timedelta) -> int:
        """Delete deliveries that ended longer ago than this; returns how many. Small portions keep the database free for others."""
        old, dropped = DeliveryRow.finished_at < self._wall.now() - older_than, 0
        while ids := self._portion(old):
            with self._engine.begin() as session:
                dropped += session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(ids))).rowcount
        return dropped

    def _portion(self, condition: ColumnElement[bool]) -> Sequence[str]:
        with reading(self._engine).connect() as session:
            return session.scalars(select(DeliveryRow.id).where(condition).limit(_PORTION)).all()


def note_failure(session: Session, webhook_id: str, now: datetime) -> None:
    """Note that an attempt to deliver a webhook's message failed; a webhook of which all failed for days is disabled."""
    of_webhook = WebhookRow.id == webhook_id
    # The time of the first failure stays until a delivery succeeds.
    failing = update(WebhookRow).where(of_webhook).values(failing_since=func.coalesce(WebhookRow.failing_since, now))
    since = session.scalar(failing.returning(WebhookRow.failing_since))
    if since is not None and now - since > FAILING_FOR:
        reason = f"Every delivery failed since {since:%Y-%m-%d %H:%M} UTC. Mend the receiver, then enable it again."
        disable(session, webhook_id, reason, now)


def disable(session: Session, webhook_id: str, reason: str, now: datetime) -> None:
    """Disable a webhook until it is enabled again; its waiting messages are given up."""
    mail_problems.forget(session, webhook_id)
    session.execute(update(WebhookRow).where(WebhookRow.id == webhook_id).values(enabled=False, disabled_reason=reason))
    waiting = (DeliveryRow.webhook_id == webhook_id) & _is_pending()
    ended = {"state": DeliveryState.FAILED.value, "next_attempt_at": None, "finished_at": now, "last_error": reason}
    session.execute(update(DeliveryRow).where(waiting).values(**ended))


def is_due(now: datetime) -> ColumnElement[bool]:
    """The condition of messages that wait for an attempt now."""
    return _is_pending() & (DeliveryRow.next_attempt_at <= now)


def _is_pending() -> ColumnElement[bool]:
    """The condition of the partial index, as a literal: only then the databases use the index."""
    return DeliveryRow.state == bindparam("pending", DeliveryState.PENDING.value, literal_execute=True)


def delivery_of(row: Row[*tuple[Any, ...]]) -> Delivery:
    """The message of a row."""
    enums: dict[str, Any] = {"event": EventType(row.event), "state": DeliveryState(row.state)}
    same = {name: getattr(row, name) for name in Delivery.__dataclass_fields__ if name not in enums}
    return Delivery(**enums, **same)
