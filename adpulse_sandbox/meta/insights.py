"""Insights as the Graph API reports them: numbers as strings, absent fields, several action types for one purchase."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from adpulse_sandbox.meta.actions import money, reported_actions
from adpulse_sandbox.meta.entities import HIDDEN_STATUSES, Condition, Fields, parse_fields, parse_filtering, parse_json
from adpulse_sandbox.meta.errors import bad_param, too_old, unsupported
from adpulse_sandbox.meta.results import results
from adpulse_sandbox.meta.specs import AccountSpec
from adpulse_sandbox.meta.statuses import check_report
from adpulse_sandbox.meta.truth import Day, Truth, campaign_of
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Entity

LEVELS = ("account", CAMPAIGN, AD_SET, AD)
WINDOWS = ("1d_view", "1d_click", "7d_click", "28d_click", "1d_ev", "dda", "default", "skan_view", "skan_click")
STATUS_FIELD = ".effective_status"
FILTERS = (
    *(f"{level}.{name}" for level in (AD, AD_SET, CAMPAIGN) for name in ("id", "effective_status")),
    "spend",
    "impressions",
)
_NAME_FIELDS = {level: (f"{level}_id", f"{level}_name") for level in (CAMPAIGN, AD_SET, AD)}
_FIELDS_OF_EVERY_LEVEL = (
    "account_id", "account_name", "account_currency", "spend", "impressions", "clicks", "inline_link_clicks", "reach", "frequency",
    "ctr", "cpc", "cpm", "actions", "action_values", "cost_per_action_type", "date_start", "date_stop",
)  # fmt: skip
_FIELDS_OF_LEVEL = {
    "account": (),
    CAMPAIGN: ("campaign_id", "campaign_name", "objective", "results"),
    AD_SET: ("campaign_id", "campaign_name", "objective", "results", "adset_id", "adset_name", "attribution_setting", "optimization_goal"),
    AD: (
        "campaign_id", "campaign_name", "objective", "results", "adset_id", "adset_name", "attribution_setting", "optimization_goal",
        "ad_id", "ad_name", "created_time", "updated_time",
    ),
}  # fmt: skip
_DEFAULT_FIELDS = "account_id,impressions,spend"
_MONTHS = 37

Numbers = np.ndarray[Any, np.dtype[np.int64]]
_MAX_PAGE_ROWS = 5000
_QUANTITIES = ("impressions", "clicks", "spend", "visitors", "purchases", "off_meta", "leads", "installs", "value", "off_meta_value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A checked insights request."""

    account: Account
    scope: Entity | None
    level: str
    fields: Fields
    since: date
    until: date
    increment: int | None
    conditions: tuple[Condition, ...]
    windows: tuple[str, ...]

    @property
    def days(self) -> int:
        """The number of requested days."""
        return (self.until - self.since).days + 1

    def has_campaign(self, campaign_id: str) -> bool:
        """Whether its filters leave a campaign in."""
        return all(condition.holds(campaign_id) for condition in self.conditions if condition.field == "campaign.id")


def parse(account: Account, scope: Entity | None, params: Mapping[str, str], now: datetime) -> Query:
    """Check every parameter of an insights request.

    Raises:
        GraphError: a parameter is invalid; code and message are Meta's.
    """
    level = params.get("level", scope.level if scope else "account")
    if level not in LEVELS:
        raise bad_param(f"param level must be one of the following values: {', '.join(LEVELS)}")
    fields = parse_fields(params.get("fields") or _DEFAULT_FIELDS)
    for name in fields:
        if name not in _FIELDS_OF_EVERY_LEVEL and name not in _FIELDS_OF_LEVEL[level]:
            allowed = ", ".join((*_FIELDS_OF_EVERY_LEVEL, *_FIELDS_OF_LEVEL[level]))
            raise bad_param(f"{name} is not valid for fields param. please check the reference for all valid values. Valid here: {allowed}")
    for name in ("breakdowns", "action_breakdowns", "summary_action_breakdowns", "time_ranges", "product_id_limit"):
        if name in params:
            raise unsupported(f"the parameter {name} of insights")
    conditions = parse_filtering(params.get("filtering"), FILTERS)
    for condition in conditions:
        if condition.field.endswith(STATUS_FIELD):
            check_report(condition.field.removesuffix(STATUS_FIELD), condition.values)
    since, until = _range(account, params, now)
    return Query(
        account=account,
        scope=scope,
        level=level,
        fields=fields,
        since=since,
        until=until,
        increment=_increment(params.get("time_increment")),
        conditions=tuple(conditions),
        windows=_windows(params.get("action_attribution_windows")),
    )


def row_limit(params: Mapping[str, str], default: int = 25) -> int:
    """The ``limit`` parameter.

    Raises:
        GraphError: it is no number of the allowed range.
    """
    text = params.get("limit", str(default))
    if not text.isdigit() or not 1 <= int(text) <= _MAX_PAGE_ROWS:
        raise bad_param(f"param limit must be an integer between 1 and {_MAX_PAGE_ROWS}")
    return int(text)


def _range(account: Account, params: Mapping[str, str], now: datetime) -> tuple[date, date]:
    today = now.astimezone(account.zone).date()
    requested = parse_json("time_range", params.get("time_range"), dict)
    if requested is None:
        return _preset(params.get("date_preset", "last_30d"), today)
    if set(requested) != {"since", "until"}:
        raise bad_param("param time_range must have since and until")
    since, until = _day(requested["since"]), _day(requested["until"])
    if since > until:
        raise bad_param("The start date of the time range must be before or equal to the end date", 1487755)
    if until > today + timedelta(days=1):
        raise bad_param("The end date of the time range cannot be in the future", 1487569)
    months = today.year * 12 + today.month - 1 - _MONTHS
    if since < date(months // 12, months % 12 + 1, min(today.day, 28)):
        raise too_old()
    return since, until


def _day(text: object) -> date:
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise bad_param("Must be a date representation in the format YYYY-MM-DD", 1487568)
    return day


def _preset(name: str, today: date) -> tuple[date, date]:
    yesterday = today - timedelta(days=1)
    presets = {"today": (today, today), "yesterday": (yesterday, yesterday), "this_month": (today.replace(day=1), today)}
    presets |= {f"last_{n}d": (today - timedelta(days=n), yesterday) for n in (3, 7, 14, 28, 30, 90)}
    presets["maximum"] = (today - timedelta(days=30 * _MONTHS), today)
    if name not in presets:
        raise bad_param(f"param date_preset must be one of the following values: {', '.join(presets)}")
    return presets[name]


def _increment(text: str | None) -> int | None:
    if text in (None, "all_days"):
        return None
    if not str(text).isdigit() or not 1 <= int(str(text)) <= 90:  # noqa: PLR2004 - Meta's own bound
        raise bad_param("param time_increment must be an integer between 1 and 90, monthly or all_days")
    return int(str(text))


def _windows(text: str | None) -> tuple[str, ...]:
    requested = parse_json("action_attribution_windows", text, list) or []
    for window in requested:
        if window not in WINDOWS:
            raise bad_param(f"param action_attribution_windows[0] must be one of the following values: {', '.join(WINDOWS)}")
    return tuple(requested)


def rows(truth: Truth, query: Query, as_of: datetime) -> Iterator[Callable[[], dict[str, Any]]]:
    """The rows of the answer in order, as functions: a page renders only its own rows."""
    groups = _groups(query, as_of)
    count = max(groups.values(), default=-1) + 1
    owners = np.full(len(query.account.ads), -1)
    for index, group in groups.items():
        owners[index] = group
    # Reversed, so that a group is represented by its first ad.
    members = {group: query.account.ads[index] for index, group in reversed(groups.items())}
    for since, until in _periods(query):
        days = (truth.day_of(query.account.id, since + timedelta(days=n), as_of) for n in range((until - since).days + 1))
        sums = _sums(days, owners, count)
        for group in np.flatnonzero(sums["rows"]).tolist():
            values = {name: int(column[group]) for name, column in sums.items()}
            if _meets_filters(query, values):
                yield lambda values=values, group=group, since=since, until=until: _render(
                    query, members[group], values, since, until, as_of
                )  # type: ignore[misc] # mypy cannot infer lambdas with defaults


def _groups(query: Query, as_of: datetime) -> dict[int, int]:
    """For each ad, by index, the group (row) of the answer that it counts in. Ads that do not count are absent."""
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
            if condition.field == f"{level}.id" and not condition.holds(entity.id):
                return False
            if condition.field == f"{level}.effective_status" and not condition.holds(entity.effective_status(as_of)):
                return False
        if level == query.level and entity is not query.scope and not _has_own_row(query, entity, as_of):
            return False
    return True


def _has_own_row(query: Query, entity: Entity, as_of: datetime) -> bool:
    """Whether an object is reported by itself: an archived one only if the request filters by status, a deleted one in few accounts.

    Both count in the numbers of their parents.
    """
    status = entity.effective_status(as_of)
    if status == "DELETED" and not query.account.spec.reports_deleted:
        return False
    return status not in HIDDEN_STATUSES or any(condition.field == f"{entity.level}.effective_status" for condition in query.conditions)


def _periods(query: Query) -> Iterator[tuple[date, date]]:
    step = query.increment or query.days
    day = query.since
    while day <= query.until:
        last = min(day + timedelta(days=step - 1), query.until)
        yield day, last
        day = last + timedelta(days=1)


def _sums(days: Iterator[Day], owners: Numbers, count: int) -> dict[str, Numbers]:
    sums = {name: np.zeros(count, dtype=np.int64) for name in ("rows", *_QUANTITIES)}
    inside = owners >= 0
    for day in days:
        columns = {name: getattr(day, name) for name in _QUANTITIES[:8]}
        columns |= {"value": day.purchases * day.order_value, "off_meta_value": day.off_meta * day.order_value, "rows": day.delivered}
        chosen = inside & day.delivered
        for name, values in columns.items():
            np.add.at(sums[name], owners[chosen], values[chosen].astype(np.int64))
    return sums


def _meets_filters(query: Query, values: dict[str, int]) -> bool:
    units = query.account.spec.minor_units
    numbers = {"spend": values["spend"] / units, "impressions": values["impressions"]}
    return all(condition.holds(numbers[condition.field]) for condition in query.conditions if condition.field in numbers)


def _render(query: Query, ad: Entity, values: dict[str, int], since: date, until: date, as_of: datetime) -> dict[str, Any]:
    """A row of the answer. The ad is any member of its group; the group's ids are those of the ad's parents."""
    account, units = query.account, query.account.spec.minor_units
    row: dict[str, Any] = {"account_id": account.id, "account_name": account.spec.name, "account_currency": account.spec.currency}
    for level, entity in ((CAMPAIGN, campaign_of(ad)), (AD_SET, ad.parent), (AD, ad)):
        if entity and level in LEVELS[: LEVELS.index(query.level) + 1]:
            names = _NAME_FIELDS[level]
            row |= {names[0]: entity.id, names[1]: entity.name(as_of)}
    row |= {
        "objective": ad.objective,
        "attribution_setting": "_".join(f"{days}d_{kind.split('_')[0].lower()}" for days, kind in ad.setting),
    }
    row |= {"created_time": f"{ad.created_at:%Y-%m-%d}", "updated_time": f"{ad.updated_at(as_of):%Y-%m-%d}", "optimization_goal": "NONE"}
    row |= {
        "spend": "0" if account.spec.sends_zeros and not values["spend"] else money(values["spend"], units),
        "impressions": _digits(values["impressions"], account.spec),
        "clicks": _digits(values["clicks"], account.spec),
        "inline_link_clicks": _digits(values["clicks"] * 4 // 5, account.spec),
        "reach": _digits(values["impressions"] * 3 // 4, account.spec),
    }
    row |= {**_ratios(values, units), "results": results(account.spec, ad.objective, values)}
    if query.level == AD or query.windows or not _mixes_settings(query, ad):
        row |= reported_actions(account.spec, values, query.windows, None if query.level != AD else ad.index)
    row |= {"date_start": since.isoformat(), "date_stop": until.isoformat()}
    requested = {**query.fields, "date_start": None, "date_stop": None}
    return {name: row[name] for name in requested if row.get(name) is not None}


def _mixes_settings(query: Query, ad: Entity) -> bool:
    """Whether the row sums over ad sets with different attribution settings; Meta then reports no actions."""
    if query.level == AD_SET:
        return False
    campaign = campaign_of(ad)
    inside = [ad_set for ad_set in query.account.ad_sets if query.level == "account" or ad_set.parent is campaign]
    return len({ad_set.setting for ad_set in inside}) > 1


def _digits(count: int, spec: AccountSpec) -> str | None:
    return str(count) if count or spec.sends_zeros else None


def _ratios(values: dict[str, int], units: int) -> dict[str, str | None]:
    spend, clicks, impressions = values["spend"] / units, values["clicks"], values["impressions"]
    return {
        "ctr": f"{100 * clicks / impressions:.6f}" if impressions else None,
        "cpc": f"{spend / clicks:.6f}" if clicks else None,
        "cpm": f"{1000 * spend / impressions:.6f}" if impressions else None,
        "frequency": "1.333333" if impressions else None,
    }
