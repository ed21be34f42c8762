"""Who receives an event by e-mail, and when: each problem once a person, together with what else happened at the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from adpulse.events import Event, EventType
from storage.control import mail_problems
from storage.control.database import Session
from storage.control.formats import Format
from storage.control.mail_problems import Problem
from storage.control.tables import ConnectionRow

DIGEST_AT = time(8)
"""When daily digests are sent, in the zone of most of the workspace's connections."""

_ALERTS = (EventType.DATA_ALERT, EventType.DATA_ALERT_ENDED)
_QUARTER, _MINUTE = timedelta(seconds=15), timedelta(minutes=1)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """An event that a person wants to be sent by a webhook, unless the problem that it begins was sent already."""

    person: tuple[str, ...]
    """Ids of all webhooks of the person."""
    subscription: Subscription
    event: Event

    @property
    def problem(self) -> Problem | None:
        """The problem that begins, if any."""
        begins = mail_problems.lasts(self.event)
        return Problem.of(self.subscription.webhook_id, self.event.type, self.event.data) if begins else None


def messages(session: Session, subscriptions: Sequence[Subscription], events: Sequence[Event], now: datetime) -> list[Message]:
    """The messages of these events, in the caller's transaction; problems that go on, and ends of none, are left out.

    The statements are as many for one event as for all. A connection's problem does not begin and end among the same events.
    """
    if not subscriptions:
        return []
    candidates = _candidates(session, sorted(subscriptions, key=lambda one: one.webhook_id), events)
    new = mail_problems.begin(session, {one.problem: one.person for one in candidates if one.problem}, now)
    digests: dict[str, datetime] = {}
    chosen = []
    for one in candidates:
        if (problem := one.problem) and problem not in new:
            continue
        if problem:
            new.remove(problem)  # once, also of several events
        workspace_id, due = one.event.workspace_id, next_mail(now, one.event.type)
        if one.subscription.format is Format.EMAIL_DAILY:
            due = digests[workspace_id] = digests.get(workspace_id) or next_digest(now, _zone(session, workspace_id))
        chosen.append(Message(webhook_id=one.subscription.webhook_id, event=one.event, due=due))
    return chosen


def _candidates(session: Session, subscriptions: Sequence[Subscription], events: Sequence[Event]) -> list[_Candidate]:
    people: dict[tuple[str, str, Format], list[Subscription]] = {}
    for subscription in subscriptions:
        people.setdefault(subscription.person, []).append(subscription)
    # Problems end whether their end is to be sent or not: the next one must be sent.
    completed = {event.data["connection_id"] for event in events if mail_problems.ends(event)}
    ended = mail_problems.end(session, [one.webhook_id for one in subscriptions], completed)
    candidates = []
    for (workspace_id, _, _), own in people.items():
        person = tuple(one.webhook_id for one in own)
        for event in events:
            if event.workspace_id != workspace_id or not (wanting := next((one for one in own if event.type in one.events), None)):
                continue
            if mail_problems.ends(event) and ended.isdisjoint((one, event.data["connection_id"]) for one in person):
                continue
            candidates.append(_Candidate(person=person, subscription=wanting, event=event))
    return candidates


def next_mail(now: datetime, event: EventType) -> datetime:
    """The end of the minute in which problems are collected; of alerts, of its quarter: what somebody asked for is told soon."""
    minute = now.replace(second=0, microsecond=0)
    return minute + (_QUARTER * ((now - minute) // _QUARTER + 1) if event in _ALERTS else _MINUTE)


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
