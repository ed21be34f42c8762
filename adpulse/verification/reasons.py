"""Why numbers differ, as far as the numbers themselves show it. Pure: rules of thumb, the surest first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType

from adpulse.metrics import METRICS, Unit
from adpulse.verification.comparison import Comparison, Difference, Pair, Reason

EXPLANATIONS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.NOT_SETTLED: "The platform may still change the day: it differs between any two moments.",
        Reason.REMAINDER: "The export has what single ads report; adpulse also has what the platform reports for the campaign alone.",
        Reason.ZONE: "The numbers are of neighbouring days: the export's days begin at another time than the account's.",
        Reason.MAPPING: "The export counts other types or clicks than the connection's mapping; another one would close it.",
        Reason.COLUMN: "The column counts something else than the metric: choose another one with --column.",
        Reason.WINDOW: "Delivery is equal, conversions are not: another attribution window, or conversions by the day they happened.",
        Reason.MISSING: "No stored campaign has this id or name. By name: was it renamed? Export the report with campaign ids.",
        Reason.UNKNOWN: "The numbers do not show why. Look the day up on the platform's pages once more; if it stays so, report it.",
    }
)

_MOST = Decimal("0.8")
"""A share that is not chance."""

_FEW = 3
"""With fewer numbers, no pattern is one."""

_CANCELS = Decimal("0.25")
"""Differences of a shifted day are missing on one day and too many on the next; at the ends of the range a part stays."""


def differences(comparison: Comparison, remapped: Mapping[str, str] = MappingProxyType({})) -> list[Difference]:
    """Every difference with its likely reason, the settled ones first, then by day.

    ``remapped`` are metrics whose differences another mapping would close, with what to set (:mod:`adpulse.verification.remapping`).
    """
    patterns = _Patterns(comparison.pairs, remapped)
    names = comparison.export.campaigns
    found = [
        Difference(
            day=pair.day,
            campaign=pair.campaign,
            name=names[pair.campaign],
            metric=pair.metric,
            exported=pair.exported,
            stored=pair.stored,
            settled=pair.settled,
            reason=patterns.reason(pair, comparison.tolerances[pair.metric]),
        )
        for pair in comparison.pairs
        if pair.differs
    ]
    return sorted(found, key=lambda one: (not one.settled, one.day, one.campaign))


def _is_delivery(metric: str) -> bool:
    return METRICS[metric].unit is Unit.COUNT or metric == "spend"


@dataclass(frozen=True)
class _Patterns:
    """What all pairs together show."""

    pairs: tuple[Pair, ...]
    remapped: Mapping[str, str]

    def reason(self, pair: Pair, tolerance: Decimal) -> Reason:
        """Why this pair differs."""
        signs = (
            (not pair.is_stored, Reason.MISSING),
            (bool(pair.remainder) and abs(pair.stored - pair.remainder - pair.exported) <= tolerance, Reason.REMAINDER),
            (pair.campaign in self._shifted, Reason.ZONE),
            (self.remapped.get(pair.metric, "").startswith("attribution="), Reason.WINDOW),
            (pair.metric in self.remapped, Reason.MAPPING),
            (pair.metric in self._mismatched, Reason.COLUMN),
            (not pair.settled, Reason.NOT_SETTLED),
            (not _is_delivery(pair.metric) and self._delivery_agrees.get((pair.campaign, pair.day), False), Reason.WINDOW),
        )
        return next((reason for holds, reason in signs if holds), Reason.UNKNOWN)

    @cached_property
    def _delivery_agrees(self) -> Mapping[tuple[str, date], bool]:
        agrees: dict[tuple[str, date], bool] = {}
        for pair in self.pairs:
            if _is_delivery(pair.metric):
                key = pair.campaign, pair.day
                agrees[key] = agrees.get(key, True) and not pair.differs
        return agrees

    @cached_property
    def _shifted(self) -> frozenset[str]:
        """Campaigns whose delivery moved between days: nearly every day differs, and over all days next to nothing does."""
        by_series = defaultdict[tuple[str, str], list[Pair]](list)
        for pair in self.pairs:
            if _is_delivery(pair.metric) and (pair.exported or pair.stored):
                by_series[pair.campaign, pair.metric].append(pair)
        return frozenset(campaign for (campaign, _), series in by_series.items() if _cancels(series))

    @cached_property
    def _mismatched(self) -> frozenset[str]:
        """Metrics that differ nearly everywhere while others of their kind agree; several kinds of conversions are a window's."""
        shares = {metric: _differing(pairs) for metric, pairs in _by_metric(self.pairs).items()}
        suspects = {metric for metric, share in shares.items() if share >= _MOST}
        conversions = {metric for metric in suspects if not _is_delivery(metric)}
        if len(conversions) > 1:
            suspects -= conversions
        agreeing = {_is_delivery(metric) for metric, share in shares.items() if share <= 1 - _MOST}
        return frozenset(metric for metric in suspects if _is_delivery(metric) in agreeing)


def _by_metric(pairs: Iterable[Pair]) -> Mapping[str, list[Pair]]:
    """The pairs of each metric in which it has a number at all."""
    by_metric = defaultdict[str, list[Pair]](list)
    for pair in pairs:
        if pair.exported or pair.stored:
            by_metric[pair.metric].append(pair)
    return by_metric


def _differing(pairs: list[Pair]) -> Decimal:
    """The share of them that differs; nothing where they are too few."""
    return Decimal(sum(pair.differs for pair in pairs)) / len(pairs) if len(pairs) >= _FEW else Decimal(0)


def _cancels(series: list[Pair]) -> bool:
    amounts = [pair.stored - pair.exported for pair in series]
    both_signs = any(amount > 0 for amount in amounts) and any(amount < 0 for amount in amounts)
    return both_signs and _differing(series) >= _MOST and abs(sum(amounts, Decimal(0))) <= _CANCELS * sum(map(abs, amounts), Decimal(0))
