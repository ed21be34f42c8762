"""The versions of the Google Ads API, with the days on which they came out and may end."""

from datetime import date, datetime

from adpulse_sandbox import lifetimes
from adpulse_sandbox.lifetimes import Lifetime

VERSIONS = {
    "v23": Lifetime(released=date(2026, 1, 28), ends=date(2027, 2, 1)),
    "v24": Lifetime(released=date(2026, 4, 22), ends=date(2027, 5, 1)),
    "v25": Lifetime(released=date(2026, 7, 22), ends=date(2027, 8, 1)),
    "v26": Lifetime(released=date(2026, 10, 14), ends=date(2027, 11, 1)),
}
"""Sources: the table of "Release notes" for the releases, read 2026-11-30; the months of "Deprecation and sunset", read 2026-11-29, whose
first day is the earliest on which a version may end. Minor versions share the address of their major one.
"""


def served(now: datetime) -> tuple[str, ...]:
    """The versions that are answered at an instant, oldest first."""
    return lifetimes.served(VERSIONS, now)
