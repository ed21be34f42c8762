"""Whether Google's answers are what the client takes them for: each goes through the client's decoder, shapes and normalisers. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any

import pyarrow as pa

from adpulse.errors import (
    AccessBlocked,
    AccountRefused,
    AdpulseError,
    AuthExpired,
    RateLimited,
    TooMuchData,
    Unavailable,
    Unreadable,
    VersionSunset,
)
from adpulse.platforms.google import normalise, shapes
from adpulse.platforms.google.conversion_types import conversion_types
from adpulse.platforms.google.errors import Failure, from_failure
from adpulse.platforms.google.messages import columns, from_json
from adpulse.platforms.google.metrics import FIELDS
from adpulse.platforms.google.probing.conversation import (
    ADS_OF_ONE,
    ADS_OF_OTHERS,
    GROUPS_OF_ONE,
    GROUPS_OF_OTHERS,
    LEVELS,
    OTHER_CAMPAIGNS,
    rows_of,
)
from adpulse.platforms.google.queries import ACCOUNT, ADS, ASSET_GROUPS, CAMPAIGNS, HIERARCHY, Report
from adpulse.platforms.google.requests import SPLIT, Kind
from adpulse.probe.exchange import NO_ANSWER, Exchange
from adpulse.probe.verdicts import Judgement, Verdict

_OK = "OK"
_ASSUMED: Mapping[str, tuple[type[AdpulseError], ...]] = {
    Kind.CLIENTS: (AccountRefused,),
    Kind.REPORT_ADS: (TooMuchData,),
    Kind.REPORT_ASSET_GROUPS: (TooMuchData,),
    Kind.REPORT_CAMPAIGNS: (TooMuchData,),
    Kind.REPORT_CUSTOMER: (TooMuchData,),
    Kind.CONVERSION_TYPES: (TooMuchData,),
}
"""Refusals that the client has a way around."""

_STOPPING = (AuthExpired, AccessBlocked, VersionSunset, RateLimited)
_DAYS = re.compile(r"BETWEEN '(\d{4}-\d\d-\d\d)[^']*' AND '(\d{4}-\d\d-\d\d)")

Flaw = tuple[str, str]
"""What is otherwise than assumed: in our words, and what the platform said."""


def judge(exchange: Exchange) -> Judgement:
    """The verdict on one answer."""
    if exchange.status == NO_ANSWER:
        return Judgement(verdict=Verdict.OTHERWISE, words="no answer")
    if exchange.status != _OK:
        return _refusal(exchange)
    flaws = list(_READERS[exchange.kind](exchange))
    if flaws:
        said = "; ".join(text for _, text in flaws if text)
        return Judgement(verdict=Verdict.OTHERWISE, words="; ".join(dict.fromkeys(words for words, _ in flaws)), said=said)
    rows = rows_of(exchange)
    return Judgement(verdict=Verdict.WORKS, words="" if rows is None else f"{len(rows)} rows")


def _failure_in(exchange: Exchange) -> Failure:
    body = exchange.body if isinstance(exchange.body, dict) else {}
    return Failure(status=exchange.status, **body.get("error", {}))


def _refusal(exchange: Exchange) -> Judgement:
    failure = _failure_in(exchange)
    translated = from_failure(failure, "the account")
    code = "/".join(filter(None, (failure.family, failure.code, failure.reason)))
    words = f"{exchange.status}{f', error {code}' if code else ''}, which adpulse takes for {type(translated).__name__}"
    assumed = isinstance(translated, _ASSUMED.get(exchange.kind, ()))
    verdict = Verdict.REFUSED_AS_ASSUMED if assumed else Verdict.REFUSED
    return Judgement(verdict=verdict, words=words, said=failure.message, stops=isinstance(translated, _STOPPING))


def table_of(exchange: Exchange) -> pa.Table:
    """The answer as the client has it: decoded from the wire's bytes by a class of the selected fields only.

    Raises:
        ValueError: a message that the SDK's classes do not hold.
    """
    version, fields = str(exchange.request["version"]), tuple(exchange.request["fields"])
    decoder = columns(version, fields)
    messages = exchange.body if isinstance(exchange.body, list) else []
    return pa.concat_tables(
        [decoder.schema.empty_table(), *(decoder.table(decoder.deserialize(from_json(version, each))) for each in messages)]
    )


def _accessible(exchange: Exchange) -> Iterator[Flaw]:
    names = exchange.body.get("resourceNames") if isinstance(exchange.body, dict) else None
    if not isinstance(names, list) or not all(re.fullmatch(r"customers/\d+", str(name)) for name in names):
        yield "no list of customers", ""


def _profiles(prefix: str, exchange: Exchange) -> Iterator[Flaw]:
    table = table_of(exchange)
    if not table.num_rows:
        yield "no row", ""
    for row in table.to_pylist():
        if not row[f"{prefix}.id"]:
            yield "a customer without an id", ""
            continue
        facts = normalise.account(row, prefix, None)
        if facts.flaw:
            yield "a customer that cannot be synced although it is in order", facts.flaw
    yield from _unselected(exchange)


def _entities(exchange: Exchange) -> Iterator[Flaw]:
    level = LEVELS.get(exchange.kind)
    if level is None:
        return
    fields, table = HIERARCHY[level].fields, table_of(exchange)
    answer = normalise.entities(level, table, "probe", fields)
    yield from (("an entity is refused", row["reason"]) for row in answer.refused.to_pylist())
    numeric = {status for status in table[fields["status"]].to_pylist() if status.isdecimal() or status in ("UNKNOWN", "UNSPECIFIED")}
    if numeric:
        yield "a status that this version does not know", ""
    wanted = re.search(rf"{re.escape(fields['id'])} IN \(([\d, ]+)\)", str(exchange.request["query"]))
    if wanted and not {str(each) for each in table[fields["id"]].to_pylist()} <= set(wanted[1].split(", ")):
        yield "an entity whose id was not asked for", ""
    yield from _unselected(exchange)


def _changed(exchange: Exchange) -> Iterator[Flaw]:
    table = table_of(exchange)
    known = {kind.resource.upper() for kind in HIERARCHY.values()} | {"CAMPAIGN_BUDGET"}
    if set(table["change_status.resource_type"].to_pylist()) - known:
        yield "a change of a resource that was not asked for", ""
    yield from _unselected(exchange)


def _report(report: Report, values: tuple[str, ...], exchange: Exchange) -> Iterator[Flaw]:
    table, days = table_of(exchange), _DAYS.search(str(exchange.request["query"]))
    span = (date.fromisoformat(days[1]), date.fromisoformat(days[2])) if days else (date.min, date.max)
    try:
        accepted, refused = shapes.accepted(report, table, values, span, "the account")
    except Unreadable as unreadable:
        yield "a row whose entity or day cannot be told", str(unreadable)
        return
    yield from (("a row is refused", row["reason"]) for row in refused.to_pylist())
    if values == (SPLIT,):
        normalise.split(report.level, accepted, report.within, report.fields)
    else:
        normalise.base(report.level, accepted, report.within, report.fields)
    operator = re.search(r"campaign\.id (NOT IN|IN) \((\d+)\)", str(exchange.request["query"]))
    inside = {str(campaign) == operator[2] for campaign in table["campaign.id"].to_pylist()} if operator else set()
    if operator and inside - {operator[1] == "IN"}:
        yield "rows that the condition campaign.id leaves out", ""
    yield from _unselected(exchange)


def _conversion_types(exchange: Exchange) -> Iterator[Flaw]:
    try:
        conversion_types(table_of(exchange), "the customer")
    except Unavailable as unreadable:
        yield "the customer's conversions cannot be read", str(unreadable)
    yield from _unselected(exchange)


def _unselected(exchange: Exchange) -> Iterator[Flaw]:
    """Resource names that were not selected take most of an answer's bytes; a parameter leaves them out."""
    selected = any(name.endswith("resource_name") for name in exchange.request["fields"])
    if not selected and any(_has_name(row) for row in rows_of(exchange) or ()):
        yield "resource names that were not selected", ""


def _has_name(value: Any) -> bool:  # noqa: ANN401 - JSON
    return isinstance(value, Mapping) and ("resourceName" in value or any(_has_name(each) for each in value.values()))


_NUMBERS = tuple(FIELDS.values())
_READERS: Mapping[str, Callable[[Exchange], Iterator[Flaw]]] = {
    Kind.ACCESSIBLE: _accessible,
    Kind.CLIENTS: partial(_profiles, "customer_client"),
    Kind.CUSTOMER: partial(_profiles, "customer"),
    Kind.CAMPAIGNS: _entities,
    Kind.AD_GROUPS: _entities,
    Kind.ADS: _entities,
    Kind.ASSET_GROUPS: _entities,
    Kind.LISTED_CAMPAIGNS: _entities,
    Kind.LISTED_AD_GROUPS: _entities,
    Kind.LISTED_ADS: _entities,
    Kind.LISTED_ASSET_GROUPS: _entities,
    Kind.CHANGES: _changed,
    Kind.REPORT_ADS: partial(_report, ADS, _NUMBERS),
    Kind.REPORT_ASSET_GROUPS: partial(_report, ASSET_GROUPS, _NUMBERS),
    Kind.REPORT_CAMPAIGNS: partial(_report, CAMPAIGNS, _NUMBERS),
    Kind.REPORT_CUSTOMER: partial(_report, ACCOUNT, _NUMBERS),
    Kind.SPLIT_ADS: partial(_report, ADS, (SPLIT,)),
    Kind.SPLIT_ASSET_GROUPS: partial(_report, ASSET_GROUPS, (SPLIT,)),
    Kind.SPLIT_CAMPAIGNS: partial(_report, CAMPAIGNS, (SPLIT,)),
    Kind.CONVERSION_TYPES: _conversion_types,
    ADS_OF_ONE: partial(_report, ADS, _NUMBERS),
    ADS_OF_OTHERS: partial(_report, ADS, _NUMBERS),
    GROUPS_OF_ONE: partial(_report, ASSET_GROUPS, _NUMBERS),
    GROUPS_OF_OTHERS: partial(_report, ASSET_GROUPS, _NUMBERS),
    OTHER_CAMPAIGNS: partial(_report, CAMPAIGNS, _NUMBERS),
}
