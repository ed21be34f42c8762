"""What the platform would answer: a pure function of account, day and the instant it is asked.

Delivery accrues over the account's local day and is refreshed in steps, of 15 minutes by default. Conversions arrive late, some are
retracted, and a few ad-days are taken back whole as invalid traffic. Whatever happens to a day happens before local
midnight 28 days later; then the day is final. The rules of the ten metrics are implemented here anew, from their
definition, because this is what the product is measured against.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Entity, World

METRICS = ("impressions", "clicks", "spend", "conversions", "revenue", "leads", "installs", "purchases", "visitors", "profit")
ACTION_METRICS = ("conversions", "revenue", "leads", "installs", "purchases", "visitors", "profit")
REFRESH_SECONDS = 900
LAGS_DAYS = (0, 1, 3, 7, 14, 27)
_LAG_SHARES = (0.62, 0.16, 0.1, 0.06, 0.04, 0.02)
_RETRACTED_AFTER, _INVALID_AFTER = 10, 5

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One account's day as of an instant: an array per quantity, one element per ad of the account."""

    impressions: Ints
    clicks: Ints
    spend: Ints
    """Minor units."""
    purchases: Ints
    off_meta: Ints
    """Of the purchases, those the pixel saw; the others happened on Meta."""
    order_value: Ints
    """Minor units of one purchase."""
    leads: Ints
    installs: Ints
    visitors: Ints
    reported: npt.NDArray[np.bool_]
    """Whether there is a row at ad level: some delivery, and not deleted."""
    delivered: npt.NDArray[np.bool_]
    """Whether it counts in the parents' totals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Final:
    """A whole day if every ad delivered all of it: what is drawn, before time has its say."""

    delivery: dict[str, Floats]
    by_lag: dict[str, Ints]
    """Conversions: one row per ad, one column per lag."""
    order_value: Ints
    retracted: npt.NDArray[np.bool_]
    invalid: npt.NDArray[np.bool_]
    partly_on_meta: npt.NDArray[np.bool_]


class Truth:
    """The truth of one world, which the platform refreshes every ``refresh_seconds``."""

    def __init__(self, world: World, refresh_seconds: int = REFRESH_SECONDS) -> None:
        self._world = world
        self._refresh_seconds = refresh_seconds
        self._day = lru_cache(maxsize=512)(self._compute)
        self._final = lru_cache(maxsize=512)(self._draw)

    def account(self, account_id: str) -> Account:
        """The account; KeyError when there is none."""
        return self._world.accounts[account_id]

    def step(self, as_of: datetime) -> int:
        """When the platform last refreshed its numbers, as POSIX seconds."""
        return int(as_of.timestamp()) // self._refresh_seconds * self._refresh_seconds

    def day_of(self, account_id: str, day: date, as_of: datetime) -> Day:
        """The day as the platform tells it at ``as_of``; instants within one refresh step are the same."""
        deleted = sum(1 for at, _ in self.account(account_id).deletions if at <= as_of)
        return self._day(account_id, day, self.step(as_of), deleted)

    def metrics(self, account_id: str, since: date, until: date, as_of: datetime, margin: Decimal = Decimal(1)) -> pa.Table:
        """Rows at ad level, both days included: external_account, level, external_id, campaign_id, date and the ten metrics."""
        account = self.account(account_id)
        rows: list[tuple[object, ...]] = []
        for day in _days(since, until):
            told = self.day_of(account_id, day, as_of)
            values = _ten(told, account.spec.minor_units, margin)
            for index in np.flatnonzero(told.reported).tolist():
                ad = account.ads[index]
                rows.append((account_id, AD, ad.id, campaign_of(ad).id, day, *(column[index] for column in values)))
        return _table(rows)

    def totals(
        self, account_id: str, since: date, until: date, as_of: datetime, margin: Decimal = Decimal(1), *, complete: bool = False
    ) -> pa.Table:
        """Rows at campaign level, deleted ads included; null where the platform does not tell, unless ``complete``.

        A deleted campaign has no row of its own any more.
        """
        account = self.account(account_id)
        owners = campaign_indexes(account)
        untold = set() if complete else {campaign.index for campaign in account.campaigns if mixed_settings(account, campaign)}
        rows: list[tuple[object, ...]] = []
        for day in _days(since, until):
            told = self.day_of(account_id, day, as_of)
            sums = _sums(told, owners, len(account.campaigns), account.spec.minor_units)
            for campaign in account.campaigns:
                if not sums["rows"][campaign.index] or campaign.effective_status(as_of) == "DELETED":
                    continue
                silent = campaign.index in untold or not (complete or sums["actions"][campaign.index])
                rows.append((account_id, CAMPAIGN, campaign.id, campaign.id, day, *_total(sums, campaign.index, margin, silent=silent)))
        return _table(rows)

    def entities(self, account_id: str, as_of: datetime) -> pa.Table:
        """Every entity that exists or existed at ``as_of``: level, external_id, parent_id, name, effective_status, deleted_at."""
        account = self.account(account_id)
        found = [entity for level in (CAMPAIGN, AD_SET, AD) for entity in account.entities(level, as_of)]
        return pa.table(
            {
                "level": [entity.level for entity in found],
                "external_id": [entity.id for entity in found],
                "parent_id": pa.array([entity.parent.id if entity.parent else None for entity in found], pa.string()),
                "name": [entity.name(as_of) for entity in found],
                "effective_status": [entity.effective_status(as_of) for entity in found],
                "deleted_at": pa.array(
                    [entity.deleted_at if entity.deleted_at and entity.deleted_at <= as_of else None for entity in found],
                    pa.timestamp("us", "UTC"),
                ),
            }
        )

    def _compute(self, account_id: str, day: date, step: int, deleted: int) -> Day:
        account = self.account(account_id)
        final = self._final(account_id, day)
        start = _midnight(account, day)
        length = (_midnight(account, day + timedelta(days=1)) - start).total_seconds()
        now = datetime.fromtimestamp(step, UTC)
        share = _share(account, start, length, now)
        age = (now - start) / timedelta(days=1)
        invalid = final.invalid & (age >= _INVALID_AFTER)
        valid = ~invalid
        parts: dict[str, Ints] = {name: np.floor(whole * share).astype(np.int64) * valid for name, whole in final.delivery.items()}
        conversions = {name: _arrived(by_lag, share, age) * valid for name, by_lag in final.by_lag.items()}
        retracted = final.retracted & (age >= _RETRACTED_AFTER) & (conversions["purchases"] > 0)
        conversions["purchases"] = conversions["purchases"] - retracted
        delivered = (parts["impressions"] > 0) | (conversions["purchases"] > 0) | (conversions["leads"] > 0) | (conversions["installs"] > 0)
        gone = np.zeros(len(account.ads), dtype=np.bool_)
        gone[[index for _, index in account.deletions[:deleted]]] = True
        on_meta = np.where(final.partly_on_meta, conversions["purchases"] // 4, 0)
        return Day(
            **parts,
            **conversions,
            off_meta=conversions["purchases"] - on_meta,
            order_value=final.order_value,
            reported=delivered & ~gone,
            delivered=delivered,
        )

    def _draw(self, account_id: str, day: date) -> _Final:
        """A whole day's final numbers if every ad delivered all of it; independent of when it is asked."""
        account = self.account(account_id)
        rng = np.random.Generator(np.random.Philox(key=[self._world.seed * 1_000_003 + account.spec.number, day.toordinal()]))
        count = len(account.ads)
        scale = np.random.Generator(np.random.Philox(key=[self._world.seed, account.spec.number + 1_000])).lognormal(6.5, 1.0, count)
        idle = rng.random(count) < 0.06  # noqa: PLR2004 - some days an ad wins no auction
        impressions = np.floor(scale * rng.lognormal(0, 0.3, count)) * ~idle
        clicks = rng.binomial(impressions.astype(np.int64), 0.018)
        cost = {100: 0.55, 1: 60.0}[account.spec.minor_units] * account.spec.minor_units
        objective = np.array([ad.objective for ad in account.ads])
        shopping = (objective == "OUTCOME_SALES") | (np.arange(count) % 7 == 0)
        total = {
            "purchases": rng.binomial(clicks, 0.09) * shopping,
            "leads": rng.binomial(clicks, 0.08) * (objective == "OUTCOME_LEADS"),
            "installs": rng.binomial(clicks, 0.15) * (objective == "OUTCOME_APP_PROMOTION"),
        }
        spend = np.floor(clicks * cost * rng.lognormal(0, 0.2, count) + impressions * cost * 0.004)
        return _Final(
            delivery={"impressions": impressions, "clicks": clicks.astype(float), "spend": spend, "visitors": np.floor(clicks * 0.61)},
            by_lag={name: rng.multinomial(counts, _LAG_SHARES).astype(np.int64) for name, counts in total.items()},
            order_value=rng.integers(9, 180, count) * account.spec.minor_units + rng.integers(0, account.spec.minor_units, count),
            retracted=rng.random(count) < 0.08,  # noqa: PLR2004 - a share of the ad-days
            invalid=rng.random(count) < 0.004,  # noqa: PLR2004 - a share of the ad-days
            partly_on_meta=np.arange(count) % 5 == 0,
        )


def campaign_of(ad: Entity) -> Entity:
    """The campaign above an ad."""
    assert ad.parent is not None  # noqa: S101 - true by construction, for the type checker
    assert ad.parent.parent is not None  # noqa: S101 - true by construction, for the type checker
    return ad.parent.parent


@lru_cache(maxsize=256)
def campaign_indexes(account: Account) -> Ints:
    """For each ad the index of its campaign."""
    return np.array([campaign_of(ad).index for ad in account.ads], dtype=np.int64)


def mixed_settings(account: Account, campaign: Entity) -> bool:
    """Whether the campaign's ad sets attribute differently: Meta then tells no actions above ad set level."""
    return len({ad_set.setting for ad_set in account.ad_sets if ad_set.parent is campaign}) > 1


def _days(since: date, until: date) -> list[date]:
    return [since + timedelta(days=n) for n in range((until - since).days + 1)]


def _midnight(account: Account, day: date) -> datetime:
    return datetime.combine(day, time(), account.zone).astimezone(UTC)


def _curve(part: Floats) -> Floats:
    """Share of a day's delivery after a part of the day: slow at night, monotone."""
    clipped = np.clip(part, 0.0, 1.0)
    curved: Floats = clipped - np.sin(2 * np.pi * clipped) / (2 * np.pi)
    return curved


@lru_cache(maxsize=256)
def _delivery_windows(account: Account) -> tuple[Floats, Floats]:
    """When each ad begins and stops to deliver, as POSIX seconds."""
    never = datetime.max.replace(tzinfo=UTC)
    begins = np.array([ad.created_at.timestamp() for ad in account.ads])
    return begins, np.array([(ad.stops_at or never).timestamp() for ad in account.ads])


def _share(account: Account, start: datetime, length: float, now: datetime) -> Floats:
    """Share of the whole day each ad has delivered by ``now``, given when it began and stopped to deliver."""
    begins, ends = (each - start.timestamp() for each in _delivery_windows(account))
    asked = (now - start).total_seconds()
    return np.maximum(_curve(np.minimum(ends, asked) / length) - _curve(np.minimum(begins, asked) / length), 0.0)


def _arrived(by_lag: Ints, share: Floats, age: float) -> Ints:
    same_day = np.floor(by_lag[:, 0] * share).astype(np.int64)
    delivering = share > 0
    late = sum((by_lag[:, n] * delivering for n, lag in enumerate(LAGS_DAYS) if lag and age >= lag + 0.4), np.zeros_like(same_day))
    return same_day + late


def _money(minor: Ints, minor_units: int) -> Ints:
    return minor * (1_000_000 // minor_units)


def _profit(revenue: int, spend: int, margin: Decimal) -> int:
    return int((Decimal(revenue) * margin).quantize(Decimal(1), ROUND_HALF_EVEN)) - spend


def _ten(day: Day, minor_units: int, margin: Decimal) -> list[list[int]]:
    """The ten metrics of every ad, as plain ints."""
    spend, revenue = _money(day.spend, minor_units), _money(day.purchases * day.order_value, minor_units)
    conversions = day.purchases + day.leads + day.installs
    counted = (day.impressions, day.clicks, spend, conversions * 1_000_000, revenue)
    actions = tuple(each * 1_000_000 for each in (day.leads, day.installs, day.purchases, day.visitors))
    columns: list[list[int]] = [column.tolist() for column in (*counted, *actions)]
    return [*columns, [_profit(earned, paid, margin) for earned, paid in zip(columns[4], columns[2], strict=True)]]


def _sums(day: Day, owners: Ints, campaigns: int, minor_units: int) -> dict[str, list[int]]:
    columns = {
        "rows": day.delivered.astype(np.int64),
        "impressions": day.impressions,
        "clicks": day.clicks,
        "spend": _money(day.spend, minor_units),
        "purchases": day.purchases,
        "revenue": _money(day.purchases * day.order_value, minor_units),
        "leads": day.leads,
        "installs": day.installs,
        "visitors": day.visitors,
    }
    sums = {name: np.zeros(campaigns, dtype=np.int64) for name in columns}
    for name, values in columns.items():
        np.add.at(sums[name], owners, values * day.delivered)
    sums["actions"] = sums["clicks"] + sums["purchases"] + sums["leads"] + sums["installs"]
    return {name: values.tolist() for name, values in sums.items()}


def _total(sums: dict[str, list[int]], index: int, margin: Decimal, *, silent: bool) -> Sequence[int | None]:
    got = {name: values[index] for name, values in sums.items()}
    told: dict[str, int | None] = {name: got[name] for name in ("impressions", "clicks", "spend")}
    told |= {name: got[name] * 1_000_000 for name in ("leads", "installs", "purchases", "visitors")}
    told["conversions"] = (got["purchases"] + got["leads"] + got["installs"]) * 1_000_000
    told["revenue"] = got["revenue"]
    told["profit"] = _profit(got["revenue"], got["spend"], margin)
    return [None if silent and name in ACTION_METRICS else told[name] for name in METRICS]


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
