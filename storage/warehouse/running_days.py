"""The running days of a workspace's accounts, read from a published copy: small tables, never the history. For the page Today."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from adpulse.metrics import METRICS
from adpulse.restatement import METRICS as NUMBERS
from adpulse.running_day import HISTORY_DAYS, AccountDay, Numbers, Point, quarter_of
from storage.warehouse.analytics import read_together
from storage.warehouse.kept_answers import kept_for_each_copy, newest_kept_for_each_copy
from storage.warehouse.sql import known_sum, unknown_cost

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTH = timedelta(days=32)
"""Budgets are of the whole month, and the account's date may be a day behind; the courses need less."""

_ACCOUNTS = """
    SELECT c.id, c.name, c.currency, c.timezone, c.today, r.fresh_until, coalesce(r.settled, false) AS settled
    FROM (SELECT *, (? AT TIME ZONE timezone)::DATE AS today FROM connections) c
    LEFT JOIN read_days r ON r.connection_id = c.id AND r.level = 'leaf' AND r.date = c.today
"""
_ROWS = """
    SELECT connection_id, level, date, spend, revenue, conversions, purchases FROM metric_facts
    UNION ALL
    SELECT connection_id, 'unreported', date, spend, revenue, conversions, purchases FROM unreported
    UNION ALL
    SELECT connection_id, 'unreported', date, spend, revenue, conversions, purchases FROM not_by_campaign
"""
_SUMS = ", ".join(f"{known_sum(METRICS[name], or_zero=True)}::BIGINT AS {name}" for name in NUMBERS)
_DAYS = f"""
    SELECT connection_id, date, {_SUMS}, {unknown_cost()} AS cost_unknown
    FROM ({_ROWS})
    WHERE date >= ? {{of_account}}
    GROUP BY ALL
"""  # noqa: S608 - our own text
_GAPS = """
    SELECT DISTINCT g.connection_id, g.reason
    FROM day_gaps g
    JOIN connections c ON c.id = g.connection_id
    WHERE g.level = 'leaf' AND g.date = (? AT TIME ZONE c.timezone)::DATE {of_account}
    ORDER BY ALL
"""
_MOVED = """
    WITH today AS (
        SELECT p.connection_id, p.known_at, p.spend, last_value(p.spend) OVER whole AS last
        FROM intraday_points p
        JOIN connections c ON c.id = p.connection_id
        WHERE p.date = (? AT TIME ZONE c.timezone)::DATE
        WINDOW whole AS (PARTITION BY p.connection_id ORDER BY p.known_at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    )
    SELECT connection_id, min(known_at) AS moved_at FROM today WHERE spend = last GROUP BY connection_id
"""
# The two points of each earlier day around the hour of today's newest numbers: a time zone is worked out once for each day. Their instants
# are whole microseconds, because Arrow takes a tenth of a second to make datetimes of an agency's.
_AROUND = f"""
    WITH accounts AS ({_ACCOUNTS}), hours AS (
        SELECT id, today - ago::INTEGER AS date,
            ((today - ago::INTEGER) + (fresh_until AT TIME ZONE timezone)::TIME) AT TIME ZONE timezone AS hour
        FROM accounts, range(1, {HISTORY_DAYS + 1}) AS days (ago)
    )
    SELECT
        p.connection_id, p.date,
        epoch_us(max(p.known_at) FILTER (p.known_at <= h.hour)) AS before_at,
        arg_max(p.spend, p.known_at) FILTER (p.known_at <= h.hour) AS before,
        epoch_us(min(p.known_at) FILTER (p.known_at > h.hour)) AS after_at,
        arg_min(p.spend, p.known_at) FILTER (p.known_at > h.hour) AS after
    FROM intraday_points p
    JOIN hours h ON h.id = p.connection_id AND h.date = p.date
    GROUP BY p.connection_id, p.date
"""  # noqa: S608 - our own text
# Local hours by the offset that holds at the day's noon: where clocks change, the hours of that night before the change are one off.
_COURSES = f"""
    WITH accounts AS ({_ACCOUNTS}), days AS (
        SELECT
            id, currency, ago AS days_ago, today - ago AS date,
            epoch((today - ago) + TIME '12:00') - epoch(((today - ago) + TIME '12:00') AT TIME ZONE timezone) AS ahead
        FROM accounts, (VALUES (0), (1), (7)) AS days (ago)
    ), steps AS (
        SELECT
            d.currency, d.days_ago, ((epoch(p.known_at) + d.ahead)::BIGINT // 900 % 96 + 1)::INTEGER AS quarters,
            p.spend - coalesce(lag(p.spend) OVER (PARTITION BY p.connection_id, p.date ORDER BY p.known_at), 0) AS step
        FROM intraday_points p
        JOIN days d ON d.id = p.connection_id AND d.date = p.date
    )
    SELECT currency, days_ago, quarters, sum(step)::BIGINT AS step
    FROM steps
    GROUP BY ALL
    ORDER BY ALL
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Spend of a currency's accounts, so many days ago, up to the end of quarters of an hour of their local days: (quarters, micros)."""

    currency: str
    days_ago: int
    points: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningDays:
    """Every account of a published copy, and the courses of today, yesterday and a week ago."""

    accounts: tuple[AccountDay, ...]
    courses: tuple[Course, ...]


NOTHING = RunningDays(accounts=(), courses=())


def read_account_today(published: Path, connection_id: str, now: datetime) -> AccountDay | None:
    """One account's running day and its totals as of ``now``, without courses and without what moved; None where the copy lacks it.

    Raises:
        Usage: an older adpulse published the copy.
        WarehouseDamaged: the copy cannot be read.
    """
    return _read_account(published, connection_id, quarter_of(now)) if published.exists() else None


def read_running_days(published: Path, now: datetime) -> RunningDays:
    """The running days as of ``now`` (business time), by name; nothing before the first publication.

    Raises:
        Usage: an older adpulse published the copy.
        WarehouseDamaged: the copy cannot be read.
    """
    return _read(published, quarter_of(now)) if published.exists() else NOTHING


@newest_kept_for_each_copy
def _read(published: Path, now: datetime) -> RunningDays:
    """``now`` is the beginning of a quarter of an hour: until the next one every account's date is the same."""
    since = now.date() - _MONTH
    days_of, gaps_of = _DAYS.format(of_account=""), _GAPS.format(of_account="")
    queries = ((_ACCOUNTS, [now]), (days_of, [since]), (gaps_of, [now]), (_MOVED, [now]), (_AROUND, [now]), (_COURSES, [now]))
    accounts, days, gaps, moved, around, courses = (table.to_pylist() for table in read_together(published, queries))
    moved_at = {row["connection_id"]: row["moved_at"] for row in moved}
    numbers, points, lacks = _by_day(days), _points(around), _lacks(gaps)
    return RunningDays(
        accounts=tuple(
            _account(row, lacks[row["id"]], numbers[row["id"]], points[row["id"]], moved_at.get(row["id"]))
            for row in sorted(accounts, key=lambda row: (row["name"].casefold(), row["id"]))
        ),
        courses=_courses(courses),
    )


@kept_for_each_copy
def _read_account(published: Path, connection_id: str, now: datetime) -> AccountDay | None:
    """``now`` is the beginning of a quarter of an hour, as in :func:`_read`."""
    days_of, gaps_of = _DAYS.format(of_account="AND connection_id = ?"), _GAPS.format(of_account="AND g.connection_id = ?")
    own = f"{_ACCOUNTS} WHERE c.id = ?"
    queries = ((own, [now, connection_id]), (days_of, [now.date() - _MONTH, connection_id]), (gaps_of, [now, connection_id]))
    accounts, days, gaps = (table.to_pylist() for table in read_together(published, queries))
    numbers, lacks = _by_day(days), _lacks(gaps)
    return next((_account(row, lacks[connection_id], numbers[connection_id], {}, None) for row in accounts), None)


def _account(
    row: dict[str, Any], lacks: list[str], days: dict[date, Numbers], courses: Mapping[date, Sequence[Point]], moved_at: datetime | None
) -> AccountDay:
    """A row of _ACCOUNTS with what else is known of it."""
    return AccountDay(
        connection_id=row["id"],
        name=row["name"],
        currency=row["currency"],
        timezone=row["timezone"],
        today=row["today"],
        interval=None,
        fresh_until=row["fresh_until"],
        settled=row["settled"],
        lacks=tuple(lacks),
        moved_at=moved_at,
        days=days,
        courses=courses,
    )


def _lacks(rows: list[dict[str, Any]]) -> defaultdict[str, list[str]]:
    lacks = defaultdict[str, list[str]](list)
    for row in rows:
        lacks[row["connection_id"]].append(row["reason"])
    return lacks


def _by_day(rows: list[dict[str, Any]]) -> defaultdict[str, dict[date, Numbers]]:
    days = defaultdict[str, dict[date, Numbers]](dict)
    for row in rows:
        connection_id, day = row.pop("connection_id"), row.pop("date")
        days[connection_id][day] = Numbers(**row)
    return days


def _points(rows: list[dict[str, Any]]) -> defaultdict[str, defaultdict[date, list[Point]]]:
    points = defaultdict[str, defaultdict[date, list[Point]]](lambda: defaultdict(list))
    for row in rows:
        around = ((row["before_at"], row["before"]), (row["after_at"], row["after"]))
        points[row["connection_id"]][row["date"]] += [
            Point(at=_EPOCH + timedelta(microseconds=at), spend=spend) for at, spend in around if at is not None
        ]
    return points


def _courses(rows: list[dict[str, Any]]) -> tuple[Course, ...]:
    """Running totals of the steps, which are in order."""
    points = defaultdict[tuple[str, int], list[tuple[int, int]]](list)
    for row in rows:
        course = points[row["currency"], row["days_ago"]]
        course.append((row["quarters"], (course[-1][1] if course else 0) + row["step"]))
    return tuple(Course(currency=currency, days_ago=ago, points=tuple(course)) for (currency, ago), course in points.items())
