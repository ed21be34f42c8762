"""Which other mapping would close the differences of an export, as far as the numbers show it. Pure: rules of thumb.

What is stored of purchases, leads, installs and visitors is compared day by day. What no metric counts is known only as the account's
total over the days of its types, so it is compared where the export has all of these days.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import combinations

from adpulse.attribution import Attribution, describe_attribution
from adpulse.conversion_types import KeptTypes, totals
from adpulse.mapping import KINDS, MAPPED, RESULTS, ConversionMapping, MappingRules
from adpulse.verification.columns import normal
from adpulse.verification.comparison import Comparison, Pair

_MOST = Decimal("0.8")
"""A share that is not chance."""

_FEW = 3
"""With fewer numbers, no pattern is one."""

_NEAR = Decimal("0.05")
"""The types were read at another time than the export: by how much of it their totals may differ."""

_NEARLY = Decimal("0.02")
"""The same for totals in other windows, which are nearer to each other than those of types are."""

_MICROS = 1_000_000


def closing(
    comparison: Comparison, kept: KeptTypes | None, rules: MappingRules, mapping: ConversionMapping | None = None
) -> Mapping[str, str]:
    """By metric what to set, as ``adpulse mapping --set`` takes it: ``conversions=purchases``. Empty where no mapping is likely.

    ``mapping`` is the one by which the stored numbers were counted, the platform's default by itself.
    """
    mapping = mapping or rules.default
    conversions = [pair for pair in comparison.pairs if pair.metric == "conversions" and pair.is_stored]
    changes = {} if conversions else _attribution(comparison, kept, rules, mapping)
    if _differ(conversions):
        changes |= _conversions(comparison, kept, conversions, rules, mapping)
    clicks = [pair for pair in comparison.pairs if pair.metric == "clicks" and pair.is_stored]
    if kept and _differ(clicks) and _covers(comparison, kept):
        other = [kind for kind, total in kept.types.clicks.items() if kind in rules.clicks and _is_near(clicks, kept, Decimal(total))]
        changes |= {"clicks": f"clicks={other[0].value}"} if other else {}
    return changes


def _conversions(
    comparison: Comparison, kept: KeptTypes | None, pairs: list[Pair], rules: MappingRules, mapping: ConversionMapping
) -> dict[str, str]:
    """What makes conversions that differ equal: results where the export's column has these, else other kinds, windows or types."""
    column = normal(comparison.export.columns.name("conversions"))
    if column in map(normal, rules.results_columns):
        return {} if mapping.counts_results else {"conversions": f"conversions={RESULTS}"}
    kinds = _kinds(comparison, pairs)
    in_windows = {} if kinds else _attribution(comparison, kept, rules, mapping)
    types = kinds or (() if in_windows else _types(comparison, kept, pairs, rules))
    return in_windows | ({"conversions": f"conversions={','.join(types)}"} if types else {})


def _differ(pairs: list[Pair]) -> bool:
    """Whether they differ nearly everywhere."""
    numbers = [pair for pair in pairs if pair.exported or pair.stored]
    return len(numbers) >= _FEW and sum(pair.differs for pair in numbers) >= _MOST * len(numbers)


def _kinds(comparison: Comparison, pairs: list[Pair]) -> tuple[str, ...]:
    """The fewest kinds whose sum is what the export has nearly everywhere."""
    exported = [pair for pair in pairs if pair.exported]
    if len(exported) < _FEW:
        return ()
    choices = (kinds for size in range(1, len(KINDS) + 1) for kinds in combinations(KINDS, size))
    return next((kinds for kinds in choices if _closes(comparison, exported, kinds)), ())


def _closes(comparison: Comparison, pairs: list[Pair], kinds: Iterable[str]) -> bool:
    tolerance = comparison.tolerances["conversions"]

    def equals(pair: Pair) -> bool:
        counted = comparison.counted.get((pair.campaign, pair.day), {})
        return abs(sum((counted.get(kind, Decimal(0)) for kind in kinds), Decimal(0)) - pair.exported) <= tolerance

    return sum(map(equals, pairs)) >= _MOST * len(pairs)


def _attribution(comparison: Comparison, kept: KeptTypes | None, rules: MappingRules, mapping: ConversionMapping) -> dict[str, str]:
    """Every metric of conversions, with the attribution in which all of their totals are what the export has; empty where none is near.

    Of several that are near the nearest is named.
    """
    if kept is None or mapping.counts_results or not _covers(comparison, kept):
        return {}
    exported: dict[str, Decimal] = {}
    for pair in comparison.pairs:
        if pair.metric in (*MAPPED, "revenue") and pair.is_stored and kept.since <= pair.day <= kept.until:
            exported[pair.metric] = exported.get(pair.metric, Decimal(0)) + pair.exported

    def error(attribution: Attribution) -> Decimal:
        """By how much the worst of the totals is off, as a share."""
        counted = totals(kept.types, replace(mapping, attribution=attribution), rules)
        return max((_share(counted[metric], number) for metric, number in exported.items()), default=Decimal(1))

    choices = ((), *rules.attribution.choices)
    nearest = min(choices, key=error)
    if nearest == mapping.attribution or error(nearest) > _NEARLY:
        return {}
    differing = [metric for metric in exported if _differ([pair for pair in comparison.pairs if pair.metric == metric and pair.is_stored])]
    return dict.fromkeys(differing, f"attribution={describe_attribution(nearest)}")


def _share(counted: int | None, exported: Decimal) -> Decimal:
    """By which share of the exported number the other one differs; all of it where it is not known."""
    if counted is None or not exported:
        return Decimal(0 if counted == 0 and not exported else 1)
    return abs(Decimal(counted) / _MICROS - exported) / exported


def _types(comparison: Comparison, kept: KeptTypes | None, pairs: list[Pair], rules: MappingRules) -> tuple[str, ...]:
    """The type whose total is nearest to what the export has over the days of the types; of one event the widest type."""
    if kept is None or not _covers(comparison, kept):
        return ()
    totals: dict[str, Decimal] = {}
    for kind in kept.types.types:
        for name in kind.names:
            totals[name] = totals.get(name, Decimal(0)) + Decimal(kind.count or 0) / _MICROS
    near = [name for name, total in totals.items() if rules.refusal(name) is None and total and _is_near(pairs, kept, total)]
    return tuple(event[0] for event in list(rules.events(tuple(near)))[:1])


def _covers(comparison: Comparison, kept: KeptTypes) -> bool:
    compared = {pair.day for pair in comparison.pairs}
    return all(day in compared for day in _days(kept))


def _days(kept: KeptTypes) -> Iterator[object]:
    return (kept.since + timedelta(days=n) for n in range((kept.until - kept.since).days + 1))


def _is_near(pairs: Iterable[Pair], kept: KeptTypes, total: Decimal) -> bool:
    exported = sum((pair.exported for pair in pairs if kept.since <= pair.day <= kept.until), Decimal(0))
    return bool(exported) and abs(total - exported) <= _NEAR * exported
