"""The versions of the Marketing API, their end dates, and the headers that name a version."""

from datetime import date, datetime

from adpulse_sandbox.meta.errors import GraphError

VERSIONS: dict[str, date | None] = {"v25.0": date(2027, 2, 23), "v26.0": None, "v27.0": None}
"""The first day without the version, None if no end is announced. Source: "Marketing API version history", read 2026-11-29.

They came out on 2026-02-18, 2026-07-29 and 2026-11-04 (the same page). A version is answered before its day too: a world may begin at any
time, so that clients of today can be tried through a season that has passed, and its numbers do not depend on the version.
"""

LATEST = "v27.0"


def is_served(version: str, now: datetime) -> bool:
    """Whether the version exists and has not ended."""
    end = VERSIONS.get(version)
    return version in VERSIONS and (end is None or now.date() < end)


def check_version(version: str, now: datetime) -> None:
    """Refuse a version that is not served.

    Raises:
        GraphError: the version has ended or never existed.
    """
    if not is_served(version, now):
        message = f"(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version: {LATEST}."
        raise GraphError(400, 2635, message)


def version_of(path: str) -> tuple[str, list[str]]:
    """The version at the beginning of a path (the newest version if there is none), and the rest of the path."""
    parts = [part for part in path.split("/") if part]
    if parts and parts[0][:1] == "v" and parts[0][1:2].isdigit():
        return parts[0], parts[1:]
    return LATEST, parts


def upgrade_headers(version: str, newer: str | None) -> dict[str, str]:
    """The headers that name the version of an answer. ``newer`` is the version that the call was upgraded to, if any.

    Meta also upgrades calls before the end of a version: seen live for v25 on 2026-09-08.
    """
    if newer is None:
        return {"facebook-api-version": version}
    warning = f"The call has been auto-upgraded to {newer} as {version} will be deprecated."
    return {"facebook-api-version": newer, "x-ad-api-version-warning": warning}
