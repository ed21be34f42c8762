"""The shapes of Meta's answers: what a row must have to be stored, and what to do with the rest. Pure. Step: normalise.

A value that cannot be read costs its row, an optional text that cannot be read is absent. Only a row whose entity or day cannot be told
costs the read: what such a row is about might be missing from the rest.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adpulse.attribution import WINDOWS
from adpulse.errors import SeveralDays, Unavailable, Unreadable
from adpulse.model import Level
from adpulse.refused_rows import RowRefused

Row = Mapping[str, Any]
Days = tuple[date, date]
"""The first and the last day that were requested."""


def identifier(value: object) -> str | None:
    """An id as text; None of what is none: absent, empty, or a float, which has lost digits."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def text(value: object) -> str | None:
    """A name, status or type as it was sent; numbers as text, and None of what is neither. PostgreSQL stores no text with a NUL."""
    return str(value).replace("\0", "\ufffd") if isinstance(value, str | int | float) else None


def report_row(level: Level, row: object, days: Days, about: str) -> tuple[str, date, Row]:
    """A row of a report, with the entity and the day that it is of.

    Raises:
        SeveralDays: ``date_start`` and ``date_stop`` differ.
        Unreadable: there is no id, or no day that was requested.
    """
    external_id = identifier(row.get(f"{level}_id")) if isinstance(row, Mapping) else None
    if not isinstance(row, Mapping) or external_id is None:
        raise Unreadable(f"Meta sent a row without {level}_id in a report of {about}.", "malformed")
    first, last = row.get("date_start"), row.get("date_stop", row.get("date_start"))
    if first != last:
        span = f"{_short(first)} to {_short(last)}"
        raise SeveralDays(f"Meta sent a row of several days ({span}) in a daily report of {about}.", "malformed")
    day = _day(first)
    if day is None or not days[0] <= day <= days[1]:
        raise Unreadable(f"Meta sent a row of no day that was requested ({_short(first)}) in a report of {about}.", "malformed")
    return external_id, day, row


def campaign(row: Row) -> str:
    """The id of the campaign that a row is in.

    Raises:
        RowRefused: there is none.
    """
    external_id = identifier(row.get("campaign_id"))
    if external_id is None:
        raise RowRefused("campaign_id: missing")
    return external_id


def actions(row: Row, field: str) -> Mapping[str, Row]:
    """Action type → its columns that are there: ``value``, and those of attribution windows. Absent and null are no actions.

    Raises:
        RowRefused: it is no list of actions, or has a type twice: then no single value is right.
    """
    listed = row.get(field)
    if listed is None:
        return {}
    if not isinstance(listed, list):
        raise RowRefused(f"{field}: not a list")
    if not all(isinstance(action, Mapping) and isinstance(action.get("action_type"), str) for action in listed):
        raise RowRefused(f"{field}: not a list of actions")
    types = [action["action_type"] for action in listed]
    if len(set(types)) < len(types):
        twice = next(action_type for action_type in types if types.count(action_type) > 1)
        raise RowRefused(f"{field}: {twice[:80]} occurs twice")
    columns = {
        action["action_type"]: {name: action[name] for name in ("value", *WINDOWS) if action.get(name) is not None} for action in listed
    }
    return {action_type: numbers for action_type, numbers in columns.items() if numbers}


def entity_key(row: object) -> str | None:
    """The id of a row of an edge; None where it cannot be told."""
    return identifier(row.get("id")) if isinstance(row, Mapping) else None


def entity(row: object) -> tuple[str, Row]:
    """A row of an edge with its id.

    Raises:
        RowRefused: it has none.
    """
    external_id = entity_key(row)
    if external_id is None or not isinstance(row, Mapping):
        raise RowRefused("id: missing")
    return external_id, row


def entity_status(row: Row) -> str:
    """The effective status of a row of an edge, as text: unknown ones are kept.

    Raises:
        RowRefused: it has none.
    """
    status = text(row.get("effective_status"))
    if not status:
        raise RowRefused("effective_status: missing")
    return status


def is_entity(row: object) -> bool:
    """Whether a row of an edge, or a node, can be stored."""
    return isinstance(row, Mapping) and entity_key(row) is not None and bool(text(row.get("effective_status")))


def next_cursor(page: Mapping[str, Any], about: str) -> str | None:
    """The cursor of the page after this one; None after the last page. Without cursors it is taken out of ``next``.

    Raises:
        Unavailable: there is a next page, and no way to ask for it.
    """
    links = page.get("paging") or {}
    following = links.get("next") if isinstance(links, Mapping) else links
    if not following:
        return None
    cursors = links.get("cursors") if isinstance(links, Mapping) else None
    after = cursors.get("after") if isinstance(cursors, Mapping) else None
    if not isinstance(after, str) or not after:
        after = _after_in(following) if isinstance(following, str) else None
    if not after:
        raise Unavailable(f"Meta's pages for {about} do not end.", "paging")
    return after


def _after_in(url: str) -> str | None:
    try:
        return next(iter(parse_qs(urlsplit(url).query).get("after", ())), None)
    except ValueError:
        return None


def _short(value: object) -> str:
    return (text(value) or "no date")[:20]


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
