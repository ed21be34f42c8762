"""Instants as the pages write them: in the account's zone, as ``time`` elements that the script writes in the reader's zone. Pure.

Where no account is meant, or several are, the zone is UTC. The account's time stays as the title of the element.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from adpulse import presentation

_UTC = "UTC"
_DAY = timedelta(days=1)
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
"""Within these every zone can write an instant; a platform's text may hold any."""

_IN_WORDS = re.compile(r"(?:(?P<day>\d{4}-\d\d-\d\d) )?(?P<time>\d\d:\d\d(?P<seconds>:\d\d)?) UTC")
"""An instant as the sentences of :mod:`adpulse.presentation` write it."""


def in_zone(instant: datetime, zone: str = _UTC, *, seconds: bool = False) -> str:
    """``2026-03-20 10:00 America/New_York``, for titles."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{local:{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}} {zone}"


def format_instant(instant: datetime, zone: str = _UTC, *, seconds: bool = False) -> Markup:
    """The instant itself, for people who have no script in the account's zone."""
    text, precision = escape(in_zone(instant, zone, seconds=seconds)), "second" if seconds else "minute"
    element = f'<time datetime="{_machine(instant)}" data-at="{precision}" title="{text}">{text}</time>'
    return Markup(element)  # noqa: S704 - what a platform names is escaped; Markup.format takes twice as long


def format_since(instant: datetime | None, now: datetime, zone: str = _UTC) -> Markup | str:
    """``2 min ago`` with the instant as its title, or ``never``."""
    ago = presentation.format_age(instant, now)
    if instant is None:
        return ago
    element = f'<time datetime="{_machine(instant)}" title="{escape(in_zone(instant, zone))}">{escape(ago)}</time>'
    return Markup(element)  # noqa: S704 - as in format_instant


def format_words(words: str, now: datetime, zone: str = _UTC) -> Markup:
    """A sentence with each of its instants as an element of its own; one without a date is the next such time after ``now``."""
    written, end = Markup(), 0
    for match in _IN_WORDS.finditer(words):
        if instant := _instant_of(match, now):
            written += escape(words[end : match.start()]) + format_instant(instant, zone, seconds=bool(match["seconds"]))
            end = match.end()
    return written + escape(words[end:])


def _instant_of(match: re.Match[str], now: datetime) -> datetime | None:
    """None for what only looks like an instant: sentences may hold a platform's text."""
    day = match["day"] or f"{now.astimezone(UTC):%Y-%m-%d}"
    try:
        instant = datetime.fromisoformat(f"{day}T{match['time']}+00:00")
    except ValueError:
        return None
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        return None
    return instant if match["day"] or instant >= now.replace(microsecond=0) else instant + _DAY


def _machine(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


FILTERS: dict[str, Callable[..., Any]] = {"in_zone": in_zone, "instant": format_instant, "since": format_since, "words": format_words}
"""Filters of the templates."""
