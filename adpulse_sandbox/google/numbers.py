"""The numbers of a query's rows: the true numbers of its days, split by segments, summed per entity, converted into metrics."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from adpulse_sandbox.basis import Basis
from adpulse_sandbox.google import catalogue, rules
from adpulse_sandbox.google.check import Plan
from adpulse_sandbox.google.days import days, segment_of
from adpulse_sandbox.google.truth import Day, GoogleTruth, campaign_of, channel_of
from adpulse_sandbox.google.world import AD_GROUP, ASSET_GROUP, Customer, Node

_DATED = ("dated", "dated_value", "all_dated", "all_dated_value")
"""Conversions and their value again, on the day on which they happened."""

QUANTITIES = ("impressions", "clicks", "cost", "views", "conversions", "value", "all_conversions", "all_value", *_DATED)
Sums = npt.NDArray[np.int64]
"""A row per quantity, a column per leaf or entity. Money and conversions are in millionths."""

Key = tuple[str | int, ...]
DayOf = Callable[[str, date, datetime, int | None], Day]
_MICROS = 1_000_000
_DEVICES = (("MOBILE", 62), ("DESKTOP", 33), ("TABLET", 5))
_KEYWORD_SHARES = (60, 30)
"""The shares of an ad group's numbers, in per cent, that its keywords have; the rest belongs to no keyword."""


def groups(plan: Plan, customer: Customer, truth: GoogleTruth, now: datetime) -> dict[Key, Sums]:
    """The delivery per leaf, for each combination of the selected segments. Without segments there is one empty key."""
    sums_by_key: dict[Key, Sums] = {}
    for day in _days_of(plan, customer, now):
        for values, sums in _slices(plan, customer, truth, day, now):
            key = tuple(values[name] for name in plan.segments)
            sums_by_key[key] = sums_by_key[key] + sums if key in sums_by_key else sums
    return sums_by_key


def nothing(customer: Customer) -> Sums:
    """Zeros for every leaf."""
    return np.zeros((len(QUANTITIES), len(customer.leaves)), dtype=np.int64)


def per_entity(sums: Sums, entities: list[Node], resource: str, customer: Customer) -> Sums:
    """Sum the numbers of leaves to those of the entities of a resource."""
    if resource == "customer":
        total: Sums = sums.sum(axis=1, keepdims=True)
        return total
    kind = {"keyword_view": AD_GROUP, "asset_group_asset": ASSET_GROUP}.get(resource, resource)
    owners = [_owner(leaf, kind) for leaf in customer.leaves]
    places = {node: place for place, node in enumerate(dict.fromkeys(node for node in owners if node))}
    sums_by_owner = np.zeros((len(places) + 1, len(QUANTITIES)), dtype=np.int64)
    np.add.at(sums_by_owner, np.array([places[node] if node else len(places) for node in owners], dtype=np.int64), sums.T)
    sums_by_owner[-1] = 0  # the last row collects leaves without an owner, and is read for entities without leaves
    shown = [entity.refs[kind] if kind != resource else entity for entity in entities]
    sums_of_entities: Sums = sums_by_owner[[places.get(node, -1) for node in shown]].T
    if resource == "keyword_view":
        order = {keyword: number % len(_KEYWORD_SHARES) for number, keyword in enumerate(customer.of("ad_group_criterion"))}
        sums_of_entities = sums_of_entities * np.array([_KEYWORD_SHARES[order[entity]] for entity in entities], dtype=np.int64) // 100
    return sums_of_entities


def per_action(plan: Plan, customer: Customer, truth: GoogleTruth, now: datetime) -> dict[Key, Sums]:
    """Conversions per conversion action instead of per leaf."""
    sums_by_key: dict[Key, Sums] = {}
    for day in _days_of(plan, customer, now):
        day_numbers = truth.day_of(customer.id, day, now)
        sums = np.zeros((len(QUANTITIES), len(customer.actions)), dtype=np.int64)
        primary = np.array([action.primary for action in customer.actions])
        sums[6], sums[7] = day_numbers.conversions.sum(axis=1), day_numbers.value.sum(axis=1)
        sums[4], sums[5] = sums[6] * primary, sums[7] * primary
        if _is_dated(plan):
            dated = truth.dated_day_of(customer.id, day, now)
            sums[10], sums[11] = dated.conversions.sum(axis=1), dated.value.sum(axis=1)
            sums[8], sums[9] = sums[10] * primary, sums[11] * primary
        key = tuple(segment_of(name, day) for name in plan.segments)
        sums_by_key[key] = sums_by_key.get(key, 0) + sums
    return sums_by_key


def metric(name: str) -> Callable[[Mapping[str, int]], Any]:
    """The function that computes a metric from an entity's sums: an int, a float, or None if the world has no numbers for it."""
    return _METRICS.get(name.removeprefix("metrics."), lambda _: None)


def basis_of(plan: Plan) -> Basis:
    """What the numbers of a query rest on.

    Inferred are metrics that follow from others, are zero in this world, or are not set because it has no numbers for them; and the hours
    of ads, which are not in the list that a public client generated from GoogleAdsFieldService for v21.
    """
    names = [name.removeprefix("metrics.") for name in plan.metrics]
    of_hours = plan.resource == "ad_group_ad" and "segments.hour" in plan.segments
    inferred = of_hours or any(name not in _METRICS or name in _INFERRED for name in names)
    return Basis.INFERRED if inferred else Basis.DOCUMENTED


def _owner(leaf: Node, kind: str) -> Node | None:
    if leaf.kind == kind:
        return leaf
    return leaf.refs.get(kind) or campaign_of(leaf).refs.get(kind)


def _days_of(plan: Plan, customer: Customer, now: datetime) -> Iterator[date]:
    if not customer.leaves:
        return
    first = min(leaf.created_at for leaf in customer.leaves).astimezone(customer.zone).date()
    last = now.astimezone(customer.zone).date()
    since, until = plan.days or (first, last)
    for day in days(max(first, since), min(last, until)):
        if all(predicate.accepts(segment_of(predicate.field.name, day)) for predicate in plan.day_predicates):
            yield day


def _slices(plan: Plan, customer: Customer, truth: GoogleTruth, day: date, now: datetime) -> Iterator[tuple[dict[str, str | int], Sums]]:
    """The numbers of a day, split by the selected segments."""
    dated = {name: segment_of(name, day) for name in plan.segments if name not in _SPLITTING}
    for values, sums in _counted(plan, customer, truth, day, now):
        parts: list[tuple[dict[str, str | int], Sums]] = [({**dated, **values}, sums)]
        for name, split in (("segments.device", _devices), ("segments.ad_network_type", _networks)):
            if name in plan.segments:
                parts = [({**values, name: value}, part) for values, whole in parts for value, part in split(whole, customer)]
        yield from parts


def _counted(plan: Plan, customer: Customer, truth: GoogleTruth, day: date, now: datetime) -> Iterator[tuple[dict[str, str | int], Sums]]:
    """Every quantity of the day, by hour and conversion action. What happened on the day is computed only where it is selected."""
    clicked = _by_hour_and_action(plan, customer, truth.day_of, day, now)
    if not _is_dated(plan):
        yield from ((values, np.concatenate([sums, sums[4:] * 0])) for values, sums in clicked)
        return
    happened = _by_hour_and_action(plan, customer, truth.dated_day_of, day, now)
    for (values, sums), (_, dated) in zip(clicked, happened, strict=True):
        yield values, np.concatenate([sums, dated[4:]])


def _is_dated(plan: Plan) -> bool:
    return any(name.endswith("by_conversion_date") for name in plan.metrics)


def _by_hour_and_action(
    plan: Plan, customer: Customer, day_of: DayOf, day: date, now: datetime
) -> Iterator[tuple[dict[str, str | int], Sums]]:
    for hour, accrued in _hours(plan, customer, day_of, day, now):
        for action, sums in _actions(plan, customer, accrued):
            yield {**hour, **action}, sums


_SPLITTING = ("segments.hour", "segments.device", "segments.ad_network_type", *rules.CONVERSION_SEGMENTS)


def _hours(
    plan: Plan, customer: Customer, day_of: DayOf, day: date, now: datetime
) -> Iterator[tuple[dict[str, str | int], tuple[Day, Day | None]]]:
    """The whole day, or each hour as a pair: the numbers accrued by its end, and those accrued by its beginning."""
    if "segments.hour" not in plan.segments:
        yield {}, (day_of(customer.id, day, now, None), None)
        return
    start = datetime.combine(day, time(), customer.zone)
    length = round((datetime.combine(day + timedelta(days=1), time(), customer.zone).timestamp() - start.timestamp()) / 3600)
    before = None
    for elapsed in range(length):
        accrued = day_of(customer.id, day, now, elapsed + 1)
        local = datetime.fromtimestamp(start.timestamp() + elapsed * 3600, customer.zone)
        yield {"segments.hour": local.hour}, (accrued, before)
        before = accrued


def _actions(plan: Plan, customer: Customer, accrued: tuple[Day, Day | None]) -> Iterator[tuple[dict[str, str | int], Sums]]:
    later, before = (_stacked(customer, day_numbers) if day_numbers else None for day_numbers in accrued)
    assert later is not None  # noqa: S101 - the first is always there, for the type checker
    delivery, conversions, value = (end - start for end, start in zip(later, before, strict=True)) if before else later
    primary = np.array([action.primary for action in customer.actions], dtype=np.int64)[:, np.newaxis]
    if not rules.splits_conversions(plan.segments):
        counted = [(conversions * primary).sum(axis=0), (value * primary).sum(axis=0), conversions.sum(axis=0), value.sum(axis=0)]
        yield {}, np.stack([*delivery, *counted])
        return
    for number, action in enumerate(customer.actions):
        of_action = [conversions[number] * primary[number], value[number] * primary[number], conversions[number], value[number]]
        values: dict[str, str | int] = {
            "segments.conversion_action": f"customers/{customer.id}/conversionActions/{action.id}",
            "segments.conversion_action_category": action.category,
            "segments.conversion_action_name": action.name,
            "segments.external_conversion_source": action.source,
        }
        yield values, np.stack([*(delivery * 0), *of_action])


def _stacked(customer: Customer, day: Day) -> tuple[Sums, Sums, Sums]:
    shape = (len(customer.actions), len(customer.leaves))
    return (
        np.stack([day.impressions, day.clicks, day.cost, day.views]),
        day.conversions.reshape(shape),
        day.value.reshape(shape),
    )


def _devices(sums: Sums, customer: Customer) -> Iterator[tuple[str, Sums]]:
    return _split(sums, {name: np.full(len(customer.leaves), share) for name, share in _DEVICES})


def _networks(sums: Sums, customer: Customer) -> Iterator[tuple[str, Sums]]:
    shares: dict[str, npt.NDArray[np.int64]] = {}
    for place, leaf in enumerate(customer.leaves):
        for name, share in catalogue.CHANNELS[channel_of(leaf)].networks:
            shares.setdefault(name, np.zeros(len(customer.leaves), dtype=np.int64))[place] = share
    return _split(sums, shares)


def _split(sums: Sums, shares: Mapping[str, npt.NDArray[np.int64]]) -> Iterator[tuple[str, Sums]]:
    """Split sums by shares in per cent, rounded so that the parts add up to the whole. Clicks, cost and views follow the impressions."""
    cumulative, before = np.zeros(sums.shape[1], dtype=np.int64), np.zeros_like(sums)
    for name, share in shares.items():
        cumulative = cumulative + share
        until = sums * cumulative // 100
        until[1:4] = sums[1:4] * until[0] // np.maximum(sums[0], 1)
        yield name, until - before
        before = until


def _per(numerator: str, denominator: str, factor: float = 1.0) -> Callable[[Mapping[str, int]], float]:
    return lambda column: column[numerator] / column[denominator] * factor if column[denominator] else 0.0


def _micros(name: str) -> Callable[[Mapping[str, int]], float]:
    return lambda column: column[name] / _MICROS


def _count(name: str) -> Callable[[Mapping[str, int]], int]:
    return lambda column: column[name]


def _event_types(column: Mapping[str, int]) -> list[str]:
    return [name for name, quantity in (("CLICK", "clicks"), ("VIDEO_VIEW", "views")) if column[quantity]]


_INFERRED: Mapping[str, Callable[[Mapping[str, int]], Any]] = {
    "all_conversions_from_interactions_rate": lambda column: _per("all_conversions", "of", 1 / _MICROS)(
        {**column, "of": column["clicks"] + column["views"]}
    ),
    "average_cpe": _per("cost", "views"),
    "trueview_average_cpv": _per("cost", "views"),
    "engagement_rate": _per("views", "impressions"),
    "video_trueview_view_rate": _per("views", "impressions"),
    "current_model_attributed_conversions": _micros("conversions"),
    "current_model_attributed_conversions_value": _micros("value"),
    "cost_per_current_model_attributed_conversion": _per("cost", "conversions", float(_MICROS)),
    "value_per_current_model_attributed_conversion": _per("value", "conversions"),
    "interaction_event_types": _event_types,
    **dict.fromkeys(("view_through_conversions", "gmail_forwards", "gmail_saves", "gmail_secondary_clicks"), lambda _: 0),
    "cross_device_conversions": lambda _: 0.0,
}
"""Metrics of public clients' default reports that follow from the others, or count what does not happen in this world."""

_METRICS: Mapping[str, Callable[[Mapping[str, int]], Any]] = {
    **_INFERRED,
    "impressions": _count("impressions"),
    "clicks": _count("clicks"),
    "cost_micros": _count("cost"),
    "interactions": lambda column: column["clicks"] + column["views"],
    "engagements": _count("views"),
    "video_trueview_views": _count("views"),
    "video_views": _count("views"),
    "conversions": _micros("conversions"),
    "conversions_value": _micros("value"),
    "all_conversions": _micros("all_conversions"),
    "all_conversions_value": _micros("all_value"),
    "conversions_by_conversion_date": _micros("dated"),
    "conversions_value_by_conversion_date": _micros("dated_value"),
    "all_conversions_by_conversion_date": _micros("all_dated"),
    "all_conversions_value_by_conversion_date": _micros("all_dated_value"),
    "ctr": _per("clicks", "impressions"),
    "average_cpc": _per("cost", "clicks"),
    "average_cost": lambda column: _per("cost", "of")({**column, "of": column["clicks"] + column["views"]}),
    "average_cpm": _per("cost", "impressions", 1000.0),
    "interaction_rate": lambda column: _per("of", "impressions")({**column, "of": column["clicks"] + column["views"]}),
    "conversions_from_interactions_rate": _per("conversions", "clicks", 1 / _MICROS),
    "cost_per_conversion": _per("cost", "conversions", float(_MICROS)),
    "cost_per_all_conversions": _per("cost", "all_conversions", float(_MICROS)),
    "value_per_conversion": _per("value", "conversions"),
    "value_per_all_conversions": _per("all_value", "all_conversions"),
    "conversions_value_per_cost": _per("value", "cost"),
    "all_conversions_value_per_cost": _per("all_value", "cost"),
}
"""The metrics that the world has numbers for; all others are not set."""
