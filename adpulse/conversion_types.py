"""The types of conversions that an account reports: what a mapping counts of them, and what another mapping would count. Pure.

The numbers are those of the account as a whole. Where ads report different types of one event, what is counted of each ad and day can
differ from them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta

from adpulse.attribution import Attribution, parts
from adpulse.mapping import MAPPED, Clicks, ConversionMapping, MappingRules

DAYS = 28
"""How many days are added up, today among them."""

METRICS = (*MAPPED, "revenue", "clicks")
"""The metrics that a mapping decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionType:
    """What was reported of one type. ``count`` and ``value`` are millionths; None where the platform reports none of it.

    ``counts_in`` and ``values_in`` are the same by the columns of another attribution than the platform's own.
    ``names`` are those by which a mapping counts it: an action type of Meta; a category of Google and the id of a conversion action.
    """

    names: tuple[str, ...]
    count: int | None
    value: int | None
    title: str = ""
    counts_in: Mapping[str, int] = field(default_factory=dict, hash=False)
    values_in: Mapping[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionTypes:
    """All types of an account over some days. ``clicks`` are whole numbers, of the kinds that the platform reports with them.

    ``withheld``: the platform reports no types of this account as a whole.
    """

    types: tuple[ConversionType, ...] = ()
    clicks: Mapping[Clicks, int] = field(default_factory=dict)
    withheld: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTypes:
    """The types of an account as they were read last: of which days, both included, and when (business time)."""

    since: date
    until: date
    read_at: datetime
    types: ConversionTypes


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedType:
    """How a mapping counts a type: as ``metrics``; not again, as its event counts as ``same_as``; or not at all, maybe by a ``refusal``."""

    type: ConversionType
    metrics: tuple[str, ...] = ()
    same_as: str | None = None
    refusal: str | None = None

    @property
    def is_left_out(self) -> bool:
        """Whether it is counted in no way, although a mapping could count it."""
        return not (self.metrics or self.same_as or self.refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """What a metric is by one mapping and by another, in millionths, clicks as they are; None where the account's types do not say it."""

    metric: str
    before: int | None
    after: int | None


def span(today: date) -> tuple[date, date]:
    """The first and the last day that are added up."""
    return today - timedelta(days=DAYS - 1), today


def counted_types(types: ConversionTypes, mapping: ConversionMapping, rules: MappingRules) -> list[CountedType]:
    """Every type that happened, the most frequent first, and how the mapping counts it; the numbers are those of its attribution."""
    types = _attributed(types, mapping.attribution) or types
    metrics = {metric: set(_chosen(types.types, mapping, rules, metric)) for metric in MAPPED}
    counted = {name for chosen in metrics.values() for kind in chosen for name in kind.names}
    happened = [kind for kind in types.types if kind.count or kind.value]
    ordered = sorted(happened, key=lambda kind: (-(kind.count or 0), kind.names))
    return [_counted(kind, tuple(metric for metric in MAPPED if kind in metrics[metric]), counted, rules) for kind in ordered]


def _counted(kind: ConversionType, metrics: tuple[str, ...], counted: set[str], rules: MappingRules) -> CountedType:
    if metrics:
        return CountedType(type=kind, metrics=metrics)
    relatives = [name for family in rules.families if not set(kind.names).isdisjoint(family) for name in family]
    refusals = [rules.refusal(name) for name in kind.names]
    return CountedType(
        type=kind,
        same_as=next((name for name in relatives if name in counted), None),
        refusal=None if None in refusals else refusals[0],
    )


def totals(types: ConversionTypes, mapping: ConversionMapping, rules: MappingRules) -> dict[str, int | None]:
    """Each of ``METRICS`` as the mapping counts it; None for what it counts in columns that were not read."""
    attributed = _attributed(types, mapping.attribution)
    if types.withheld or attributed is None:
        return dict.fromkeys(METRICS) | {"clicks": types.clicks.get(mapping.clicks)}
    types = attributed
    chosen = {metric: _chosen(types.types, mapping, rules, metric) for metric in MAPPED}
    counts: dict[str, int | None] = {metric: sum(kind.count or 0 for kind in kinds) for metric, kinds in chosen.items()}
    with_value = tuple(kind for kind in types.types if kind.value is not None)
    bought = with_value if rules.has_own_conversions else _chosen(with_value, mapping, rules, "purchases")
    if mapping.counts_results:
        counts["conversions"] = None  # each ad counts its own type, which the account's list does not say
    return {**counts, "revenue": sum(kind.value or 0 for kind in bought), "clicks": types.clicks.get(mapping.clicks)}


def _attributed(types: ConversionTypes, attribution: Attribution) -> ConversionTypes | None:
    """The types with the numbers of an attribution; None where types were read without its columns, by an earlier version."""
    if not attribution:
        return types
    if any(kind.count for kind in types.types) and not any(kind.counts_in for kind in types.types):
        return None
    kinds = (
        replace(
            kind,
            count=None if kind.count is None else sum(parts(kind.counts_in, attribution)),
            value=None if kind.value is None else sum(parts(kind.values_in, attribution)),
        )
        for kind in types.types
    )
    return replace(types, types=tuple(kinds))


def changes(types: ConversionTypes, before: ConversionMapping, after: ConversionMapping, rules: MappingRules) -> list[MetricChange]:
    """What each metric is by both mappings; metrics that neither says anything about are left out."""
    old, new = totals(types, before, rules), totals(types, after, rules)
    return [MetricChange(metric=name, before=old[name], after=new[name]) for name in METRICS if not old[name] is new[name] is None]


def left_out(types: ConversionTypes, mapping: ConversionMapping, rules: MappingRules) -> list[CountedType]:
    """Results that the account has while its ``conversions`` are zero, and that the mapping counts as nothing; each event once."""
    if types.withheld or totals(types, mapping, rules)["conversions"] != 0:
        return []
    missed = [kind for kind in counted_types(types, mapping, rules) if kind.is_left_out and kind.type.count]
    results = [kind for kind in missed if all(map(rules.is_result, kind.type.names))]
    widest = {event[0] for event in rules.events(tuple(name for kind in results for name in kind.type.names))}
    return [kind for kind in results if not widest.isdisjoint(kind.type.names)]


def _chosen(types: Iterable[ConversionType], mapping: ConversionMapping, rules: MappingRules, metric: str) -> tuple[ConversionType, ...]:
    """The types that a metric counts: of each event those with the first name that is present, each once."""
    if metric == "conversions" and mapping.counts_own_conversions:
        return tuple(types)
    by_name: dict[str, list[ConversionType]] = {}
    for kind in types:
        for name in kind.names:
            by_name.setdefault(name, []).append(kind)
    present = (next((name for name in event if name in by_name), None) for event in rules.events(mapping.types(metric)))
    return tuple(dict.fromkeys(kind for name in present if name for kind in by_name[name]))


def to_text(types: ConversionTypes) -> str:
    """The types as they are stored."""
    return json.dumps({"types": [asdict(kind) for kind in types.types], "clicks": types.clicks, "withheld": types.withheld})


def from_text(text: str) -> ConversionTypes:
    """Stored types."""
    fields = json.loads(text)
    return ConversionTypes(
        types=tuple(ConversionType(**kind | {"names": tuple(kind["names"])}) for kind in fields["types"]),
        clicks={Clicks(name): count for name, count in fields["clicks"].items()},
        withheld=fields["withheld"],
    )
