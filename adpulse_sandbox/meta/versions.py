"""The versions of the Marketing API, the days on which they came out and end, and the headers that name a version."""

from datetime import date, datetime

from adpulse_sandbox import lifetimes
from adpulse_sandbox.lifetimes import Lifetime
from adpulse_sandbox.meta.errors import GraphError

VERSIONS = {
    "v25.0": Lifetime(released=date(2026, 2, 18), ends=date(2027, 2, 23)),
    "v26.0": Lifetime(released=date(2026, 7, 29)),
    "v27.0": Lifetime(released=date(2026, 11, 4)),
}
"""Source: "Marketing API version history", read 2026-11-29."""


def served(now: datetime) -> tuple[str, ...]:
    """The versions that are answered at an instant, oldest first."""
    return lifetimes.served(VERSIONS, now)


def latest(now: datetime) -> str:
    """The newest version at an instant."""
    return served(now)[-1]


def check_version(version: str, now: datetime) -> None:
    """Refuse a version that is not served.

    Raises:
        GraphError: the version has ended, is not out yet, or never was.
    """
    if version not in served(now):
        message = f"(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version: {latest(now)}."
        raise GraphError(400, 2635, message)


def version_of(path: str, now: datetime) -> tuple[str, list[str]]:
    """The version at the beginning of a path (the newest version if there is none), and the rest of the path."""
    parts = [part for part in path.split("/") if part]
    if parts and parts[0][:1] == "v" and parts[0][1:2].isdigit():
        return parts[0], parts[1:]
    return latest(now), parts


def upgrade_headers(version: str, newer: str | None) -> dict[str, str]:
    """The headers that name the version of an answer. ``newer`` is the version that the call was upgraded to, if any.

    Meta also upgrades calls before the end of a version: seen live for v25 on 2026-09-08.
    """
    if newer is None:
        return {"facebook-api-version": version}
    warning = f"The call has been auto-upgraded to {newer} as {version} will be deprecated."
    return {"facebook-api-version": newer, "x-ad-api-version-warning": warning}
