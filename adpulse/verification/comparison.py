"""An export against the stored numbers, per day and campaign. Pure.

Counts are compared exactly, amounts to the export's own precision: each of its rows was rounded once, so a sum of rows may be off by
half of the last digit for each of them. Half up and half to even both lie within that. A column that shows fewer digits than its
currency has is no excuse: cents are compared all the same.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from adpulse.errors import Usage
from adpulse.mapping import KINDS
from adpulse.metrics import METRICS, Unit
from adpulse.verification.export import Export, Key

WITHOUT_CENTS = frozenset("BIF CLP COP CRC DJF GNF HUF IDR ISK JPY KMF KRW PYG RWF TWD UGX VND VUV XAF XOF XPF".split())  # noqa: SIM905 - a list of words
"""Currencies that have no cents, or that Meta reports without. Sources: ISO 4217; "Currencies" of Meta's Marketing API documentation."""

_CENTS = 2
_MONEY = ("spend", "revenue")


class Reason(StrEnum):
    """Why a number probably differs."""

    NOT_SETTLED = "not settled"
    REMAINDER = "remainder"
    ZONE = "zone"
    MAPPING = "mapping"
    COLUMN = "column"
    WINDOW = "window"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSum:
    """What is stored of a campaign's day: everything, and of it what the platform reports at no ad. Without a key it was never read."""

    total: Mapping[str, Decimal]
    remainder: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The stored numbers of a connection."""

    sums: Mapping[Key, StoredSum]
    """By campaign id and day; a day that was read and has no sum is zero."""

    names: Mapping[str, str]
    """Of every campaign that is known, by its id."""

    days: Mapping[date, bool]
    """Every day that was read at both levels, and whether it is settled."""

    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A number that is stored otherwise than it was exported."""

    day: date
    campaign: str
    """Its id, or where the export has none its name."""

    name: str
    metric: str
    exported: Decimal
    stored: Decimal
    settled: bool
    reason: Reason = Reason.UNKNOWN

    @property
    def amount(self) -> Decimal:
        """By how much more is stored."""
        return self.stored - self.exported


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A number of both sides."""

    day: date
    campaign: str
    metric: str
    exported: Decimal
    stored: Decimal
    remainder: Decimal
    settled: bool
    differs: bool
    is_stored: bool
    """Whether the campaign is known at all."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Every number that both sides have."""

    export: Export
    pairs: tuple[Pair, ...]
    outside: tuple[date, ...]
    """Days of the export that were not read completely."""

    absent: Mapping[str, Decimal]
    """Campaigns with stored numbers of these days that the file lacks, by id, with what they spent."""

    silent: Mapping[tuple[str, str], Decimal]
    """Campaigns and metrics of which no row of the export says anything, with what is stored of these days; not compared."""

    shared_names: tuple[str, ...]
    """Names that several campaigns have: their sums were compared."""

    tolerances: Mapping[str, Decimal]
    """How far one row of the export may be off by rounding, by metric."""

    counted: Mapping[Key, Mapping[str, Decimal]]
    """What is stored of each metric that counts types, by the export's campaign and day, whether the export has it or not."""

    @cached_property
    def settled(self) -> int:
        """How many numbers of settled days were compared."""
        return sum(pair.settled for pair in self.pairs)


def compare(export: Export, stored: Stored) -> Comparison:
    """Put both sides together.

    Raises:
        Usage: the currencies differ, or nothing can be compared.
    """
    others = export.currencies - {stored.currency}
    if others:
        raise Usage(
            f"The export is in {', '.join(sorted(others))}, the connection in {stored.currency}. Export it in the account's currency."
        )
    ids = _ids(export, stored)
    first, last = export.days
    span = sorted(day for day in stored.days if first <= day <= last)
    tolerances = {metric: _tolerance(metric, export, stored.currency) for metric in export.columns.metrics}
    pairs = tuple(
        pair for day in span for campaign in export.campaigns for pair in _pairs(export, stored, (campaign, day), ids[campaign], tolerances)
    )
    if not pairs:
        days = f"{min(stored.days)} to {max(stored.days)}" if stored.days else "no day"
        raise Usage(f"Nothing can be compared: the export is of {first} to {last}, and of the connection {days} is stored completely.")
    if not any(pair.is_stored for pair in pairs):
        raise Usage(f"None of the export's {len(export.campaigns)} campaigns is stored: is it an export of another account?")
    present = {campaign_id for group in ids.values() for campaign_id in group}
    return Comparison(
        export=export,
        pairs=pairs,
        outside=tuple(sorted({day for _, day in export.sums} - stored.days.keys())),
        absent=_absent(stored, present, first, last),
        silent=_silent(export, stored, ids, span),
        shared_names=tuple(name for name, group in ids.items() if not export.by_id and len(group) > 1),
        tolerances=tolerances,
        counted={key: _counted(stored, key[1], ids[key[0]]) for key in {(pair.campaign, pair.day) for pair in pairs}},
    )


def _counted(stored: Stored, day: date, ids: tuple[str, ...]) -> Mapping[str, Decimal]:
    own = [stored.sums[campaign_id, day] for campaign_id in ids if (campaign_id, day) in stored.sums]
    return {kind: _sum(one.total.get(kind) for one in own) for kind in KINDS}


def _ids(export: Export, stored: Stored) -> Mapping[str, tuple[str, ...]]:
    """The stored campaigns that each of the export's stands for: several where they share a name, none where it is unknown."""
    if export.by_id:
        known = stored.names.keys() | {campaign for campaign, _ in stored.sums}
        return {campaign: (campaign,) if campaign in known else () for campaign in export.campaigns}
    named = defaultdict[str, list[str]](list)
    for campaign_id, name in stored.names.items():
        named[" ".join(name.split())].append(campaign_id)
    return {campaign: tuple(named[" ".join(campaign.split())]) for campaign in export.campaigns}


def _tolerance(metric: str, export: Export, currency: str) -> Decimal:
    """Half of the last digit that a row of the export has; nothing for counts."""
    if METRICS[metric].unit is Unit.COUNT:
        return Decimal(0)
    least = 0 if metric in _MONEY and currency in WITHOUT_CENTS else _CENTS
    return Decimal(5).scaleb(-max(export.decimals[metric], least) - 1)


def _pairs(export: Export, stored: Stored, key: Key, ids: tuple[str, ...], tolerances: Mapping[str, Decimal]) -> Iterator[Pair]:
    campaign, day = key
    exported = export.sums.get(key)
    own = [stored.sums[campaign_id, day] for campaign_id in ids if (campaign_id, day) in stored.sums]
    if exported is None and not own:
        return
    for metric in export.columns.metrics:
        is_unknown = not all(metric in one.total for one in own)  # newer than the day, or not known of an ad
        if is_unknown or (campaign, metric) not in export.told:
            continue
        there = exported.values.get(metric, Decimal(0)) if exported else Decimal(0)
        here = _sum(one.total.get(metric) for one in own)
        rows = exported.rows if exported else 1
        yield Pair(
            day=day,
            campaign=campaign,
            metric=metric,
            exported=there,
            stored=here,
            remainder=_sum(one.remainder.get(metric) for one in own),
            settled=stored.days[day],
            differs=abs(here - there) > tolerances[metric] * rows,
            is_stored=bool(ids),
        )


def _silent(export: Export, stored: Stored, ids: Mapping[str, tuple[str, ...]], span: Sequence[date]) -> Mapping[tuple[str, str], Decimal]:
    sums = {
        (campaign, metric): _sum(
            own.total.get(metric) for day in span for campaign_id in ids[campaign] if (own := stored.sums.get((campaign_id, day)))
        )
        for campaign in export.campaigns
        for metric in export.columns.metrics
        if (campaign, metric) not in export.told
    }
    return {key: number for key, number in sums.items() if number}


def _sum(numbers: Iterator[Decimal | None]) -> Decimal:
    return sum((number for number in numbers if number is not None), Decimal(0))


def _absent(stored: Stored, present: set[str], first: date, last: date) -> Mapping[str, Decimal]:
    spent = defaultdict[str, Decimal](Decimal)
    for (campaign_id, day), own in stored.sums.items():
        if first <= day <= last and campaign_id not in present and any(own.total.values()):
            spent[campaign_id] += own.total.get("spend", Decimal(0))
    return dict(spent)
