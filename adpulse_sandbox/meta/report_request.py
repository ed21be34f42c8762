"""Requests of reports (insights): every parameter is checked, and none is accepted and ignored."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from adpulse_sandbox.meta.conditions import Condition, parse_filtering
from adpulse_sandbox.meta.errors import GraphError, bad_param, invalid_breakdown, invalid_fields, unsupported
from adpulse_sandbox.meta.names import Names
from adpulse_sandbox.meta.parameters import (
    OF_PAGES,
    WITHOUT_EFFECT,
    Fields,
    check_parameters,
    check_values,
    parse_fields,
    parse_flag,
    parse_list,
)
from adpulse_sandbox.meta.periods import Period, periods
from adpulse_sandbox.meta.statuses import check_report
from adpulse_sandbox.meta.windows import SERVED
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Entity

LEVELS = ("account", CAMPAIGN, AD_SET, AD)
NODE = "AdsInsights"
REQUEST = "insights"
STATUS_FIELD = ".effective_status"
METRIC_FILTERS = ("spend", "impressions", "clicks", "reach", "frequency", "ctr", "cpc", "cpm", "cpp", "unique_clicks", "inline_link_clicks")
"""Metrics that a report is filtered by, also with the prefix of a level (``ad.impressions``: a public client's own advice)."""

FILTERS = frozenset(
    {
        *(f"{level}.{name}" for level in LEVELS[1:] for name in ("id", "name", "effective_status", "delivery_info", *METRIC_FILTERS)),
        *METRIC_FILTERS,
    }
)
_OTHER_FILTERS = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "ad.", "adset.", "campaign.", "account.")
    for name in ("action_type", "objective", "updated_time", "created_time", "optimization_goal", "buying_type", "placement", "labels")
)
_EMPTY_WINDOWS = ("dda", "default", "skan_click", "skan_view")
"""Windows in which the world has no actions, beside ``default``, whose count is the action's ``value``."""

ACTION_BREAKDOWNS = ("action_type", "action_target_id", "action_destination")
_ACCEPTED = frozenset(
    {
        "action_attribution_windows", "action_breakdowns", "breakdowns", "date_preset", "default_summary", "filtering", "level", "sort",
        "summary", "summary_action_breakdowns", "time_increment", "time_range", "time_ranges", *WITHOUT_EFFECT[REQUEST], *OF_PAGES,
    }
)  # fmt: skip
_DEFAULT_FIELDS = "account_id,impressions,spend"
_SORT = re.compile(r"(?P<field>[\w:.]+?)(?:_(?P<direction>ascending|descending))?")
_LISTS_OF_KINDS = ("actions", "action_values", "cost_per_action_type")
"""Fields that a report is sorted by only with the type of an action."""

_FLAGS = ("default_summary", "graph_cache", "use_account_attribution_setting", "use_unified_attribution_setting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A checked request of a report."""

    account: Account
    scope: Entity | None
    level: str
    fields: Fields
    periods: tuple[Period, ...]
    conditions: tuple[Condition, ...] = ()
    windows: tuple[str, ...] = ()
    action_breakdowns: tuple[str, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    """The fields to sort by, each with whether its largest value comes first."""
    summary: tuple[str, ...] = ()

    @property
    def span(self) -> tuple[date, date]:
        """The first and the last requested day."""
        return min(since for since, _ in self.periods), max(until for _, until in self.periods)

    @property
    def days(self) -> int:
        """The number of requested days."""
        return sum((until - since).days + 1 for since, until in self.periods)

    @property
    def is_inferred(self) -> bool:
        """Whether no source shows its answer: values of action breakdowns, words of ``delivery_info``, fields of a lower level."""
        lower = {f"{level}_{name}" for level in LEVELS[LEVELS.index(self.level) + 1 :] for name in ("id", "name")}
        by_delivery = any(condition.field.endswith("delivery_info") for condition in self.conditions)
        return by_delivery or len(self.action_breakdowns) > 1 or not lower.isdisjoint(self.fields)

    def has_campaign(self, campaign_id: str) -> bool:
        """Whether its filters leave a campaign in."""
        return all(condition.holds(campaign_id) for condition in self.conditions if condition.field == "campaign.id")

    def count_campaigns(self) -> int:
        """How many of the account's campaigns have rows in it: those that its filters leave in, and none in the account's totals."""
        return sum(self.has_campaign(campaign.id) for campaign in self.account.campaigns) if self.level != "account" else 0


def parse(account: Account, scope: Entity | None, params: Mapping[str, str], names: Names, now: datetime) -> Query:
    """Check every parameter of a report's request.

    Raises:
        GraphError: a parameter is invalid, with Meta's code and message, or not served.
    """
    _check_known(params, names)
    check_parameters(params, _ACCEPTED, REQUEST)
    level = params.get("level") or (scope.level if scope else "account")
    if level not in LEVELS:
        raise bad_param(f"param level must be one of the following values: {', '.join(LEVELS)}")
    fields = parse_fields(params.get("fields", "")) or parse_fields(_DEFAULT_FIELDS)
    _check_fields(fields, names)
    _check_breakdowns(params, names)
    summary = tuple(parse_fields(params.get("summary", ""))) or (
        tuple(fields) if parse_flag("default_summary", params.get("default_summary")) else ()
    )
    _check_fields(dict.fromkeys(summary), names)
    return Query(
        account=account,
        scope=scope,
        level=level,
        fields=fields,
        periods=periods(account, params, now),
        conditions=tuple(_conditions(params, level)),
        windows=tuple(_windows(params, names)),
        action_breakdowns=_action_breakdowns(params, names),
        sort=tuple(_sort(params, names)),
        summary=summary,
    )


def _check_known(params: Mapping[str, str], names: Names) -> None:
    """Refuse values that an enum or a Boolean does not have."""
    for name in _FLAGS:
        parse_flag(name, params.get(name))
    report_time = params.get("action_report_time")
    allowed = names.values("action_report_time")
    if report_time is not None and report_time not in allowed:
        raise bad_param(f"param action_report_time must be one of the following values: {', '.join(allowed)}")


def _check_fields(fields: Fields, names: Names) -> None:
    """Refuse fields that no report has. A field that the level does not have is absent from the answer, as one without a value."""
    unknown = [name for name in fields if not names.has_field(NODE, name)]
    ended = [name for name in unknown if name in names.nodes[NODE].fields]
    if unknown and unknown == ended:
        raise invalid_fields(ended, names.ended_fields[NODE][ended[0]])
    if unknown:
        raise invalid_fields(unknown)
    if any(inner is not None for inner in fields.values()):
        raise unsupported("fields inside fields of insights")


def _check_breakdowns(params: Mapping[str, str], names: Names) -> None:
    requested = parse_list("breakdowns", params.get("breakdowns"))
    unknown = [name for name in requested if name not in names.values("breakdowns")]
    if unknown:
        raise invalid_breakdown(unknown)
    for name in requested:
        if refusal := names.ended_values["breakdowns"].get(name):
            raise bad_param(refusal)
        raise unsupported(f"the breakdown {name} of insights")


def _action_breakdowns(params: Mapping[str, str], names: Names) -> tuple[str, ...]:
    """The parts of an action: its type alone, unless the request names more. An empty list is none (both: Insights API, "Breakdowns")."""
    parsed = {}
    for name in ("action_breakdowns", "summary_action_breakdowns"):
        parsed[name] = parse_list(name, params.get(name))
        check_values(name, parsed[name], names.values(name))
        for value in parsed[name]:
            if value not in ACTION_BREAKDOWNS or (name.startswith("summary") and value != "action_type"):
                raise unsupported(f"{name}={value} of insights")
    if parsed["action_breakdowns"] and "action_type" not in parsed["action_breakdowns"]:
        raise unsupported("action_breakdowns without action_type of insights")
    return tuple(parsed["action_breakdowns"]) or ("action_type",)


def _conditions(params: Mapping[str, str], level: str) -> list[Condition]:
    """The filters of a report: by objects, and by the metrics of its own rows."""
    metrics = {f"{above}.{name}" for above in LEVELS if above != level for name in METRIC_FILTERS}
    conditions = parse_filtering(params.get("filtering"), FILTERS - metrics, _OTHER_FILTERS | metrics)
    for condition in conditions:
        if condition.field.endswith(STATUS_FIELD):
            check_report(condition.field.removesuffix(STATUS_FIELD), condition.values)
    return conditions


def _windows(params: Mapping[str, str], names: Names) -> list[str]:
    name = "action_attribution_windows"
    requested = parse_list(name, params.get(name))
    check_values(name, requested, names.values(name))
    for window in requested:
        if window not in (*SERVED, *_EMPTY_WINDOWS, *names.ended_values[name]):
            raise unsupported(f"the attribution window {window} of insights")
    return requested


def _sort(params: Mapping[str, str], names: Names) -> list[tuple[str, bool]]:
    """Source: the parameter ``sort`` of the page "Ad Account, Insights": ``reach_descending``, ``actions:link_click_ascending``."""
    keys = []
    for text in parse_list("sort", params.get("sort")):
        match = _SORT.fullmatch(text)
        name, _, kind = (match["field"] if match else "").partition(":")
        if match is None or not names.has_field(NODE, name) or (name in _LISTS_OF_KINDS and not kind):
            raise _bad_sort(text)
        keys.append((match["field"], match["direction"] == "descending"))
    return keys


def _bad_sort(text: str) -> GraphError:
    """A value of ``sort`` that is no field with a direction. No answer of Meta's to it was recorded."""
    error = bad_param(f"param sort must be a field of the report followed by _ascending or _descending: {text}")
    return error.inferred()
