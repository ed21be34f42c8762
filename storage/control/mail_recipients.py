"""Who receives an event by e-mail, and when: each problem once a person, together with what else happened in the same minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from adpulse.events import Event, EventType
from storage.control import mail_problems
from storage.control.database import Session
from storage.control.formats import Format
from storage.control.tables import ConnectionRow

DIGEST_AT = time(8)
"""When daily digests are sent, in the zone of most of the workspace's connections."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """An enabled webhook with the events that it chose."""

    webhook_id: str
    workspace_id: str
    url: str
    format: Format
    events: frozenset[EventType]

    @property
    def person(self) -> tuple[str, str, Format]:
        """The same for webhooks that are one person's: of one address, in one workspace, and of one format."""
        return self.workspace_id, self.url.casefold(), self.format


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An event that a webhook is sent at ``due``."""

    webhook_id: str
    event: Event
    due: datetime


def messages(session: Session, subscriptions: Sequence[Subscription], events: Sequence[Event], now: datetime) -> list[Message]:
    """The messages of these events, in the caller's transaction; problems that go on, and ends of none, are left out."""
    people: dict[tuple[str, str, Format], list[Subscription]] = {}
    for subscription in sorted(subscriptions, key=lambda one: one.webhook_id):
        people.setdefault(subscription.person, []).append(subscription)
    due: dict[tuple[str, Format], datetime] = {}
    chosen = []
    for (workspace_id, _, form), own in people.items():
        for event in events:
            if event.workspace_id != workspace_id or not (webhook_id := _receives(session, own, event, now)):
                continue
            key = (workspace_id, form)
            due[key] = due.get(key) or _due(session, workspace_id, form, now)
            chosen.append(Message(webhook_id=webhook_id, event=event, due=due[key]))
    return chosen


def _receives(session: Session, own: Sequence[Subscription], event: Event, now: datetime) -> str | None:
    """The one of a person's webhooks that is sent the event, if any."""
    ids = [subscription.webhook_id for subscription in own]
    # Problems end whether their end is to be sent or not: the next one must be sent.
    if mail_problems.ends(event) and not mail_problems.end(session, ids, event.data["connection_id"]):
        return None
    webhook_id = next((subscription.webhook_id for subscription in own if event.type in subscription.events), None)
    if webhook_id and mail_problems.lasts(event) and not mail_problems.begin(session, webhook_id, ids, event, now):
        return None
    return webhook_id


def _due(session: Session, workspace_id: str, form: Format, now: datetime) -> datetime:
    return next_digest(now, _zone(session, workspace_id)) if form is Format.EMAIL_DAILY else next_minute(now)


def next_minute(now: datetime) -> datetime:
    """The end of the minute in which problems are collected."""
    return now.replace(second=0, microsecond=0) + _MINUTE


def next_digest(now: datetime, zone: ZoneInfo) -> datetime:
    """The next instant at which digests of a zone are sent."""
    day = now.astimezone(zone).date()
    today = datetime.combine(day, DIGEST_AT, zone).astimezone(UTC)
    return today if today > now else datetime.combine(day + timedelta(days=1), DIGEST_AT, zone).astimezone(UTC)


def _zone(session: Session, workspace_id: str) -> ZoneInfo:
    """The zone of most of the workspace's connections."""
    count = func.count()
    zones = select(ConnectionRow.timezone).where(ConnectionRow.workspace_id == workspace_id).group_by(ConnectionRow.timezone)
    return ZoneInfo(session.scalar(zones.order_by(count.desc(), ConnectionRow.timezone).limit(1)) or "UTC")
