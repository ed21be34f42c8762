"""What was restated of an account, and how its conversions come in, read from a published copy: small tables, never the history."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from adpulse.metrics import METRICS as CATALOGUE
from adpulse.restatement import METRICS, Lag, Restatement, lag_of
from storage.warehouse.analytics import read_together
from storage.warehouse.kept_answers import kept_for_each_copy
from storage.warehouse.sql import known_sum

WEEK = timedelta(days=7)

Changes = dict[str, tuple[int, date]]
"""By metric by how much it was restated, and on which day the last time."""

_NAMES = ", ".join(f"'{name}'" for name in METRICS)
RESTATED = f"""
    SELECT r.date, r.campaign_id, r.metric, sum(r.delta)::BIGINT AS delta, max(r.restated_on) AS restated_on
    FROM restated_days r
    WHERE r.connection_id = ? AND r.date BETWEEN ? AND ? AND r.metric IN ({_NAMES})
    GROUP BY ALL
"""  # noqa: S608 - our own text
"""What was restated of an account's days from one to another, by campaign."""

_SUMS = ", ".join(f"({known_sum(CATALOGUE[name], or_zero=True)} * 1000000)::BIGINT AS {name}" for name in METRICS)
_LATELY = f"""
    SELECT date, campaign_id, metric, sum(delta)::BIGINT AS delta, max(restated_on) AS restated_on
    FROM restated_days
    WHERE connection_id = ? AND restated_on > ? AND metric IN ({_NAMES})
    GROUP BY ALL
"""  # noqa: S608 - our own text
_CURRENT = f"""
    SELECT date, coalesce(campaign_id, '') AS campaign_id, any_value(campaign) AS campaign, {_SUMS}
    FROM daily
    WHERE connection_id = ? AND date IN (SELECT date FROM restated_days WHERE connection_id = ? AND restated_on > ?)
    GROUP BY ALL
"""  # noqa: S608 - our own text
_FOLLOWED = f"""
    SELECT metric, greatest(age_days, 0) AS age, sum(delta)::BIGINT AS delta
    FROM followed_days
    WHERE connection_id = ? AND metric IN ({_NAMES})
    GROUP BY ALL
"""  # noqa: S608 - our own text
_DAYS = "SELECT metric, count(DISTINCT date) AS days, max(date) AS until FROM followed_days WHERE connection_id = ? GROUP BY ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestatedDay:
    """A day, or a campaign's day, that was restated lately; ``campaign_id`` is None for all of the account's day."""

    date: date
    campaign_id: str | None
    campaign: str
    metrics: tuple[Restatement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restatements:
    """An account's restatements since ``since``, by day and by campaign's day, newest day first, and its curves.

    ``until`` is the last settled day of the curves; None while no day that was followed is settled.
    """

    since: date
    days: tuple[RestatedDay, ...]
    campaigns: tuple[RestatedDay, ...]
    lags: tuple[Lag, ...]
    until: date | None


def read_restatements(published: Path, connection_id: str, today: date) -> Restatements:
    """What was restated in the seven days up to ``today``, and how conversions come in; nothing before the first publication.

    Raises:
        Usage: an older adpulse published the copy.
        WarehouseDamaged: the copy cannot be read.
    """
    if not published.exists():
        return Restatements(since=today - WEEK, days=(), campaigns=(), lags=(), until=None)
    return _read(published, connection_id, today)


@kept_for_each_copy
def _read(published: Path, connection_id: str, today: date) -> Restatements:
    since, own = today - WEEK, [connection_id]
    queries = ((_LATELY, [*own, since]), (_CURRENT, [*own, *own, since]), (_FOLLOWED, own), (_DAYS, own))
    lately, current, followed, days = (table.to_pylist() for table in read_together(published, queries))
    return Restatements(
        since=since,
        days=_days(lately, current),
        campaigns=_campaigns(lately, current),
        lags=_lags(followed, {row["metric"]: row["days"] for row in days}),
        until=max((row["until"] for row in days), default=None),
    )


def changes_by(rows: Iterable[dict[str, Any]], *key: str) -> dict[tuple[Any, ...], Changes]:
    """Rows of RESTATED, added up for each value of these columns: by metric the change, and when it came last."""
    sums: dict[tuple[Any, ...], Changes] = defaultdict(dict)
    for row in rows:
        changes = sums[tuple(row[name] for name in key)]
        delta, on = changes.get(row["metric"], (0, row["restated_on"]))
        changes[row["metric"]] = delta + row["delta"], max(on, row["restated_on"])
    return sums


def restatements_of(changes: Changes, current: Mapping[str, int | None]) -> tuple[Restatement, ...]:
    """The metrics that are not what they were, with their values of now; without those that are unknown now."""
    return tuple(
        Restatement(metric=metric, before=after - delta, after=after, restated_on=on)
        for metric, (delta, on) in sorted(changes.items(), key=lambda change: METRICS.index(change[0]))
        if delta and (after := current.get(metric, 0)) is not None
    )


def _days(lately: list[dict[str, Any]], current: list[dict[str, Any]]) -> tuple[RestatedDay, ...]:
    """Newest first, each with the numbers of all campaigns."""
    wholes: dict[date, dict[str, int | None]] = defaultdict(lambda: dict.fromkeys(METRICS, 0))
    for row in current:
        whole = wholes[row["date"]]
        for metric in METRICS:
            so_far = whole[metric]
            whole[metric] = None if so_far is None or row[metric] is None else so_far + row[metric]
    changes = {day: restatements_of(of_day, wholes[day]) for (day,), of_day in changes_by(lately, "date").items()}
    return tuple(
        RestatedDay(date=day, campaign_id=None, campaign="", metrics=metrics)
        for day, metrics in sorted(changes.items(), reverse=True)
        if metrics
    )


def _campaigns(lately: list[dict[str, Any]], current: list[dict[str, Any]]) -> tuple[RestatedDay, ...]:
    """Newest first, and of a day by name."""
    known = {(row["date"], row["campaign_id"]): row for row in current}
    restated = []
    for key, changes in changes_by(lately, "date", "campaign_id").items():
        row = known.get(key, {})
        if metrics := restatements_of(changes, {metric: row.get(metric, 0) for metric in METRICS}):
            name = row.get("campaign") or key[1] or "not reported by campaign"
            restated.append(RestatedDay(date=key[0], campaign_id=key[1], campaign=name, metrics=metrics))
    return tuple(sorted(restated, key=lambda day: (-day.date.toordinal(), day.campaign)))


def _lags(followed: list[dict[str, Any]], days: Mapping[str, int]) -> tuple[Lag, ...]:
    deltas: dict[str, dict[int, int]] = defaultdict(dict)
    for row in followed:
        deltas[row["metric"]][row["age"]] = row["delta"]
    curves = (lag_of(metric, days[metric], deltas[metric]) for metric in METRICS if metric in deltas)
    return tuple(curve for curve in curves if curve)
