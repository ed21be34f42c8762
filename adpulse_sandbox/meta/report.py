"""Reports: which ads count in which row, and the sums of a row.

A row is a group of ads (an ad, an ad set, a campaign or the account) in a period. Its numbers are sums over the ads and days of the
group, which are called its cells; people are counted once for the whole row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from adpulse_sandbox.meta.actions import OF_ACTIONS, in_window
from adpulse_sandbox.meta.entities import property_of
from adpulse_sandbox.meta.report_fields import OF_VIDEO, Row, number, order, render
from adpulse_sandbox.meta.report_request import METRIC_FILTERS, Query
from adpulse_sandbox.meta.statuses import DELETED, HIDDEN_STATUSES
from adpulse_sandbox.meta.truth import Day, Truth, campaign_of, in_windows
from adpulse_sandbox.meta.windows import CLICKS, SERVED, VIEW
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Entity

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Count = TypeVar("Count", int, Numbers)
Render = Callable[[], dict[str, Any]]


def _people(day: Day) -> Numbers:
    return day.impressions - day.impressions // 4


QUANTITIES: Mapping[str, Callable[[Day], Numbers]] = {
    "rows": lambda day: day.delivered.astype(np.int64),
    "impressions": lambda day: day.impressions,
    "clicks": lambda day: day.clicks,
    "spend": lambda day: day.spend,
    "visitors": lambda day: day.visitors,
    "purchases": lambda day: day.purchases,
    "off_meta": lambda day: day.off_meta,
    "leads": lambda day: day.leads,
    "installs": lambda day: day.installs,
    "value": lambda day: day.purchases * day.order_value,
    "off_meta_value": lambda day: day.off_meta * day.order_value,
    "link_clicks": lambda day: day.clicks * 4 // 5,
    "outbound_clicks": lambda day: day.clicks * 3 // 5,
    "views": lambda day: day.impressions // 5,
}
"""The quantities of a cell that add up: clicks and views of an ad's day, from the truth of that day."""

_VIDEO: Mapping[str, int] = {
    "video_play_actions": 2,
    "video_p25_watched_actions": 5,
    "video_15_sec_watched_actions": 8,
    "video_thruplay_watched_actions": 9,
    "video_p50_watched_actions": 10,
    "video_p75_watched_actions": 14,
    "video_30_sec_watched_actions": 16,
    "video_p95_watched_actions": 18,
    "video_p100_watched_actions": 20,
}
"""One view of so many impressions."""

PEOPLE: Mapping[str, Callable[[Day], Numbers]] = {
    "reach": _people,
    "unique_clicks": lambda day: np.minimum(day.clicks - day.clicks // 10, _people(day)),
    "unique_link_clicks": lambda day: np.minimum(day.clicks * 4 // 5 - day.clicks * 4 // 5 // 10, _people(day)),
    "unique_outbound_clicks": lambda day: np.minimum(day.clicks * 3 // 5 - day.clicks * 3 // 5 // 10, _people(day)),
}
"""The people of a cell. Those of several cells overlap: see ``unique_people``."""


@dataclass(frozen=True, slots=True)
class _Period:
    """The sums of a period by quantity, and the largest cell of each kind of people; an element per group."""

    since: date
    until: date
    sums: Mapping[str, Numbers]
    largest: Mapping[str, Numbers]


class Report:
    """The rows of an answer. Only the rows that a page shows are rendered."""

    def __init__(self, truth: Truth, query: Query, as_of: datetime) -> None:
        self._truth, self._query, self._as_of = truth, query, as_of
        self._extra = _extra(query)
        self._group_of_ad = _groups(query, as_of)
        # Reversed, so that a group is represented by its first ad.
        self._members = {group: query.account.ads[index] for index, group in reversed(self._group_of_ad.items())}
        self._owners = np.full(len(query.account.ads), -1)
        for index, group in self._group_of_ad.items():
            self._owners[index] = group

    def rows(self) -> list[Render]:
        """The rows in order, as functions that render them."""
        rows = [row for period in self._periods for _, row in self._rows(period)]
        for field, descending in reversed(self._query.sort):
            rows.sort(key=lambda row: order(row, field), reverse=descending)
        return [lambda row=row: render(row) for row in rows]  # type: ignore[misc] # mypy cannot infer lambdas with defaults

    def summary(self) -> dict[str, Any]:
        """The requested fields of all rows together, people counted once."""
        query = replace(self._query, level="account", fields=dict.fromkeys(self._query.summary))
        total = dict.fromkeys((*QUANTITIES, *PEOPLE, *self._extra), 0)
        largest = dict.fromkeys(PEOPLE, 0)
        for period in self._periods:
            groups = [group for group, _ in self._rows(period)]
            total = {name: total[name] + int(column[groups].sum()) for name, column in period.sums.items()}
            largest = {name: max(largest[name], int(column[groups].max(initial=0))) for name, column in period.largest.items()}
        if not total["rows"]:
            return {}
        values = _with_people(total, largest)
        since, until = self._query.span
        return render(
            Row(query=query, member=next(iter(self._members.values())), values=values, since=since, until=until, as_of=self._as_of)
        )

    @cached_property
    def _periods(self) -> list[_Period]:
        count = max(self._group_of_ad.values(), default=-1) + 1
        return [
            _Period(since, until, *_sums(self._days(since, until), self._owners, count, self._extra))
            for since, until in self._query.periods
        ]

    def _days(self, since: date, until: date) -> Iterator[Day]:
        account_id = self._query.account.id
        return (self._truth.day_of(account_id, since + timedelta(days=n), self._as_of) for n in range((until - since).days + 1))

    def _rows(self, period: _Period) -> Iterator[tuple[int, Row]]:
        """The rows of a period that meet the filters, each with its group."""
        columns = _with_people(period.sums, period.largest)
        for group in np.flatnonzero(period.sums["rows"]).tolist():
            values = {name: int(column[group]) for name, column in columns.items()}
            row = Row(
                query=self._query, member=self._members[group], values=values, since=period.since, until=period.until, as_of=self._as_of
            )
            if _meets_filters(row):
                yield group, row


def _extra(query: Query) -> Mapping[str, Callable[[Day], Numbers]]:
    """Quantities that are summed only for reports that ask for them: of videos, and of attribution windows."""
    fields = (*query.fields, *query.summary, *(field for field, _ in query.sort))
    with_video = any(name.startswith("video") or name in OF_VIDEO for name in fields)
    video = {name: _views_of_video(share) for name, share in _VIDEO.items()} if with_video else {}
    windows = [window for window in query.windows if window in SERVED]
    return video | {in_window(name, window): _of_window(query.account, name, window) for window in windows for name in OF_ACTIONS}


def _views_of_video(share: int) -> Callable[[Day], Numbers]:
    return lambda day: day.impressions // share


def _of_window(account: Account, name: str, window: str) -> Callable[[Day], Numbers]:
    """A quantity as one attribution window counts it. Clicks count in each click window, views in that of views."""
    shares = {"clicks": window in CLICKS, "link_clicks": window in CLICKS, "views": window == VIEW}
    return lambda day: QUANTITIES[name](in_windows(day, account, (window,))) * shares.get(name, True)


def _columns(day: Day, extra: Mapping[str, Callable[[Day], Numbers]]) -> dict[str, Numbers]:
    return {name: of_day(day) for name, of_day in {**QUANTITIES, **PEOPLE, **extra}.items()}


def _sums(
    days: Iterator[Day], owners: Numbers, count: int, extra: Mapping[str, Callable[[Day], Numbers]]
) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
    """The sums of each group by quantity, and the largest cells of each kind of people."""
    sums = {name: np.zeros(count, dtype=np.int64) for name in (*QUANTITIES, *PEOPLE, *extra)}
    largest = {name: np.zeros(count, dtype=np.int64) for name in PEOPLE}
    inside = owners >= 0
    for day in days:
        chosen = inside & day.delivered
        for name, values in _columns(day, extra).items():
            np.add.at(sums[name], owners[chosen], values[chosen].astype(np.int64))
            if name in largest:
                np.maximum.at(largest[name], owners[chosen], values[chosen].astype(np.int64))
    return sums, largest


def _with_people(sums: Mapping[str, Count], largest: Mapping[str, Count]) -> dict[str, Count]:
    """The sums with people counted once."""
    return {**sums, **{name: unique_people(cell, sums[name]) for name, cell in largest.items()}}


def unique_people(largest: Count, total: Count) -> Count:
    """How many people several cells have together, from the largest cell and the sum of all.

    However the cells are divided into parts, the people of the whole are at least those of any part and at most those of all parts.
    """
    return largest + -(-2 * (total - largest) // 5)


def _meets_filters(row: Row) -> bool:
    conditions = row.query.conditions
    return all(condition.holds(number(row, field)) for condition in conditions if (field := _metric(condition.field)))


def _metric(field: str) -> str | None:
    name = field.rpartition(".")[2]
    return name if name in METRIC_FILTERS else None


def _groups(query: Query, as_of: datetime) -> dict[int, int]:
    """For each ad, by index, the group of the answer that it counts in. Ads that do not count are absent."""
    numbers: dict[str, int] = {}
    group_of_ad = {}
    for ad in query.account.ads:
        if ad.created_at > as_of or not _is_counted(query, ad, as_of):
            continue
        node = {AD: ad, AD_SET: ad.parent, CAMPAIGN: campaign_of(ad)}.get(query.level)
        group_of_ad[ad.index] = numbers.setdefault(node.id if node else "account", len(numbers))
    return group_of_ad


def _is_counted(query: Query, ad: Entity, as_of: datetime) -> bool:
    ancestry = {AD: ad, AD_SET: ad.parent, CAMPAIGN: campaign_of(ad)}
    if query.scope and query.scope not in ancestry.values():
        return False
    for level, entity in ancestry.items():
        assert entity is not None  # noqa: S101 - every ad has an ad set and a campaign
        for condition in query.conditions:
            value = _property(condition.field, level, entity, as_of)
            if value is not None and not condition.holds(value):
                return False
        if level == query.level and entity is not query.scope and not _has_own_row(query, entity, as_of):
            return False
    return True


def _property(field: str, level: str, entity: Entity, as_of: datetime) -> str | None:
    """The entity's value that a filter is about; None if it is about something else."""
    prefix, _, name = field.rpartition(".")
    if prefix != level or name in METRIC_FILTERS:
        return None
    return str(property_of(entity, name, as_of))


def _has_own_row(query: Query, entity: Entity, as_of: datetime) -> bool:
    """Whether an object is reported by itself: an archived one only if the request filters by status, a deleted one in few accounts.

    Both count in the numbers of their parents.
    """
    status = entity.effective_status(as_of)
    if status == DELETED and not query.account.spec.reports_deleted:
        return False
    by_status: Sequence[str] = (f"{entity.level}.effective_status", f"{entity.level}.delivery_info")
    return status not in HIDDEN_STATUSES or any(condition.field in by_status for condition in query.conditions)
