"""The true numbers of Google's customers: a pure function of customer, day and the instant of the request.

Delivery accrues over the customer's local day and is refreshed in steps. Conversions count on the day of the click, or by another metric
on the day on which they happen, and arrive up to 85 days later; after three days some clicks turn out invalid and their cost is
credited; after ten some purchases are retracted. Conversions are fractional, in whole millionths, so that sums can be compared exactly.
The ten metrics are implemented here from their definitions, independently of the product, which is compared with them.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adpulse_sandbox.google import catalogue
from adpulse_sandbox.google.days import days
from adpulse_sandbox.google.world import AD, AD_GROUP, ASSET_GROUP, CAMPAIGN, Customer, GoogleWorld, Node
from adpulse_sandbox.meta.truth import METRICS, REFRESH_SECONDS
from adpulse_sandbox.meta.world import ACCOUNT

LEADS = ("SUBMIT_LEAD_FORM", "PHONE_CALL_LEAD", "MESSAGE_LEAD", "BOOK_APPOINTMENT", "REQUEST_QUOTE", "CONTACT")
LAGS_DAYS = (0, 1, 3, 7, 14, 30, 60, 85)
_LAG_SHARES = (0.55, 0.16, 0.11, 0.07, 0.05, 0.03, 0.02, 0.01)
_INVALID_AFTER, _RETRACTED_AFTER = 3, 10
_MICROS = 1_000_000
_CACHED_DAYS = 128
"""A day of 5,000 ads takes 1-2 MB."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of a customer as of an instant: arrays with a column per leaf; conversions and their value have a row per action.

    Money and conversions are in millionths.
    """

    impressions: Ints
    clicks: Ints
    cost: Ints
    views: Ints
    conversions: Ints
    value: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class _FullDay:
    """The final numbers of a day on which every leaf delivers from midnight to midnight, as drawn from the random generator."""

    delivery: dict[str, Floats]
    counts: npt.NDArray[np.int32]
    """The number of conversions by action, leaf and lag."""
    credit: Ints
    """The credit per conversion in millionths, by action and leaf."""
    order_value: Ints
    retracted: npt.NDArray[np.bool_]
    invalid: npt.NDArray[np.bool_]


class GoogleTruth:
    """The true numbers of Google's world, which the platform refreshes every ``refresh_seconds``."""

    def __init__(self, world: GoogleWorld, seed: int, refresh_seconds: int = REFRESH_SECONDS) -> None:
        self._world, self._seed, self._refresh_seconds = world, seed, refresh_seconds
        self._day = lru_cache(maxsize=_CACHED_DAYS)(self._compute)
        self._final = lru_cache(maxsize=_CACHED_DAYS // 2)(self._draw)
        self._dated = lru_cache(maxsize=_CACHED_DAYS)(self._compute_dated)
        self._reported: Callable[[str, date, datetime], Day] = self.day_of

    def by_conversion_date(self) -> "GoogleTruth":
        """The same truth with conversions on the day on which they happened, instead of that of the click."""
        truth = copy(self)
        truth._reported = truth.dated_day_of  # noqa: SLF001 - of the same class
        return truth

    def customer(self, customer_id: str) -> Customer:
        """The customer with this id.

        Raises:
            KeyError: there is no such customer.
        """
        return self._world.customers[customer_id]

    def forget(self) -> None:
        """Clear the caches, because a customer has changed."""
        self._day.cache_clear()
        self._final.cache_clear()
        self._dated.cache_clear()

    def day_of(self, customer_id: str, day: date, as_of: datetime, hours: int | None = None) -> Day:
        """The day as the platform reports it at ``as_of``: the whole day, or the clicks of its first ``hours``."""
        step = int(as_of.timestamp()) // self._refresh_seconds * self._refresh_seconds
        return self._day(customer_id, day, step, hours)

    def dated_day_of(self, customer_id: str, day: date, as_of: datetime, hours: int | None = None) -> Day:
        """The same with the conversions that happened on the day, whenever their clicks were."""
        step = int(as_of.timestamp()) // self._refresh_seconds * self._refresh_seconds
        return self._dated(customer_id, day, step, hours)

    def metrics(self, customer_id: str, since: date, until: date, as_of: datetime, margin: Decimal = Decimal(1)) -> pa.Table:
        """Rows of ads and asset groups, both days included: external_account, level, external_id, campaign_id, date and the ten metrics."""
        customer, rows = self.customer(customer_id), []
        levels = {AD: "ad", ASSET_GROUP: "asset_group"}
        for day in days(since, until):
            columns = _metric_columns(customer, self._reported(customer_id, day, as_of), margin)
            for index, leaf in enumerate(customer.leaves):
                if leaf.kind in levels and any(column[index] for column in columns):
                    owner = leaf.refs[CAMPAIGN]
                    rows.append((customer_id, levels[leaf.kind], str(leaf.id), str(owner.id), day, *(column[index] for column in columns)))
        return _table(rows)

    def totals(self, customer_id: str, since: date, until: date, as_of: datetime, margin: Decimal = Decimal(1)) -> pa.Table:
        """Rows of campaigns, which include leaves that have no rows of their own."""
        customer, rows = self.customer(customer_id), []
        owner = [campaign_of(leaf) for leaf in customer.leaves]
        for day in days(since, until):
            columns = _metric_columns(customer, self._reported(customer_id, day, as_of), Decimal(1))
            sums = {campaign: [0] * len(METRICS) for campaign in customer.of(CAMPAIGN)}
            for index, campaign in enumerate(owner):
                sums[campaign] = [total + column[index] for total, column in zip(sums[campaign], columns, strict=True)]
            for campaign, values in sums.items():
                values[-1] = _profit(values[METRICS.index("revenue")], values[METRICS.index("spend")], margin)
                if any(values):
                    rows.append((customer_id, CAMPAIGN, str(campaign.id), str(campaign.id), day, *values))
        return _table(rows)

    def account_totals(self, customer_id: str, since: date, until: date, as_of: datetime, margin: Decimal = Decimal(1)) -> pa.Table:
        """Rows of the whole customer."""
        customer, rows = self.customer(customer_id), []
        for day in days(since, until):
            columns = _metric_columns(customer, self._reported(customer_id, day, as_of), Decimal(1))
            values = [sum(column) for column in columns]
            values[-1] = _profit(values[METRICS.index("revenue")], values[METRICS.index("spend")], margin)
            if any(values):
                rows.append((customer_id, ACCOUNT, customer_id, "", day, *values))
        return _table(rows)

    def entities(self, customer_id: str, as_of: datetime) -> pa.Table:
        """Every entity that exists or existed at ``as_of``: level, external_id, parent_id, name, effective_status, deleted_at.

        An ad without a name is called by its first headline, else by its type and id.
        """
        customer = self.customer(customer_id)
        names = {CAMPAIGN: "campaign", AD_GROUP: "ad_group", AD: "ad", ASSET_GROUP: "asset_group"}
        entities = [node for kind in names for node in customer.existing(kind, as_of)]
        removed = [next((c.at for c in node.changes if c.status == "REMOVED" and c.at <= as_of), None) for node in entities]
        return pa.table(
            {
                "level": [names[node.kind] for node in entities],
                "external_id": [str(node.id) for node in entities],
                "parent_id": pa.array([str(node.parent.id) if node.parent else None for node in entities], pa.string()),
                "name": [node.name_at(as_of) or _substitute_name(node) for node in entities],
                "effective_status": [node.status(as_of) for node in entities],
                "deleted_at": pa.array(removed, pa.timestamp("us", "UTC")),
            }
        )

    def _compute(self, customer_id: str, day: date, step: int, hours: int | None) -> Day:
        customer, final = self.customer(customer_id), self._final(customer_id, day)
        start, end = _midnight(customer, day), _midnight(customer, day + timedelta(days=1))
        now = datetime.fromtimestamp(step, UTC)
        until = now if hours is None else min(now, start + timedelta(hours=hours))
        share = _share(customer, start, (end - start).total_seconds(), until)
        age = (now - start) / timedelta(days=1)
        parts = _delivered(final.delivery, share)
        if age >= _INVALID_AFTER:
            for name in ("clicks", "cost"):
                parts[name] -= parts[name] // 10 * final.invalid
        counts = final.counts[:, :, 0] + sum(
            (final.counts[:, :, n] for n, lag in enumerate(LAGS_DAYS) if lag and age >= lag + 0.4), np.int64(0)
        )
        arrived = np.floor(counts * share).astype(np.int64)
        if age >= _RETRACTED_AFTER:
            arrived -= (arrived + 1) // 3 * final.retracted
        conversions = arrived * final.credit
        value = arrived * (final.order_value * final.credit // _MICROS)
        return Day(**parts, conversions=conversions, value=value)

    def _compute_dated(self, customer_id: str, day: date, step: int, hours: int | None) -> Day:
        customer, start = self.customer(customer_id), _midnight(self.customer(customer_id), day)
        now = datetime.fromtimestamp(step, UTC)
        until = now if hours is None else min(now, start + timedelta(hours=hours))
        clicked = self.day_of(customer_id, day, now, hours)
        conversions, value = np.zeros_like(clicked.conversions), np.zeros_like(clicked.value)
        for number, lag in enumerate(LAGS_DAYS):
            click_day = day - timedelta(days=lag)
            begin, end = _midnight(customer, click_day), _midnight(customer, click_day + timedelta(days=1))
            if (until - begin) / timedelta(days=1) < (lag and lag + 0.4):
                continue
            final = self._final(customer_id, click_day)
            share = _share(customer, begin, (end - begin).total_seconds(), until)
            arrived = np.floor(final.counts[:, :, number] * share).astype(np.int64)
            if (now - begin) / timedelta(days=1) >= _RETRACTED_AFTER:
                arrived -= (arrived + 1) // 3 * final.retracted
            conversions += arrived * final.credit
            value += arrived * (final.order_value * final.credit // _MICROS)
        return replace(clicked, conversions=conversions, value=value)

    def _draw(self, customer_id: str, day: date) -> _FullDay:
        """Draw the final numbers of a whole day, independently of the time of the request."""
        customer = self.customer(customer_id)
        number, count = customer.spec.number, len(customer.leaves)
        rng = np.random.Generator(np.random.Philox(key=[self._seed * 1_000_003 + 7_000 + number, day.toordinal()]))
        # The scale has a generator of its own, without the day: a large leaf is large on every day.
        scale = np.random.Generator(np.random.Philox(key=[self._seed, 8_000 + number])).lognormal(6.0, 0.9, count)
        idle = rng.random(count) < 0.06  # noqa: PLR2004 - on some days a leaf wins no auction
        channels = [catalogue.CHANNELS[channel_of(leaf)] for leaf in customer.leaves]
        impressions = np.floor(scale * rng.lognormal(0, 0.3, count)) * ~idle
        clicks = rng.binomial(impressions.astype(np.int64), np.array([channel.click_rate for channel in channels]))
        price = np.array([channel.click_cost for channel in channels]) * rng.lognormal(0, 0.25, count)
        viewed = np.array([channel.viewed for channel in channels], dtype=np.bool_)
        happens = _happens(customer)
        totals = np.stack([rng.binomial(clicks, action.rate) * happens[n] for n, action in enumerate(customer.actions)])
        whole = np.array([action.whole for action in customer.actions])[:, np.newaxis]
        valued = np.array([action.valued for action in customer.actions])[:, np.newaxis]
        credit = np.where(whole, _MICROS, rng.integers(400_000, _MICROS + 1, totals.shape))
        return _FullDay(
            delivery={
                "impressions": impressions,
                "clicks": clicks.astype(float),
                "cost": np.floor(clicks * price * 100) * 10_000,
                "views": np.floor(impressions * 0.31) * viewed,
            },
            counts=rng.multinomial(totals, _LAG_SHARES).astype(np.int32),
            credit=credit.astype(np.int64),
            order_value=rng.integers(900, 18_000, totals.shape) * 10_000 * valued,
            retracted=rng.random(totals.shape) < 0.08,  # noqa: PLR2004 - a share of the leaf-days
            invalid=rng.random(count) < 0.05,  # noqa: PLR2004 - a share of the leaf-days
        )


def campaign_of(leaf: Node) -> Node:
    """The campaign of a leaf, which may be the leaf itself."""
    return leaf if leaf.kind == CAMPAIGN else leaf.refs[CAMPAIGN]


def _substitute_name(ad: Node) -> str:
    headlines = ad.facts.get("ad.responsive_search_ad.headlines")
    if headlines:
        return str(headlines[0]["text"])
    words = str(ad.facts["ad.type"]).lower().split("_")
    return f"{words[0].capitalize()} {' '.join([*words[1:], str(ad.id)])}"


def channel_of(leaf: Node) -> str:
    """The channel of a leaf's campaign."""
    channel: str = campaign_of(leaf).facts["advertising_channel_type"]
    return channel


def _midnight(customer: Customer, day: date) -> datetime:
    return datetime.combine(day, time(), customer.zone).astimezone(UTC)


def _curve(part: Floats) -> Floats:
    """The share of a day's delivery that has accrued after a part of the day: slow at night, monotone."""
    clipped = np.clip(part, 0.0, 1.0)
    curved: Floats = clipped - np.sin(2 * np.pi * clipped) / (2 * np.pi)
    return curved


@lru_cache(maxsize=32)
def _windows(customer: Customer) -> tuple[Floats, Floats]:
    """When each leaf begins and stops delivering, as POSIX seconds."""
    never = datetime.max.replace(tzinfo=UTC)
    begins = np.array([leaf.created_at.timestamp() for leaf in customer.leaves])
    return begins, np.array([(leaf.stops_at or never).timestamp() for leaf in customer.leaves])


@lru_cache(maxsize=32)
def _happens(customer: Customer) -> npt.NDArray[np.bool_]:
    """Whether a conversion action (row) happens with a leaf (column)."""
    channels = [channel_of(leaf) for leaf in customer.leaves]
    rows = [[not action.channels or channel in action.channels for channel in channels] for action in customer.actions]
    return np.array(rows, dtype=np.bool_).reshape(len(customer.actions), len(channels))


def _share(customer: Customer, start: datetime, length: float, until: datetime) -> Floats:
    begins, ends = (instants - start.timestamp() for instants in _windows(customer))
    elapsed = (until - start).total_seconds()
    return np.maximum(_curve(np.minimum(ends, elapsed) / length) - _curve(np.minimum(begins, elapsed) / length), 0.0)


def _delivered(whole: Mapping[str, Floats], share: Floats) -> dict[str, Ints]:
    """What was delivered so far. Everything follows the impressions, so that nothing costs or is clicked without one, in no hour either."""
    impressions = np.floor(whole["impressions"] * share).astype(np.int64)
    of_all = np.maximum(whole["impressions"], 1).astype(np.int64)
    return {name: quantity.astype(np.int64) * impressions // of_all for name, quantity in whole.items()}


def _profit(revenue: int, spend: int, margin: Decimal) -> int:
    return int((Decimal(revenue) * margin).quantize(Decimal(1), ROUND_HALF_EVEN)) - spend


def _metric_columns(customer: Customer, day: Day, margin: Decimal) -> list[list[int]]:
    """The ten metrics in the order of ``METRICS``, a list per metric with an int per leaf."""
    primary = np.array([action.primary for action in customer.actions])

    def of(*categories: str) -> list[int]:
        wanted = primary & np.array([action.category in categories for action in customer.actions])
        counted: list[int] = day.conversions[wanted].sum(axis=0).tolist()
        return counted

    spend, revenue = day.cost.tolist(), day.value[primary].sum(axis=0).tolist()
    return [
        day.impressions.tolist(),
        day.clicks.tolist(),
        spend,
        day.conversions[primary].sum(axis=0).tolist(),
        revenue,
        of(*LEADS),
        of("DOWNLOAD"),
        of("PURCHASE"),
        of("PAGE_VIEW"),
        [_profit(earned, paid, margin) for earned, paid in zip(revenue, spend, strict=True)],
    ]


def _table(rows: list[tuple[object, ...]]) -> pa.Table:
    schema = pa.schema(
        [
            *(pa.field(name, pa.string()) for name in ("external_account", "level", "external_id", "campaign_id")),
            pa.field("date", pa.date32()),
            *(pa.field(name, pa.int64()) for name in METRICS),
        ]
    )
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)
