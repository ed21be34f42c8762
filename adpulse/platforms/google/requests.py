"""Every kind of request to Google, in one table: the client sends nothing else, `adpulse probe` one of each. Pure. Step: fetch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from adpulse.mapping import MAPPED, ConversionMapping
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Connection, Level
from adpulse.platforms.google.metrics import RULES, fields, split_field
from adpulse.platforms.google.normalise import ACTION, CATEGORY
from adpulse.platforms.google.queries import HIERARCHY, PROFILE, Report, changes, gaql, metrics_condition
from adpulse.platforms.google.shapes import DATE

SPLIT = "metrics.conversions"
"""The only metric of a report that is split by category: others may not be selected beside it."""

VALUE = "metrics.conversions_value"
"""What the conversions are worth; like them it is split by category and action (page "conversion_action", "Selectable with")."""

DATED_SPLIT, DATED_VALUE = "metrics.conversions_by_conversion_date", "metrics.conversions_value_by_conversion_date"
"""Both on the day of the conversion, which is another day than that of the click."""

ACTION_NAME = "segments.conversion_action_name"


class Kind(StrEnum):
    """A kind of request; the value names its file among the answers of a probe."""

    ACCESSIBLE = "accessible-customers"
    CLIENTS = "clients-of-a-customer"
    CUSTOMER = "customer"
    CAMPAIGNS = "campaigns"
    AD_GROUPS = "ad-groups"
    ADS = "ads"
    ASSET_GROUPS = "asset-groups"
    LISTED_CAMPAIGNS = "campaigns-by-ids"
    LISTED_AD_GROUPS = "ad-groups-by-ids"
    LISTED_ADS = "ads-by-ids"
    LISTED_ASSET_GROUPS = "asset-groups-by-ids"
    CHANGES = "changes"
    REPORT_ADS = "report-of-ads"
    REPORT_ASSET_GROUPS = "report-of-asset-groups"
    REPORT_CAMPAIGNS = "report-of-campaigns"
    REPORT_CUSTOMER = "report-of-the-customer"
    SPLIT_ADS = "conversions-of-ads-by-category"
    SPLIT_ASSET_GROUPS = "conversions-of-asset-groups-by-category"
    SPLIT_CAMPAIGNS = "conversions-of-campaigns-by-category"
    CONVERSION_TYPES = "conversions-of-the-customer-by-action"


WORDS: Mapping[Kind, str] = {
    Kind.ACCESSIBLE: "the customers that the credentials reach directly",
    Kind.CLIENTS: "a customer and the clients below it (`customer_client`)",
    Kind.CUSTOMER: "the customer itself",
    Kind.CAMPAIGNS: "campaigns, with their budgets",
    Kind.AD_GROUPS: "ad groups",
    Kind.ADS: "ads (`ad_group_ad`)",
    Kind.ASSET_GROUPS: "asset groups",
    Kind.LISTED_CAMPAIGNS: "campaigns by their ids",
    Kind.LISTED_AD_GROUPS: "ad groups by their ids",
    Kind.LISTED_ADS: "ads by their ids",
    Kind.LISTED_ASSET_GROUPS: "asset groups by their ids",
    Kind.CHANGES: "what changed since an instant (`change_status`)",
    Kind.REPORT_ADS: "a day's numbers of ads",
    Kind.REPORT_ASSET_GROUPS: "a day's numbers of asset groups",
    Kind.REPORT_CAMPAIGNS: "a day's numbers of campaigns",
    Kind.REPORT_CUSTOMER: "a day's numbers of the whole customer",
    Kind.SPLIT_ADS: "a day's conversions of ads by category",
    Kind.SPLIT_ASSET_GROUPS: "a day's conversions of asset groups by category",
    Kind.SPLIT_CAMPAIGNS: "a day's conversions of campaigns by category",
    Kind.CONVERSION_TYPES: "the customer's conversions over 28 days by category and conversion action",
}
"""The table: each kind, for people."""

_ALL = {
    Level.CAMPAIGN: Kind.CAMPAIGNS,
    Level.AD_GROUP: Kind.AD_GROUPS,
    Level.AD: Kind.ADS,
    Level.ASSET_GROUP: Kind.ASSET_GROUPS,
}
_LISTED = {
    Level.CAMPAIGN: Kind.LISTED_CAMPAIGNS,
    Level.AD_GROUP: Kind.LISTED_AD_GROUPS,
    Level.AD: Kind.LISTED_ADS,
    Level.ASSET_GROUP: Kind.LISTED_ASSET_GROUPS,
}
_REPORTS = {
    Level.AD: Kind.REPORT_ADS,
    Level.ASSET_GROUP: Kind.REPORT_ASSET_GROUPS,
    Level.CAMPAIGN: Kind.REPORT_CAMPAIGNS,
    Level.ACCOUNT: Kind.REPORT_CUSTOMER,
}
_SPLITS = {
    Level.AD: Kind.SPLIT_ADS,
    Level.ASSET_GROUP: Kind.SPLIT_ASSET_GROUPS,
    Level.CAMPAIGN: Kind.SPLIT_CAMPAIGNS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query, without its customer. ``fields`` are the columns of its answer, in the order of ``text``."""

    kind: Kind
    text: str
    fields: tuple[str, ...]


def _query(kind: Kind, resource: str, fields: Iterable[str], where: str = "", limit: int | None = None) -> Query:
    selected = tuple(dict.fromkeys(fields))
    return Query(kind=kind, text=gaql(resource, selected, where, limit), fields=selected)


CUSTOMER = _query(Kind.CUSTOMER, "customer", (f"customer.{name}" for name in PROFILE))
CLIENTS = _query(Kind.CLIENTS, "customer_client", (f"customer_client.{name}" for name in PROFILE))


def entities(level: Level, ids: Sequence[str] | None = None, limit: int | None = None) -> Query:
    """The entities of one level: all, or those with these ids."""
    kind = HIERARCHY[level]
    where = "" if ids is None else f"{kind.fields['id']} IN ({', '.join(ids)})"
    return _query(_ALL[level] if ids is None else _LISTED[level], kind.resource, kind.fields.values(), where, limit)


def changed(since: datetime, now: datetime, connection: Connection, limit: int) -> Query:
    """What changed since an instant."""
    selected, where = changes(since, now, connection)
    return _query(Kind.CHANGES, "change_status", selected, where, limit)


def numbers(report: Report, request: MetricsRequest, mapping: ConversionMapping = RULES.default, *, named: bool) -> Query:
    """A report without the split of conversions, with the entities' names if ``named``."""
    selected = [*report.fields.values(), report.within, DATE, *fields(mapping).values(), *(report.name_fields if named else ())]
    return _query(_REPORTS[report.level], report.resource, selected, metrics_condition(request))


def split(report: Report, request: MetricsRequest, mapping: ConversionMapping = RULES.default) -> Query:
    """A report's conversions by category, and by conversion action where the mapping counts one by its id."""
    by_action = any(kind.isdecimal() for metric in MAPPED for kind in mapping.types(metric))
    selected = [*report.fields.values(), report.within, DATE, CATEGORY, *([ACTION] if by_action else []), split_field(mapping)]
    return _query(_SPLITS[report.level], report.resource, selected, metrics_condition(request))


def conversion_types(since: date, until: date) -> Query:
    """The conversions of the whole customer by category and conversion action, on these days or of clicks on them, added up by Google.

    The day stands in the condition only, as "core date segments" may (page "Segmentation").
    """
    selected = ("customer.id", CATEGORY, ACTION, ACTION_NAME, SPLIT, VALUE, DATED_SPLIT, DATED_VALUE)
    return _query(Kind.CONVERSION_TYPES, "customer", selected, f"segments.date BETWEEN '{since}' AND '{until}'")
