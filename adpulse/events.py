"""The events of a workspace that webhooks report, and the text of their messages. Pure. After the step telemetry.

Receivers that verify signatures get the same body: ``type``, ``timestamp`` and ``data``. Channels of Slack and Microsoft Teams, and
e-mails, get a sentence.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from adpulse.model import Connection, ConnectionStatus
from adpulse.platforms.versions import PinnedVersion
from adpulse.remainder import Remainder, as_fields


class EventType(StrEnum):
    """The types of events; ``webhook.test`` cannot be subscribed to and is sent on request only."""

    SYNC_COMPLETED = "sync.completed"
    SYNC_FAILED = "sync.failed"
    NEEDS_ATTENTION = "connection.needs_attention"
    DATA_STALE = "data.stale"
    DATA_RESTATED = "data.restated"
    DATA_ALERT = "data.alert"
    DATA_ALERT_ENDED = "data.alert_ended"
    DATA_REMAINDER = "data.remainder"
    VERSION_ENDING = "api_version.ending"
    TEST = "webhook.test"


SUBSCRIBABLE = tuple(event for event in EventType if event is not EventType.TEST)

TROUBLE = (
    EventType.SYNC_FAILED,
    EventType.NEEDS_ATTENTION,
    EventType.DATA_STALE,
    EventType.DATA_ALERT,
    EventType.DATA_REMAINDER,
    EventType.VERSION_ENDING,
)
"""The event types of a webhook that chooses none: problems for a person, nothing that happens every minute."""

SENTENCES: Mapping[EventType, str] = {
    EventType.SYNC_COMPLETED: "{connection}: synced, {rows_changed} rows changed.",
    EventType.SYNC_FAILED: "{connection}: the sync failed after {attempts} tries. {error}",
    EventType.NEEDS_ATTENTION: "{connection} is not synced any more ({status}). {reason}",
    EventType.DATA_STALE: "{connection} is stale: frequency {sync_frequency}, last completed sync {last_sync_completed_at}.",
    EventType.DATA_RESTATED: "{connection}: {rows} stored rows of {since} to {until} changed.",
    EventType.DATA_ALERT: "{alert}: {row_count} rows. {first}",
    EventType.DATA_ALERT_ENDED: "{alert}: this has ended, no rows any more.",
    EventType.DATA_REMAINDER: "{connection}: spend of {day_count} days, {since} to {until}, does not add up to the platform's totals.",
    EventType.VERSION_ENDING: "{sentence}",
    EventType.TEST: "A test message of adpulse.",
}
"""The sentences for channels; words in braces are fields of the event's data."""

_REMAINDERS = 20
"""Remainders that an event contains at most."""

ATTENTION = (
    ConnectionStatus.NEEDS_REAUTH,
    ConnectionStatus.NEEDS_PERMISSION,
    ConnectionStatus.NEEDS_LOGIN,
    ConnectionStatus.BLOCKED,
    ConnectionStatus.DISABLED,
    ConnectionStatus.CURRENCY_CHANGED,
    ConnectionStatus.VERSION_SUNSET,
)
"""Statuses in which a connection is not synced until a person acts, or the platform no longer refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a workspace. ``data`` can be written as JSON and contains no secret."""

    type: EventType
    workspace_id: str
    data: Mapping[str, Any]


def about(connection: Connection) -> dict[str, str]:
    """The fields that identify a connection in all of its events."""
    return {
        "connection_id": connection.id,
        "connection": connection.name,
        "provider": connection.provider,
        "external_id": connection.external_id,
    }


def needs_attention(connection: Connection, status: ConnectionStatus, reason: str | None) -> Event:
    """The event that a connection is not synced any more, with the reason."""
    return _event(EventType.NEEDS_ATTENTION, connection, {"status": status.value, "reason": reason})


def stale(connection: Connection, last_completed_at: datetime | None) -> Event:
    """The event that a connection's data are older than its frequency allows."""
    last = last_completed_at.isoformat() if last_completed_at else None
    return _event(EventType.DATA_STALE, connection, {"sync_frequency": connection.frequency.value, "last_sync_completed_at": last})


def remainders(connection: Connection, unexplained: Sequence[Remainder]) -> Event:
    """The event that a platform reports spend of these days that nothing stored below it has, and nothing known explains."""
    days = sorted({remainder.day for remainder in unexplained})
    data = {
        "currency": connection.currency,
        "day_count": len(days),
        "since": days[0].isoformat(),
        "until": days[-1].isoformat(),
        "remainders": [as_fields(remainder) for remainder in unexplained[:_REMAINDERS]],
    }
    return Event(type=EventType.DATA_REMAINDER, workspace_id=connection.workspace_id, data={**about(connection), **data})


def version_ending(workspace_id: str, version: PinnedVersion) -> Event:
    """The event that a platform's API version ends, with what to do."""
    data = {
        "provider": version.platform.name,
        "version": version.name,
        "ends_on": version.ends.isoformat() if version.ends else None,
        "days_left": version.days_left,
        "newest": version.newest,
        "sentence": version.sentence,
    }
    return Event(type=EventType.VERSION_ENDING, workspace_id=workspace_id, data=data)


def _event(kind: EventType, connection: Connection, fields: dict[str, str | None]) -> Event:
    return Event(type=kind, workspace_id=connection.workspace_id, data={**about(connection), **fields})


def body(event: Event, at: datetime) -> str:
    """The text of an event's message, as it is signed and sent."""
    data = {"workspace_id": event.workspace_id, **event.data}
    return json.dumps({"type": event.type.value, "timestamp": at.isoformat(), "data": data}, ensure_ascii=False)


def slack_body(message: str) -> str:
    """The body for a Slack incoming webhook, from the text of a message."""
    return json.dumps({"text": sentence(message, _escaped_for_slack)}, ensure_ascii=False)


def teams_body(message: str) -> str:
    """The body for a workflow of Microsoft Teams that begins with a webhook request, from the text of a message.

    Workflows take Adaptive Cards alone (page "Create and send messages" of Microsoft Teams). Text of a TextRun is no Markdown (Adaptive
    Cards, "TextRun", since 1.2), so that no name is taken for a link.
    """
    run = {"type": "TextRun", "text": sentence(message, str)}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [{"type": "RichTextBlock", "inlines": [run]}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return json.dumps({"type": "message", "attachments": [attachment]}, ensure_ascii=False)


def sentence(message: str, escape: Callable[[str], str] = str) -> str:
    """The sentence of a stored message, so that every attempt sends the same text."""
    payload = json.loads(message)
    kind, data = EventType(payload["type"]), payload["data"]

    def safe(value: object) -> str:
        return escape("never" if value is None else str(value))

    fields = {name: safe(value) for name, value in data.items()}
    if kind is EventType.DATA_ALERT:
        first: Mapping[str, Any] = next(iter(data["rows"]), {})
        fields["first"] = ", ".join(f"{safe(name)} {safe(value)}" for name, value in first.items())
    return SENTENCES[kind].format_map(fields)


def _escaped_for_slack(text: str) -> str:
    """An account that is named ``<!channel>`` must not notify everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
