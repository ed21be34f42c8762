"""The fields of a report's row: numbers as strings, absent where there is nothing, lists of action types.

Formats are those of recorded rows: ratios with six decimals, amounts with the currency's. Source of the definitions: Meta's reference page
"Ads Insights" (fields), of unique metrics also Ads Manager's help ("unique": a person counts once in the row).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from adpulse_sandbox.meta.actions import money, reported_actions
from adpulse_sandbox.meta.report_request import LEVELS, Query
from adpulse_sandbox.meta.results import cost_per_result, results
from adpulse_sandbox.meta.specs import GOALS, AccountSpec
from adpulse_sandbox.meta.truth import campaign_of
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Entity

_RANKED_FROM = 500
"""Impressions below which Meta gives no ranking (help page "About ad relevance diagnostics")."""

_RANKINGS = ("ABOVE_AVERAGE", "AVERAGE", "AVERAGE", "BELOW_AVERAGE_35", "BELOW_AVERAGE_20", "BELOW_AVERAGE_10")
OF_VIDEO = ("cost_per_thruplay", "cost_per_15_sec_video_view")
"""Fields of videos whose names do not begin with video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row before it is rendered. ``member`` is any ad of its group, whose parents' ids are the group's."""

    query: Query
    member: Entity
    values: Mapping[str, int]
    since: date
    until: date
    as_of: datetime

    @property
    def spec(self) -> AccountSpec:
        """The properties of the account."""
        return self.query.account.spec

    @property
    def spend(self) -> float:
        """The cost in the account's currency."""
        return self.values["spend"] / self.spec.minor_units


def render(row: Row) -> dict[str, Any]:
    """The requested fields that have a value, and always the dates."""
    requested = {**row.query.fields, "date_start": None, "date_stop": None}
    fields = {_ANSWERED_AS.get(name, name): _value(row, name) for name in requested}
    return {name: value for name, value in fields.items() if value is not None}


def number(row: Row, field: str) -> float:
    """A metric of the row; of ``actions:link_click`` that of the action, of another list its only value; 0 for what is no number."""
    try:
        return float(_single_value(row, field) or 0)
    except (TypeError, ValueError):
        return 0.0


def order(row: Row, field: str) -> tuple[float, str]:
    """The key by which rows are sorted: numbers by size, texts after them by their letters."""
    value = _single_value(row, field)
    return (number(row, field), "") if value is None or number(row, field) else (0.0, str(value))


def _single_value(row: Row, field: str) -> Any:
    name, _, kind = field.partition(":")
    value = _value(row, name)
    if not isinstance(value, list):
        return value
    return next((entry.get("value") for entry in value if kind in ("", entry.get("action_type"))), None)


_ANSWERED_AS = {"objective_results": "results", "cost_per_objective_result": "cost_per_result"}
"""Under which name Meta answers a field: airbyte-source-facebook-marketing 6.1.9 renames the results back; of the cost it is inferred."""


def _value(row: Row, name: str) -> Any:
    """A field's value; None for what the row does not have, and for fields that nothing in this world has."""
    if name in _FIELDS:
        return _FIELDS[name](row)
    return _single("video_view", row.values.get(name)) if name.startswith("video_") else None


def _entity(row: Row, level: str) -> Entity | None:
    """The row's object of a level, None if the row is of a level above."""
    if LEVELS.index(level) > LEVELS.index(row.query.level):
        return None
    return {CAMPAIGN: campaign_of(row.member), AD_SET: row.member.parent, AD: row.member}[level]


def _id(level: str) -> Callable[[Row], str | None]:
    return lambda row: entity.id if (entity := _entity(row, level)) else None


def _name(level: str) -> Callable[[Row], str | None]:
    return lambda row: entity.name(row.as_of) if (entity := _entity(row, level)) else None


def _setting(row: Row) -> str:
    """Source: recorded rows, in which views come first, and ``multiple``."""
    settings = _settings(row)
    if len(settings) > 1:
        return "multiple"
    parts = sorted(next(iter(settings)), key=lambda part: part[1], reverse=True)
    return "_".join(f"{days}d_{kind.split('_')[0].lower()}" for days, kind in parts)


def _settings(row: Row) -> set[tuple[tuple[int, str], ...]]:
    if row.query.level in (AD, AD_SET):
        return {row.member.setting}
    campaign = campaign_of(row.member)
    inside = (ad_set for ad_set in row.query.account.ad_sets if row.query.level == "account" or ad_set.parent is campaign)
    return {ad_set.setting for ad_set in inside}


def _day_of(instant: Callable[[Row], datetime]) -> Callable[[Row], str | None]:
    return lambda row: f"{instant(row):%Y-%m-%d}" if row.query.level == AD else None


def _count(quantity: str) -> Callable[[Row], str | None]:
    return lambda row: str(row.values[quantity]) if row.values[quantity] or row.spec.sends_zeros else None


def _spend(row: Row) -> str:
    return "0" if row.spec.sends_zeros and not row.values["spend"] else money(row.values["spend"], row.spec.minor_units)


def _ratio(upper: str, lower: str, factor: int = 1) -> Callable[[Row], str | None]:
    """A ratio of two quantities; absent where the lower one is zero."""

    def of_row(row: Row) -> str | None:
        numerator = row.spend if upper == "spend" else row.values[upper]
        return f"{factor * numerator / row.values[lower]:.6f}" if row.values[lower] else None

    return of_row


def _single(kind: str, value: int | str | None) -> list[dict[str, str]] | None:
    """A list of one action type; absent without a value."""
    return [{"action_type": kind, "value": str(value)}] if value else None


def _listed(kind: str, of_row: Callable[[Row], str | None]) -> Callable[[Row], list[dict[str, str]] | None]:
    return lambda row: _single(kind, of_row(row))


def _actions(name: str) -> Callable[[Row], Any]:
    """A list of actions. Meta withholds it where ad sets of different attribution settings are summed.

    It does not where windows are requested, other than ``default`` (page "Ads Action Stats").
    """

    def of_row(row: Row) -> Any:
        query = row.query
        if set(query.windows) <= {"default"} and query.level != AD and len(_settings(row)) > 1:
            return None
        flavour = row.member.index if query.level == AD else None
        return reported_actions(row.spec, row.values, query.windows, flavour, query.action_breakdowns)[name]

    return of_row


def _cost_per_action(row: Row) -> list[dict[str, str]] | None:
    actions = _actions("actions")(row) or []
    costs = [
        {**action, **{key: f"{row.spend / int(count):.6f}" for key, count in action.items() if key not in _ACTION_KEYS}}
        for action in actions
        if int(action["value"])
    ]
    return costs or None


_ACTION_KEYS = ("action_type", "action_target_id", "action_destination")


def _roas(*kinds: str) -> Callable[[Row], list[dict[str, str]] | None]:
    """The value of purchases by cost: of the first of these types that the row reports."""

    def of_row(row: Row) -> list[dict[str, str]] | None:
        reported = {entry["action_type"]: float(entry["value"]) for entry in _actions("action_values")(row) or []}
        kind = next((kind for kind in kinds if reported.get(kind)), None)
        return _single(kind, f"{reported[kind] / row.spend:.6f}") if kind and row.spend else None

    return of_row


def _ranking(shift: int) -> Callable[[Row], str | None]:
    def of_row(row: Row) -> str | None:
        if row.query.level != AD:
            return None
        ranked = row.values["impressions"] >= _RANKED_FROM
        return _RANKINGS[(row.member.index + shift) % len(_RANKINGS)] if ranked else "UNKNOWN"

    return of_row


def _below_account(of_row: Callable[[Row], Any]) -> Callable[[Row], Any]:
    return lambda row: of_row(row) if row.query.level != "account" else None


_FIELDS: Mapping[str, Callable[[Row], Any]] = {
    "account_id": lambda row: row.query.account.id,
    "account_name": lambda row: row.spec.name,
    "account_currency": lambda row: row.spec.currency,
    "campaign_id": _id(CAMPAIGN),
    "campaign_name": _name(CAMPAIGN),
    "adset_id": _id(AD_SET),
    "adset_name": _name(AD_SET),
    "ad_id": _id(AD),
    "ad_name": _name(AD),
    "objective": _below_account(lambda row: row.member.objective),
    "optimization_goal": lambda row: GOALS[row.member.objective] if row.query.level in (AD, AD_SET) else None,
    "attribution_setting": _setting,
    "buying_type": _below_account(lambda _: "AUCTION"),
    "created_time": _day_of(lambda row: row.member.created_at),
    "updated_time": _day_of(lambda row: row.member.updated_at(row.as_of)),
    "date_start": lambda row: row.since.isoformat(),
    "date_stop": lambda row: row.until.isoformat(),
    "spend": _spend,
    "impressions": _count("impressions"),
    "clicks": _count("clicks"),
    "reach": _count("reach"),
    "frequency": _ratio("impressions", "reach"),
    "ctr": _ratio("clicks", "impressions", 100),
    "cpc": _ratio("spend", "clicks"),
    "cpm": _ratio("spend", "impressions", 1000),
    "cpp": _ratio("spend", "reach", 1000),
    "inline_link_clicks": _count("link_clicks"),
    "inline_link_click_ctr": _ratio("link_clicks", "impressions", 100),
    "cost_per_inline_link_click": _ratio("spend", "link_clicks"),
    "unique_clicks": _count("unique_clicks"),
    "unique_ctr": _ratio("unique_clicks", "reach", 100),
    "cost_per_unique_click": _ratio("spend", "unique_clicks"),
    "unique_inline_link_clicks": _count("unique_link_clicks"),
    "unique_inline_link_click_ctr": _ratio("unique_link_clicks", "reach", 100),
    "unique_link_clicks_ctr": _ratio("unique_link_clicks", "reach", 100),
    "cost_per_unique_inline_link_click": _ratio("spend", "unique_link_clicks"),
    "outbound_clicks": lambda row: _single("outbound_click", row.values["outbound_clicks"]),
    "outbound_clicks_ctr": _listed("outbound_click", _ratio("outbound_clicks", "impressions", 100)),
    "cost_per_outbound_click": _listed("outbound_click", _ratio("spend", "outbound_clicks")),
    "unique_outbound_clicks": lambda row: _single("outbound_click", row.values["unique_outbound_clicks"]),
    "unique_outbound_clicks_ctr": _listed("outbound_click", _ratio("unique_outbound_clicks", "reach", 100)),
    "cost_per_unique_outbound_click": _listed("outbound_click", _ratio("spend", "unique_outbound_clicks")),
    "website_ctr": _listed("link_click", _ratio("link_clicks", "impressions", 100)),
    "cost_per_thruplay": _listed("video_view", _ratio("spend", "video_thruplay_watched_actions")),
    "cost_per_15_sec_video_view": _listed("video_view", _ratio("spend", "video_15_sec_watched_actions")),
    "video_avg_time_watched_actions": lambda row: _single("video_view", 4 if row.values["video_play_actions"] else None),
    "actions": _actions("actions"),
    "action_values": _actions("action_values"),
    "cost_per_action_type": _cost_per_action,
    "purchase_roas": _roas("omni_purchase", "purchase"),
    "website_purchase_roas": _roas("offsite_conversion.fb_pixel_purchase"),
    "results": _below_account(lambda row: results(row.spec, row.member.objective, row.values)),
    "cost_per_result": _below_account(lambda row: cost_per_result(row.spec, row.member.objective, row.values, row.spend)),
    "objective_results": _below_account(lambda row: results(row.spec, row.member.objective, row.values)),
    "cost_per_objective_result": _below_account(lambda row: cost_per_result(row.spec, row.member.objective, row.values, row.spend)),
    "quality_ranking": _ranking(0),
    "engagement_rate_ranking": _ranking(1),
    "conversion_rate_ranking": _ranking(2),
}
