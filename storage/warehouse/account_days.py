"""An account's days and what they are made of, read from a published copy: current numbers, never the history. For the account's page."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from adpulse.metrics import METRICS
from adpulse.restatement import METRICS as NUMBERS
from adpulse.restatement import Restatement
from adpulse.running_day import DAY, Numbers
from storage.warehouse.analytics import read_together
from storage.warehouse.expected_finals import EXPECTED, ExpectedFinal, expected_by_day
from storage.warehouse.kept_answers import kept_for_each_copy
from storage.warehouse.restated_days import RESTATED, Changes, changes_by, restatements_of
from storage.warehouse.sql import known_sum, unknown_cost

SHOWN_DAYS = 90


def _sums(alias: str, within: str = "") -> str:
    sums = {name: known_sum(METRICS[name], of=alias, within=within, or_zero=True) for name in NUMBERS}
    columns = [f"({total} * 1000000)::BIGINT AS {name}" for name, total in sums.items()]
    return ", ".join([*columns, f"{unknown_cost(alias, within)} AS cost_unknown"])


_DAYS = f"""
    SELECT d.date, {_sums("d.")}
    FROM daily d
    WHERE d.connection_id = ? AND d.date BETWEEN ? AND ? {{within}}
    GROUP BY d.date
"""  # noqa: S608 - our own text
_READ = "SELECT date, fresh_until, settled FROM read_days WHERE connection_id = ? AND level = 'leaf' AND date BETWEEN ? AND ?"
_LACKS = "SELECT DISTINCT date, reason FROM day_gaps WHERE connection_id = ? AND level = 'leaf' AND date BETWEEN ? AND ? ORDER BY ALL"
# A row without an id is what the platform reports for the entity above, and for nothing below it.
_PARTS = f"""
    WITH rows AS (
        SELECT d.*, {{key}} AS id, d.date >= ? AS of_period
        FROM daily d
        WHERE d.connection_id = ? AND d.date BETWEEN ? AND ? {{within}}
    )
    SELECT r.id, any_value(k.level) AS level, any_value(k.name) AS name, any_value(k.status) AS status,
        {_sums("r.", " FILTER (r.of_period)")}, coalesce((sum(r.spend) FILTER (NOT r.of_period) * 1000000)::BIGINT, 0) AS spend_before
    FROM rows r
    LEFT JOIN known_entities k ON k.connection_id = r.connection_id AND k.external_id = r.id AND k.level IN {{levels}}
    GROUP BY r.id
"""  # noqa: S608 - our own text
_LEAVES = "('ad', 'asset_group')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of an account, or of a place in it; ``fresh_until`` is None where it was not read.

    Of ad sets nothing is noted as restated, and nothing is expected.
    """

    date: date
    numbers: Numbers
    fresh_until: datetime | None
    settled: bool
    lacks: tuple[str, ...]
    restated: tuple[Restatement, ...]
    expected: tuple[ExpectedFinal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An entity's numbers of a period, and its spend of the period before.

    Without an ``id`` it is what the platform reports above and for nothing below.
    """

    id: str | None
    level: str | None
    name: str
    status: str | None
    numbers: Numbers
    spend_before: int
    restated: tuple[Restatement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the account parts are shown: all campaigns, what is in a campaign, or what is in an ad set of it."""

    campaign: str | None = None
    ad_set: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDays:
    """The days of a place up to today, oldest first, and the parts of the last ``period`` of them."""

    days: tuple[Day, ...]
    parts: tuple[Part, ...]
    names: Mapping[str, str]


NOTHING = AccountDays(days=(), parts=(), names={})


def read_account_days(published: Path, connection_id: str, today: date, period: int, place: Place) -> AccountDays:
    """The last 90 days, and the parts at a place over the last ``period`` days, today included, and as many before; or nothing yet.

    Raises:
        Usage: an older adpulse published the copy.
        WarehouseDamaged: the copy cannot be read.
    """
    return _read(published, connection_id, today, period, place) if published.exists() else NOTHING


@kept_for_each_copy
def _read(published: Path, connection_id: str, today: date, period: int, place: Place) -> AccountDays:
    span = [connection_id, today - (SHOWN_DAYS - 1) * DAY, today]
    names = [connection_id, place.campaign, place.ad_set]
    named = "SELECT external_id, name FROM known_entities WHERE connection_id = ? AND external_id IN (?, ?)"
    queries = (
        _of_days(span, place),
        (_READ, span),
        (_LACKS, span),
        _parts(connection_id, today, period, place),
        (named, names),
        (RESTATED, span),
        *(() if place.ad_set else ((EXPECTED, [connection_id, place.campaign, place.campaign]),)),  # of an ad set nothing is expected
    )
    days, read, lacks, parts, above, restated, *expected = (table.to_pylist() for table in read_together(published, queries))
    of_period = [row for row in restated if row["date"] > today - period * DAY]
    by_campaign = {} if place.campaign else {campaign: changes for (campaign,), changes in changes_by(of_period, "campaign_id").items()}
    return AccountDays(
        days=_days(today, days, read, lacks, _of_place(restated, place), expected_by_day(chain.from_iterable(expected))),
        parts=tuple(
            _part(row, by_campaign.get(row["id"] or "", {}))
            for row in parts
            if row["id"] is not None or row["spend"] or row["spend_before"]
        ),
        names={row["external_id"]: row["name"] or row["external_id"] for row in above},
    )


def _parts(connection_id: str, today: date, period: int, place: Place) -> tuple[str, list[object]]:
    since, before = today - (period - 1) * DAY, today - (2 * period - 1) * DAY
    key, within, values, levels = "d.campaign_id", "", [], "('campaign')"
    if place.ad_set is not None:
        key, levels = "nullif(d.external_id, '')", _LEAVES
        within, values = "AND d.campaign_id = ? AND d.ad_set_id = ?", [place.campaign, place.ad_set]
    elif place.campaign is not None:
        key, levels = "coalesce(d.ad_set_id, nullif(d.external_id, ''))", "('adset', 'ad_group', 'asset_group')"
        within, values = "AND d.campaign_id = ?", [place.campaign]
    query = _PARTS.format(key=key, within=within, levels=levels)
    return query, [since, connection_id, before, today, *values]


def _part(row: dict[str, Any], changes: Changes) -> Part:
    numbers = Numbers(**{name: row[name] for name in (*NUMBERS, "cost_unknown")})
    name = row["name"] or row["id"] or "not reported below"
    restated = restatements_of(changes, asdict(numbers))
    return Part(
        id=row["id"],
        level=row["level"],
        name=name,
        status=row["status"],
        numbers=numbers,
        spend_before=row["spend_before"],
        restated=restated,
    )


def _of_days(span: list[object], place: Place) -> tuple[str, list[object]]:
    chosen = {"d.campaign_id": place.campaign, "d.ad_set_id": place.ad_set}
    within = [(column, value) for column, value in chosen.items() if value is not None]
    return _DAYS.format(within="".join(f"AND {column} = ? " for column, _ in within)), [*span, *(value for _, value in within)]


def _of_place(restated: list[dict[str, Any]], place: Place) -> list[dict[str, Any]]:
    if place.ad_set is not None:
        return []
    return [row for row in restated if place.campaign in (None, row["campaign_id"])]


def _days(
    today: date,
    rows: list[dict[str, Any]],
    read: list[dict[str, Any]],
    lacks: list[dict[str, Any]],
    restated: list[dict[str, Any]],
    expected: Mapping[date, tuple[ExpectedFinal, ...]],
) -> tuple[Day, ...]:
    numbers = {row.pop("date"): Numbers(**row) for row in rows}
    notes = {row["date"]: row for row in read}
    reasons: dict[date, list[str]] = {}
    for row in lacks:
        reasons.setdefault(row["date"], []).append(row["reason"])
    changes = changes_by(restated, "date")
    first = min((*numbers, *notes), default=today)
    return tuple(
        Day(
            date=day,
            numbers=numbers.get(day, Numbers()),
            fresh_until=notes[day]["fresh_until"] if day in notes else None,
            settled=day in notes and notes[day]["settled"],
            lacks=tuple(reasons.get(day, ())),
            restated=restatements_of(changes.get((day,), {}), asdict(numbers.get(day, Numbers()))),
            expected=expected.get(day, ()),
        )
        for day in (first + timedelta(days=ago) for ago in range((today - first).days + 1))
    )


def share(part: Part, parts: tuple[Part, ...]) -> Decimal | None:
    """The part's share of the spend of all parts; None where nothing was spent."""
    whole = sum(other.numbers.spend for other in parts)
    return Decimal(part.numbers.spend) / whole if whole else None
