"""When the versions of a platform's API are answered: from their release until their end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """The day on which a version came out, and the first day without it; None if no end is announced."""

    released: date
    ends: date | None = None


def served(lifetimes: Mapping[str, Lifetime], now: datetime) -> tuple[str, ...]:
    """The versions that are answered at an instant, oldest first, as they stand in the table.

    The oldest one is answered before its release, too: a world may begin in a season that has passed, for which no version would be left.
    """
    oldest, today = next(iter(lifetimes)), now.date()
    return tuple(
        name
        for name, lifetime in lifetimes.items()
        if (name == oldest or lifetime.released <= today) and (lifetime.ends is None or today < lifetime.ends)
    )
