"""Every kind of request to Meta, in one table: the client sends nothing else, `adpulse probe` one of each. Pure. Step: fetch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from adpulse.attribution import WINDOWS
from adpulse.metrics_request import FieldGroup, MetricsRequest
from adpulse.model import Connection, Level
from adpulse.platforms.meta.insights import EDGE, level_of, parameters
from adpulse.platforms.meta.metrics import ACTION_FIELDS, CLICK_FIELDS
from adpulse.platforms.meta.statuses import edge_statuses

Params = dict[str, Any]

_COMMON = "id,name,status,effective_status,created_time,updated_time,adlabels"
CREATIVE = ",creative{id,name,link_url,object_story_spec,url_tags}"
_ACTIVITY = "event_time,event_type,object_id,object_type,extra_data"
ACTIVITIES = "activities"
_ACCOUNT = "account_id,name,currency,timezone_name,account_status"


class Kind(StrEnum):
    """A kind of request; the value names its file among the answers of a probe."""

    OWN_ACCOUNTS = "own-accounts"
    ASSIGNED_ACCOUNTS = "assigned-accounts"
    ISSUER = "app"
    ACCOUNT = "account"
    CAMPAIGNS = "campaigns"
    AD_SETS = "ad-sets"
    ADS = "ads"
    ADS_PLAIN = "ads-without-creatives"
    CHANGED_CAMPAIGNS = "changed-campaigns"
    CHANGED_AD_SETS = "changed-ad-sets"
    CHANGED_ADS = "changed-ads"
    LISTED_CAMPAIGNS = "campaigns-by-ids"
    LISTED_AD_SETS = "ad-sets-by-ids"
    LISTED_ADS = "ads-by-ids"
    NODE = "object-by-id"
    ACTIVITIES = "activities"
    REPORT_ADS = "report-of-ads"
    REPORT_DELIVERY = "report-of-ads-delivery-only"
    REPORT_ACTIONS = "report-of-ads-actions-only"
    REPORT_CAMPAIGNS = "report-of-campaigns"
    REPORT_ACCOUNT = "report-of-the-account"
    ACTION_TYPES = "action-types-of-the-account"
    START_REPORT = "asynchronous-report-start"
    REPORT_STATE = "asynchronous-report-state"
    REPORT_ROWS = "asynchronous-report-rows"


WORDS: Mapping[Kind, str] = {
    Kind.OWN_ACCOUNTS: "the ad accounts of the token's user (`me/adaccounts`)",
    Kind.ASSIGNED_ACCOUNTS: "the ad accounts assigned to a System User (`me/assigned_ad_accounts`)",
    Kind.ISSUER: "the app that issued the token (`app`)",
    Kind.ACCOUNT: "the ad account itself",
    Kind.CAMPAIGNS: "campaigns of every status but deleted",
    Kind.AD_SETS: "ad sets of every status but deleted",
    Kind.ADS: "ads of every status but deleted, with their creatives",
    Kind.ADS_PLAIN: "the next page of ads, without creatives and with another limit",
    Kind.CHANGED_CAMPAIGNS: "campaigns changed since an instant (`updated_time`)",
    Kind.CHANGED_AD_SETS: "ad sets changed since an instant (`updated_time`)",
    Kind.CHANGED_ADS: "ads changed since an instant (`updated_time`)",
    Kind.LISTED_CAMPAIGNS: "campaigns by their ids (`filtering id IN`)",
    Kind.LISTED_AD_SETS: "ad sets by their ids (`filtering id IN`)",
    Kind.LISTED_ADS: "ads by their ids (`filtering id IN`)",
    Kind.NODE: "one object by its id",
    Kind.ACTIVITIES: "what was changed in the account lately (`activities`), for the ids of deleted campaigns",
    Kind.REPORT_ADS: "a day's numbers of ads, filtered by every status",
    Kind.REPORT_DELIVERY: "a day's delivery of ads, the fields' first half",
    Kind.REPORT_ACTIONS: "a day's actions of ads, the fields' second half",
    Kind.REPORT_CAMPAIGNS: "a day's numbers of campaigns, filtered by every status; of a deleted one by its id",
    Kind.REPORT_ACCOUNT: "a day's totals of the account, without a filter",
    Kind.ACTION_TYPES: "the actions of the account over 28 days, by type",
    Kind.START_REPORT: "the start of an asynchronous report (the only POST; it reads)",
    Kind.REPORT_STATE: "the state of an asynchronous report",
    Kind.REPORT_ROWS: "the rows of an asynchronous report",
}
"""The table: each kind, for people."""

_OF_FIELDS = {
    FieldGroup.ALL: Kind.REPORT_ADS,
    FieldGroup.DELIVERY: Kind.REPORT_DELIVERY,
    FieldGroup.ACTIONS: Kind.REPORT_ACTIONS,
}
_OF_TOTALS = {Level.CAMPAIGN: Kind.REPORT_CAMPAIGNS, Level.ACCOUNT: Kind.REPORT_ACCOUNT}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaRequest:
    """One request, without its token. ``kind`` is its place in the table."""

    kind: Kind
    path: str
    params: Params
    method: str = "GET"

    def having(self, **params: Any) -> "MetaRequest":
        """The same request with more parameters."""
        return replace(self, params={**self.params, **params})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    """An edge of an account, its fields, and the kinds of its requests: all of its objects, those that changed, and some by their ids."""

    name: str
    fields: str
    all: Kind
    changed: Kind
    listed: Kind


_EDGES: Mapping[Level, _Edge] = {
    Level.CAMPAIGN: _Edge(
        name="campaigns",
        fields=f"{_COMMON},objective,buying_type,bid_strategy,daily_budget,lifetime_budget,spend_cap",
        all=Kind.CAMPAIGNS,
        changed=Kind.CHANGED_CAMPAIGNS,
        listed=Kind.LISTED_CAMPAIGNS,
    ),
    Level.AD_SET: _Edge(
        name="adsets",
        fields=f"{_COMMON},campaign_id,optimization_goal,billing_event,bid_strategy,daily_budget,lifetime_budget,attribution_spec",
        all=Kind.AD_SETS,
        changed=Kind.CHANGED_AD_SETS,
        listed=Kind.LISTED_AD_SETS,
    ),
    Level.AD: _Edge(
        name="ads",
        fields=f"{_COMMON},campaign_id,adset_id{CREATIVE}",
        all=Kind.ADS,
        changed=Kind.CHANGED_ADS,
        listed=Kind.LISTED_ADS,
    ),
}
WALKED = tuple(_EDGES)
"""The levels of a walk, in its order."""

OWN_ACCOUNTS = MetaRequest(kind=Kind.OWN_ACCOUNTS, path="me/adaccounts", params={"fields": _ACCOUNT})
ASSIGNED_ACCOUNTS = MetaRequest(kind=Kind.ASSIGNED_ACCOUNTS, path="me/assigned_ad_accounts", params={"fields": _ACCOUNT})
ISSUER = MetaRequest(kind=Kind.ISSUER, path="app", params={"fields": "id"})


def account(external_id: str) -> MetaRequest:
    """The account itself."""
    return MetaRequest(kind=Kind.ACCOUNT, path=f"act_{external_id}", params={"fields": _ACCOUNT})


def walk(level: Level, account_id: str, since: datetime | None = None) -> MetaRequest:
    """Everything that the account's edge of a level lists, or what changed since an instant."""
    edge = _EDGES[level]
    params: Params = {"fields": edge.fields, "effective_status": edge_statuses(level)}
    if since is not None:
        params["filtering"] = [{"field": "updated_time", "operator": "GREATER_THAN", "value": int(since.timestamp())}]
    return MetaRequest(kind=edge.changed if since else edge.all, path=f"act_{account_id}/{edge.name}", params=params)


def without_creatives(params: Params) -> Params:
    """The parameters of a walk through ads, less the creatives."""
    return {**params, "fields": params["fields"].replace(CREATIVE, "")}


def listed(level: Level, account_id: str, ids: Sequence[str]) -> MetaRequest:
    """What the account's edge of a level lists of these ids."""
    edge = _EDGES[level]
    some = {"field": "id", "operator": "IN", "value": list(ids)}
    params = {"fields": edge.fields, "effective_status": edge_statuses(level), "filtering": [some]}
    return MetaRequest(kind=edge.listed, path=f"act_{account_id}/{edge.name}", params=params)


def node(level: Level, external_id: str) -> MetaRequest:
    """One object by its id."""
    return MetaRequest(kind=Kind.NODE, path=external_id, params={"fields": _EDGES[level].fields})


def activities(account_id: str, since: datetime) -> MetaRequest:
    """What was created, changed and deleted in the account, newest first (page "Ad Account, Activities")."""
    params: Params = {"fields": _ACTIVITY, "since": int(since.timestamp())}
    return MetaRequest(kind=Kind.ACTIVITIES, path=f"act_{account_id}/{ACTIVITIES}", params=params)


def report_of_campaign(connection: Connection, request: MetricsRequest, campaign_id: str) -> MetaRequest:
    """A report of one campaign by its id, which is answered for a deleted one, too (page "Manage your ad object's status")."""
    params = {name: value for name, value in parameters(connection, request).items() if name != "filtering"}
    return MetaRequest(kind=Kind.REPORT_CAMPAIGNS, path=f"{campaign_id}/{EDGE}", params=params)


def report(connection: Connection, request: MetricsRequest) -> MetaRequest:
    """A report of the account."""
    level = level_of(request.kind)
    kind = _OF_FIELDS[request.fields] if level is Level.AD else _OF_TOTALS[level]
    return MetaRequest(kind=kind, path=f"act_{connection.external_id}/{EDGE}", params=parameters(connection, request))


def action_types(account_id: str, since: date, until: date) -> MetaRequest:
    """The actions of the whole account by type, the days added up by Meta.

    Every window is requested (parameter ``action_attribution_windows``), which adds a column beside ``value``. Without windows Meta returns
    no actions where ad sets attribute differently, with them it does (page "Ads Action Stats"); `adpulse probe` shows it.
    """
    days = {"since": since.isoformat(), "until": until.isoformat()}
    fields = ("account_id", *dict.fromkeys((*CLICK_FIELDS.values(), *ACTION_FIELDS)))
    params = {
        "level": Level.ACCOUNT.value,
        "fields": ",".join(fields),
        "time_range": days,
        "action_attribution_windows": list(WINDOWS),
    }
    return MetaRequest(kind=Kind.ACTION_TYPES, path=f"act_{account_id}/{EDGE}", params=params)


def start_report(connection: Connection, request: MetricsRequest) -> MetaRequest:
    """The start of a report that Meta computes in its own time. It is a POST that changes nothing in the account."""
    return MetaRequest(
        kind=Kind.START_REPORT, method="POST", path=f"act_{connection.external_id}/{EDGE}", params=parameters(connection, request)
    )


def report_state(report_id: str) -> MetaRequest:
    """The state of such a report."""
    return MetaRequest(kind=Kind.REPORT_STATE, path=report_id, params={"fields": "async_status,async_percent_completion"})


def report_rows(report_id: str) -> MetaRequest:
    """The rows of such a report, whose id stands for every parameter but the page's."""
    return MetaRequest(kind=Kind.REPORT_ROWS, path=f"{report_id}/{EDGE}", params={})
