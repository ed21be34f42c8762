"""The true numbers of Meta's accounts: a pure function of account, day and the instant of the request.

Delivery accrues over the account's local day and is refreshed in steps, of 15 minutes by default. Conversions arrive late, some are
retracted, and a few ad-days are removed as invalid traffic. All changes to a day happen before local midnight 28 days later; after
that the day is final. The ten metrics are implemented here from their definitions, independently of the product, which is compared
with them.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adpulse_sandbox.meta.windows import count_arrivals, count_conversions
from adpulse_sandbox.meta.world import ACCOUNT, AD, AD_SET, CAMPAIGN, Account, Entity, World

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
    """A day of an account as of an instant: an array per quantity, with an element per ad of the account."""

    impressions: Ints
    clicks: Ints
    spend: Ints
    """Minor units."""
    purchases: Ints
    off_meta: Ints
    """The purchases that the pixel counted; the others happened on Meta."""
    order_value: Ints
    """Minor units per purchase."""
    leads: Ints
    installs: Ints
    visitors: Ints
    reported: npt.NDArray[np.bool_]
    """Whether the ad has a row at ad level: it delivered, and is not deleted, or the account's reports have rows of deleted ads."""
    delivered: npt.NDArray[np.bool_]
    """Whether the ad counts in the totals of its parents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FullDay:
    """The final numbers of a day on which every ad delivers from midnight to midnight, as drawn from the random generator."""

    delivery: dict[str, Floats]
    by_lag: dict[str, Ints]
    """Conversions: a row per ad, a column per lag."""
    order_value: Ints
    retracted: npt.NDArray[np.bool_]
    invalid: npt.NDArray[np.bool_]
    partly_on_meta: npt.NDArray[np.bool_]


class Truth:
    """The true numbers of a world, which the platform refreshes every ``refresh_seconds``.

    With ``turns`` each refresh moves only every so many-th campaign, and an account's campaigns have moved all after so many refreshes.
    """

    def __init__(self, world: World, refresh_seconds: int = REFRESH_SECONDS, turns: int = 1) -> None:
        self._world = world
        self._refresh_seconds = refresh_seconds
        self._turns = turns
        self._day = lru_cache(maxsize=512)(self._compute if turns == 1 else self._compute_in_turns)
        self._final = lru_cache(maxsize=512)(self._draw)
        self.windows: tuple[str, ...] = ()

    def counting_in(self, *windows: str) -> "Truth":
        """The same truth with conversions of these attribution windows added up, instead of each ad set's own setting."""
        truth = copy(self)
        truth.windows = windows
        return truth

    def account(self, account_id: str) -> Account:
        """The account with this id.

        Raises:
            KeyError: there is no such account.
        """
        return self._world.accounts[account_id]

    def step(self, as_of: datetime) -> int:
        """When the platform last refreshed its numbers, as POSIX seconds."""
        return int(as_of.timestamp()) // self._refresh_seconds * self._refresh_seconds

    def day_of(self, account_id: str, day: date, as_of: datetime) -> Day:
        """The day as the platform reports it at ``as_of``; the numbers do not change within a refresh step."""
        deleted = sum(1 for at, _ in self.account(account_id).deletions if at <= as_of)
        return self._day(account_id, day, self.step(as_of), deleted)

    def metrics(self, account_id: str, since: date, until: date, as_of: datetime, margin: Decimal = Decimal(1)) -> pa.Table:
        """Rows at ad level, both days included: external_account, level, external_id, campaign_id, date and the ten metrics."""
        account = self.account(account_id)
        rows: list[tuple[object, ...]] = []
        for day in _days(since, until):
            delivery = self.day_of(account_id, day, as_of)
            values = _metric_columns(in_windows(delivery, account, self.windows), account.spec.minor_units, margin)
            for index in np.flatnonzero(delivery.reported).tolist():
                ad = account.ads[index]
                rows.append((account_id, AD, ad.id, campaign_of(ad).id, day, *(column[index] for column in values)))
        return _table(rows)

    def totals(  # noqa: PLR0913 - what its route takes
        self,
        account_id: str,
        since: date,
        until: date,
        as_of: datetime,
        margin: Decimal = Decimal(1),
        *,
        complete: bool = False,
        deleted: bool = False,
    ) -> pa.Table:
        """Rows at campaign level, deleted ads included. Without ``complete``, metrics that Meta withholds at this level are null.

        A deleted campaign has no row, unless the account's reports have rows of deleted objects, or with ``deleted``, as each campaign
        answers by its id.
        """
        account = self.account(account_id)
        hides_deleted, silent_zeros = not (deleted or account.spec.reports_deleted), not account.spec.sends_zeros
        owners = campaign_indexes(account)
        mixed = {campaign.index for campaign in account.campaigns if mixed_settings(account, campaign)}
        withholding = set() if complete or self.windows else mixed
        rows: list[tuple[object, ...]] = []
        for day in _days(since, until):
            delivery = self.day_of(account_id, day, as_of)
            sums = _sums_in_windows(delivery, account, owners, len(account.campaigns), self.windows)
            for campaign in account.campaigns:
                if not sums["rows"][campaign.index] or (hides_deleted and campaign.effective_status(as_of) == "DELETED"):
                    continue
                withheld = campaign.index in withholding or (silent_zeros and not (complete or sums["actions"][campaign.index]))
                rows.append((account_id, CAMPAIGN, campaign.id, campaign.id, day, *_total(sums, campaign.index, margin, withheld=withheld)))
        return _table(rows)

    def account_totals(
        self, account_id: str, since: date, until: date, as_of: datetime, margin: Decimal = Decimal(1), *, complete: bool = False
    ) -> pa.Table:
        """Rows of the whole account, deleted campaigns included. Without ``complete``, metrics that Meta withholds are null."""
        account = self.account(account_id)
        withheld = not (complete or self.windows) and len({ad_set.setting for ad_set in account.ad_sets}) > 1
        rows: list[tuple[object, ...]] = []
        for day in _days(since, until):
            delivery = self.day_of(account_id, day, as_of)
            sums = _sums_in_windows(delivery, account, np.zeros(len(account.ads), dtype=np.int64), 1, self.windows)
            if sums["rows"][0]:
                silent = withheld or not (complete or account.spec.sends_zeros or sums["actions"][0])
                rows.append((account_id, ACCOUNT, account_id, "", day, *_total(sums, 0, margin, withheld=silent)))
        return _table(rows)

    def entities(self, account_id: str, as_of: datetime) -> pa.Table:
        """Every entity that exists or existed at ``as_of``: level, external_id, parent_id, name, effective_status, deleted_at."""
        account = self.account(account_id)
        entities = [entity for level in (CAMPAIGN, AD_SET, AD) for entity in account.entities(level, as_of)]
        return pa.table(
            {
                "level": [entity.level for entity in entities],
                "external_id": [entity.id for entity in entities],
                "parent_id": pa.array([entity.parent.id if entity.parent else None for entity in entities], pa.string()),
                "name": [entity.name(as_of) for entity in entities],
                "effective_status": [entity.effective_status(as_of) for entity in entities],
                "deleted_at": pa.array(
                    [entity.deleted_at if entity.deleted_at and entity.deleted_at <= as_of else None for entity in entities],
                    pa.timestamp("us", "UTC"),
                ),
            }
        )

    def _compute_in_turns(self, account_id: str, day: date, step: int, deleted: int) -> Day:
        """The day of which each campaign was refreshed last when it was its turn."""
        turn_of_ad = campaign_indexes(self.account(account_id)) % self._turns
        number = step // self._refresh_seconds
        steps = [step - (number - turn) % self._turns * self._refresh_seconds for turn in range(self._turns)]
        days = [self._compute(account_id, day, at, deleted) for at in steps]
        return Day(**{part.name: np.choose(turn_of_ad, [getattr(one, part.name) for one in days]) for part in fields(Day)})

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
        # An ad whose impressions of the day are not yet one has cost nothing either, and nobody visited from it.
        parts |= {name: part * (parts["impressions"] > 0) for name, part in parts.items()}
        conversions = {name: _arrived_conversions(by_lag, share, age) * valid for name, by_lag in final.by_lag.items()}
        retracted = final.retracted & (age >= _RETRACTED_AFTER) & (conversions["purchases"] > 0)
        conversions["purchases"] = conversions["purchases"] - retracted
        delivered = (parts["impressions"] > 0) | (conversions["purchases"] > 0) | (conversions["leads"] > 0) | (conversions["installs"] > 0)
        is_deleted = np.zeros(len(account.ads), dtype=np.bool_)
        is_deleted[[index for _, index in account.deletions[:deleted]]] = True
        on_meta = np.where(final.partly_on_meta, conversions["purchases"] // 4, 0)
        return Day(
            **parts,
            **conversions,
            off_meta=conversions["purchases"] - on_meta,
            order_value=final.order_value,
            reported=delivered & (~is_deleted | account.spec.reports_deleted),
            delivered=delivered,
        )

    def _draw(self, account_id: str, day: date) -> _FullDay:
        """Draw the final numbers of a whole day, independently of the time of the request."""
        account = self.account(account_id)
        rng = np.random.Generator(np.random.Philox(key=[self._world.seed * 1_000_003 + account.spec.number, day.toordinal()]))
        count = len(account.ads)
        # The scale has a generator of its own, without the day: a large ad is large on every day.
        scale = np.random.Generator(np.random.Philox(key=[self._world.seed, account.spec.number + 1_000])).lognormal(6.5, 1.0, count)
        idle = rng.random(count) < 0.06  # noqa: PLR2004 - on some days an ad wins no auction
        impressions = np.floor(scale * rng.lognormal(0, 0.3, count)) * ~idle
        clicks = rng.binomial(impressions.astype(np.int64), 0.018)
        cost = {100: 0.55, 1: 60.0}[account.spec.minor_units] * account.spec.minor_units
        objective = np.array([ad.objective for ad in account.ads])
        shopping = ((objective == "OUTCOME_SALES") | (np.arange(count) % 7 == 0)) & account.spec.sells
        total = {
            "purchases": rng.binomial(clicks, 0.09) * shopping,
            "leads": rng.binomial(clicks, 0.08) * (objective == "OUTCOME_LEADS"),
            "installs": rng.binomial(clicks, 0.15) * (objective == "OUTCOME_APP_PROMOTION"),
        }
        spend = np.floor(clicks * cost * rng.lognormal(0, 0.2, count) + impressions * cost * 0.004)
        return _FullDay(
            delivery={"impressions": impressions, "clicks": clicks.astype(float), "spend": spend, "visitors": np.floor(clicks * 0.61)},
            by_lag={name: rng.multinomial(counts, _LAG_SHARES).astype(np.int64) for name, counts in total.items()},
            order_value=rng.integers(9, 180, count) * account.spec.minor_units + rng.integers(0, account.spec.minor_units, count),
            retracted=rng.random(count) < 0.08,  # noqa: PLR2004 - a share of the ad-days
            invalid=rng.random(count) < 0.004,  # noqa: PLR2004 - a share of the ad-days
            partly_on_meta=(np.arange(count) % 5 == 0) & account.spec.sells_on_meta,
        )


def in_windows(day: Day, account: Account, windows: Sequence[str]) -> Day:
    """The day as these attribution windows count it together; as each ad set's own setting does without any."""
    if not windows:
        return day
    return replace(
        day,
        purchases=count_conversions(day.purchases, account, windows),
        off_meta=count_conversions(day.off_meta, account, windows),
        leads=count_conversions(day.leads, account, windows),
        installs=count_conversions(day.installs, account, windows),
        visitors=count_arrivals(day.visitors, windows),
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
    """Whether the campaign's ad sets have different attribution settings: Meta then reports no actions above ad set level."""
    return len({ad_set.setting for ad_set in account.ad_sets if ad_set.parent is campaign}) > 1


def _days(since: date, until: date) -> list[date]:
    return [since + timedelta(days=n) for n in range((until - since).days + 1)]


def _midnight(account: Account, day: date) -> datetime:
    return datetime.combine(day, time(), account.zone).astimezone(UTC)


def _curve(part: Floats) -> Floats:
    """The share of a day's delivery that has accrued after a part of the day: slow at night, monotone."""
    clipped = np.clip(part, 0.0, 1.0)
    curved: Floats = clipped - np.sin(2 * np.pi * clipped) / (2 * np.pi)
    return curved


@lru_cache(maxsize=256)
def _delivery_windows(account: Account) -> tuple[Floats, Floats]:
    """When each ad begins and stops delivering, as POSIX seconds."""
    never = datetime.max.replace(tzinfo=UTC)
    begins = np.array([ad.created_at.timestamp() for ad in account.ads])
    return begins, np.array([(ad.stops_at or never).timestamp() for ad in account.ads])


def _share(account: Account, start: datetime, length: float, now: datetime) -> Floats:
    """The share of the whole day that each ad has delivered by ``now``, from when it began and stopped delivering."""
    begins, ends = (instants - start.timestamp() for instants in _delivery_windows(account))
    elapsed = (now - start).total_seconds()
    return np.maximum(_curve(np.minimum(ends, elapsed) / length) - _curve(np.minimum(begins, elapsed) / length), 0.0)


def _arrived_conversions(by_lag: Ints, share: Floats, age: float) -> Ints:
    same_day = np.floor(by_lag[:, 0] * share).astype(np.int64)
    delivering = share > 0
    late = sum((by_lag[:, n] * delivering for n, lag in enumerate(LAGS_DAYS) if lag and age >= lag + 0.4), np.zeros_like(same_day))
    return same_day + late


def _money(minor: Ints, minor_units: int) -> Ints:
    return minor * (1_000_000 // minor_units)


def _profit(revenue: int, spend: int, margin: Decimal) -> int:
    return int((Decimal(revenue) * margin).quantize(Decimal(1), ROUND_HALF_EVEN)) - spend


def _metric_columns(day: Day, minor_units: int, margin: Decimal) -> list[list[int]]:
    """The ten metrics in the order of ``METRICS``, a list per metric with an int per ad."""
    spend, revenue = _money(day.spend, minor_units), _money(day.purchases * day.order_value, minor_units)
    conversions = day.purchases + day.leads + day.installs
    counted = (day.impressions, day.clicks, spend, conversions * 1_000_000, revenue)
    actions = tuple(count * 1_000_000 for count in (day.leads, day.installs, day.purchases, day.visitors))
    columns: list[list[int]] = [column.tolist() for column in (*counted, *actions)]
    return [*columns, [_profit(earned, paid, margin) for earned, paid in zip(columns[4], columns[2], strict=True)]]


def _sums_in_windows(day: Day, account: Account, owners: Ints, campaigns: int, windows: Sequence[str]) -> dict[str, list[int]]:
    """The sums of each campaign in these windows; whether it has any action is that of its own setting, as an answer lists these."""
    units = account.spec.minor_units
    return _sums(in_windows(day, account, windows), owners, campaigns, units) | {
        "actions": _sums(day, owners, campaigns, units)["actions"],
    }


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


def _total(sums: dict[str, list[int]], index: int, margin: Decimal, *, withheld: bool) -> Sequence[int | None]:
    totals = {name: column[index] for name, column in sums.items()}
    values: dict[str, int | None] = {name: totals[name] for name in ("impressions", "clicks", "spend")}
    values |= {name: totals[name] * 1_000_000 for name in ("leads", "installs", "purchases", "visitors")}
    values["conversions"] = (totals["purchases"] + totals["leads"] + totals["installs"]) * 1_000_000
    values["revenue"] = totals["revenue"]
    values["profit"] = _profit(totals["revenue"], totals["spend"], margin)
    return [None if withheld and name in ACTION_METRICS else values[name] for name in METRICS]


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
