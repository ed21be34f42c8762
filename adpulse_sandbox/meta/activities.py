"""The edge ``activities``: what was created, renamed and switched in an account, newest first.

Source: Meta's reference page "Ad Account, Activities" (without ``since`` the last week) and the event types of the SDK.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from adpulse_sandbox.meta.errors import bad_param
from adpulse_sandbox.meta.nodes import Source, constants
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Change, Entity

ACTIVITY_PARAMETERS = frozenset({"since", "until", "oid", "uid", "category"})
_WORDS = {CAMPAIGN: ("campaign_group", "campaign", "CAMPAIGN"), AD_SET: ("ad_set", "ad_set", "AD_SET"), AD: ("ad", "ad", "AD")}
"""By level: how an object is called when it is created, when it changes, and as a type and category."""

_ACTOR = "1000042"
_WEEK = timedelta(days=7)


def activity_sources(account: Account, parent: Entity | None, params: Mapping[str, str], at: datetime) -> list[Source]:
    """The activities of an account, or of what is below one of its objects.

    Raises:
        GraphError: an instant that is no time.
    """
    until = min(_instant("until", params.get("until")) or at, at)
    since = _instant("since", params.get("since")) or until - _WEEK
    events = []
    for entity in account.by_id.values():
        if parent is not None and parent not in (entity, entity.parent, entity.parent and entity.parent.parent):
            continue
        events += [(event_at, source) for event_at, source in _events(account, entity, params) if since <= event_at <= until]
    return [source for _, source in sorted(events, key=lambda event: event[0], reverse=True)]


def _events(account: Account, entity: Entity, params: Mapping[str, str]) -> Iterator[tuple[datetime, Source]]:
    if params.get("oid", entity.id) != entity.id or params.get("uid", _ACTOR) != _ACTOR:
        return
    created, changed, kind = _WORDS[entity.level]
    for place, change in enumerate(entity.changes):
        event, category, extra = _event(entity, place, change, created, changed)
        if params.get("category", category) not in (category, kind):
            continue
        yield (
            change.at,
            constants(
                "AdActivity",
                actor_id=_ACTOR,
                actor_name="Sandbox User",
                event_time=f"{change.at:%Y-%m-%dT%H:%M:%S%z}",
                date_time_in_timezone=f"{change.at.astimezone(account.zone):%m/%d/%Y at %I:%M %p}",
                event_type=event,
                translated_event_type=event.replace("_", " ").capitalize(),
                object_id=entity.id,
                object_name=entity.name(change.at),
                object_type=kind,
                extra_data=json.dumps(extra),
            ),
        )


def _event(entity: Entity, place: int, change: Change, created: str, changed: str) -> tuple[str, str, dict[str, str | None]]:
    """The type of an event, its category, and what changed."""
    if place == 0:
        return f"create_{created}", _WORDS[entity.level][2], {"new_value": change.name}
    if change.status:
        return f"update_{changed}_run_status", "STATUS", {"old_value": "ACTIVE", "new_value": change.status}
    name = "update_ad_friendly_name" if entity.level == AD else f"update_{changed}_name"
    return name, _WORDS[entity.level][2], {"old_value": entity.changes[place - 1].name, "new_value": change.name}


def _instant(name: str, text: str | None) -> datetime | None:
    """An instant as POSIX seconds or as ISO text."""
    if not text:
        return None
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), UTC)
        instant = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise bad_param(f"param {name} must be a time") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
