"""Instants as the pages write them: in the account's zone, as ``time`` elements that the script writes in the reader's zone. Pure.

Where no account is meant, or several are, the zone is UTC. The account's time stays as the title of the element.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from adpulse import presentation

_UTC = "UTC"


def in_zone(instant: datetime, zone: str = _UTC, *, seconds: bool = False) -> str:
    """``2026-03-20 10:00 America/New_York``, for titles."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{local:{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}} {zone}"


def format_instant(instant: datetime, zone: str = _UTC, *, seconds: bool = False) -> Markup:
    """The instant itself, for people who have no script in the account's zone."""
    text = in_zone(instant, zone, seconds=seconds)
    values = _machine(instant), "second" if seconds else "minute", text, text
    return Markup('<time datetime="{}" data-at="{}" title="{}">{}</time>').format(*values)


def format_since(instant: datetime | None, now: datetime, zone: str = _UTC) -> Markup | str:
    """``2 min ago`` with the instant as its title, or ``never``."""
    ago = presentation.format_age(instant, now)
    if instant is None:
        return ago
    return Markup('<time datetime="{}" title="{}">{}</time>').format(_machine(instant), in_zone(instant, zone), ago)


def _machine(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


FILTERS: dict[str, Callable[..., Any]] = {"in_zone": in_zone, "instant": format_instant, "since": format_since}
"""Filters of the templates."""
