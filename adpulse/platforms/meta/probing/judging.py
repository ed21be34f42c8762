"""Whether Meta's answers are what the client takes them for: each goes through the client's own errors, shapes and normalisers. Pure."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from adpulse.errors import (
    AccessBlocked,
    AccountRefused,
    AdpulseError,
    AuthExpired,
    BadRequest,
    FieldRefused,
    ObjectGone,
    RateLimited,
    StatusRefused,
    TooMuchData,
    Unavailable,
    Unreadable,
    VersionSunset,
)
from adpulse.model import Level
from adpulse.platforms.meta import normalise, shapes, statuses, tokens
from adpulse.platforms.meta.action_types import action_types
from adpulse.platforms.meta.costs import NAME
from adpulse.platforms.meta.errors import Reply, from_reply
from adpulse.platforms.meta.meters import use_case
from adpulse.platforms.meta.probing.conversation import rows_of
from adpulse.platforms.meta.requests import Kind
from adpulse.probe.exchange import NO_ANSWER, Exchange
from adpulse.probe.subject import unconnected
from adpulse.probe.verdicts import Judgement, Verdict
from adpulse.refused_rows import RowRefused

_ERRORS = 400
_STATES = ("Job Not Started", "Job Started", "Job Running", "Job Completed", "Job Failed", "Job Skipped")
_REPORT = (StatusRefused, TooMuchData)
_ASSUMED: Mapping[str, tuple[type[AdpulseError], ...]] = {
    Kind.OWN_ACCOUNTS: (BadRequest, AccountRefused),
    Kind.ASSIGNED_ACCOUNTS: (BadRequest, AccountRefused),
    Kind.ISSUER: (BadRequest,),
    Kind.ADS: (FieldRefused, TooMuchData),
    Kind.NODE: (ObjectGone, BadRequest, AccountRefused),
    Kind.REPORT_ADS: _REPORT,
    Kind.REPORT_DELIVERY: _REPORT,
    Kind.REPORT_ACTIONS: _REPORT,
    Kind.REPORT_CAMPAIGNS: _REPORT,
    Kind.START_REPORT: (StatusRefused,),
    Kind.REPORT_ACCOUNT: (TooMuchData,),
    Kind.ACTION_TYPES: (TooMuchData,),
    Kind.ACTIVITIES: (BadRequest, AccountRefused),
}
"""Refusals that the client has a way around."""

_STOPPING = (AuthExpired, AccessBlocked, VersionSunset, RateLimited)

Flaw = tuple[str, str]
"""What is otherwise than assumed: in our words, and what the platform said."""


def judge(exchange: Exchange) -> Judgement:
    """The verdict on one answer."""
    if exchange.status == NO_ANSWER:
        return Judgement(verdict=Verdict.OTHERWISE, words="no answer, or none that is JSON")
    error = exchange.body.get("error") if isinstance(exchange.body, dict) else None
    if error is not None or int(exchange.status) >= _ERRORS:
        return _refusal(exchange, error if isinstance(error, dict) else {})
    flaws = [*_READERS[exchange.kind](exchange), *_of_version(exchange)]
    if flaws:
        said = "; ".join(text for _, text in flaws if text)
        return Judgement(verdict=Verdict.OTHERWISE, words="; ".join(dict.fromkeys(words for words, _ in flaws)), said=said)
    rows = rows_of(exchange)
    return Judgement(verdict=Verdict.WORKS, words="" if rows is None else f"{len(rows)} rows")


def _refusal(exchange: Exchange, error: Mapping[str, Any]) -> Judgement:
    path, params = str(exchange.request["path"]), exchange.request["params"]
    reply = Reply(
        status=int(exchange.status),
        error=error,
        headers=exchange.headers,
        of_account=not path.partition("/")[0].isdecimal(),
        use_case=use_case(path, params),
    )
    translated = from_reply(reply, "the account")
    said = ". ".join(str(error[name]) for name in ("message", "error_user_title", "error_user_msg") if error.get(name))
    words = f"HTTP {exchange.status}, error {translated.code}, which adpulse takes for {type(translated).__name__}"
    if refusal := tokens.wrong_kind(tokens.kind_in(translated)):
        return Judgement(verdict=Verdict.REFUSED, words=str(refusal), said=said, stops=True)
    assumed = isinstance(translated, _ASSUMED.get(exchange.kind, ()))
    verdict = Verdict.REFUSED_AS_ASSUMED if assumed else Verdict.REFUSED
    return Judgement(verdict=verdict, words=words, said=said, stops=isinstance(translated, _STOPPING))


def _of_version(exchange: Exchange) -> Iterator[Flaw]:
    """Meta may upgrade a call by itself; ``called`` is what the probe noted of it."""
    answered, called = exchange.headers.get("facebook-api-version"), exchange.request.get("version")
    if answered and called and answered != called:
        yield "another version answered than was called", answered


def _accounts(exchange: Exchange) -> Iterator[Flaw]:
    rows = rows_of(exchange)
    if rows is None:
        yield "no list of accounts", ""
    for row in rows or ():
        try:
            facts = normalise.account(row)
        except RowRefused as refused:
            yield "an account without an id", str(refused)
            continue
        if facts.flaw:
            yield "an account that cannot be synced although it is in order", facts.flaw
        if facts.status.startswith("status "):
            yield "an account with an unknown status", facts.status


def _account(exchange: Exchange) -> Iterator[Flaw]:
    own_id = str(exchange.request["path"]).removeprefix("act_")
    facts = normalise.account(exchange.body, own_id)
    if facts.flaw:
        yield "the account cannot be synced although it is in order", facts.flaw
    if not isinstance(exchange.body, dict) or str(exchange.body.get("account_id")) != own_id:
        yield "the answer is not of the account that was asked for", ""


def _issuer(exchange: Exchange) -> Iterator[Flaw]:
    body = exchange.body if isinstance(exchange.body, dict) else {}
    if tokens.issuer_in_answer(body) == tokens.UNNAMED_APP:
        yield "the app has no id", ""


def _entities(level: Level, exchange: Exchange) -> Iterator[Flaw]:
    rows, params = rows_of(exchange), exchange.request["params"]
    if rows is None:
        yield "no list of objects", ""
        return
    yield from (("an object is refused", row["reason"]) for row in normalise.entities(level, rows, "probe").refused.to_pylist())
    if len(rows) > params["limit"]:
        yield "more rows than the limit", ""
    for row in rows:
        yield from _entity(level, row, params)
    yield from _paging(exchange)


def _entity(level: Level, row: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Flaw]:
    status = str(row.get("effective_status"))
    if status not in params["effective_status"]:
        yield "an object with a status that was not asked for", status
    goal = row.get({Level.CAMPAIGN: "objective", Level.AD_SET: "optimization_goal"}.get(level, ""))
    if goal is not None and not statuses.is_known(level, "objective", str(goal)):
        yield "an unknown goal", str(goal)
    for condition in params.get("filtering", ()):
        if condition["field"] == "id" and str(row.get("id")) not in condition["value"]:
            yield "an object whose id was not asked for", ""
        if condition["field"] == "updated_time" and changed_at(row) <= condition["value"]:
            yield "an object that did not change since the instant, so the filter is ignored", ""


def changed_at(row: Mapping[str, Any]) -> float:
    """When an object was changed last, in seconds since 1970; 0 if it does not say."""
    try:
        return datetime.strptime(str(row.get("updated_time")), "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return 0.0


def _node(exchange: Exchange) -> Iterator[Flaw]:
    if not shapes.is_entity(exchange.body):
        yield "the object lacks its id or its status", ""
    elif str(exchange.body["id"]) != exchange.request["path"]:
        yield "another object than the one that was asked for", ""


def _report(level: Level, exchange: Exchange) -> Iterator[Flaw]:
    rows = rows_of(exchange)
    if rows is None:
        yield "no list of rows", ""
        return
    days = _days(exchange, rows)
    connection = unconnected(NAME, normalise.account({}, "0"))
    try:
        answer = normalise.metrics(level, exchange.body["data"], connection, days)
    except Unreadable as unreadable:
        yield "a row whose object or day cannot be told", str(unreadable)
        return
    yield from (("a row is refused", row["reason"]) for row in answer.refused.to_pylist())
    if rows and level is not Level.ACCOUNT and not answer.names.num_rows:
        yield "rows without names", ""
    for condition in exchange.request["params"].get("filtering", ()):
        if condition["field"] == "campaign.id":
            inside = {str(row.get("campaign_id")) in condition["value"] for row in rows}
            if inside - {condition["operator"] == "IN"}:
                yield f"rows that the filter campaign.id {condition['operator']} leaves out", ""
    yield from _paging(exchange)


def _days(exchange: Exchange, rows: list[Mapping[str, Any]]) -> tuple[date, date]:
    """The days that were requested; an asynchronous report's rows repeat none, so their own."""
    requested = exchange.request["params"].get("time_range")
    if requested:
        return date.fromisoformat(requested["since"]), date.fromisoformat(requested["until"])
    starts = sorted(str(row.get("date_start")) for row in rows)
    try:
        return date.fromisoformat(starts[0]), date.fromisoformat(starts[-1])
    except (IndexError, ValueError):
        return date.min, date.max


def _paging(exchange: Exchange) -> Iterator[Flaw]:
    try:
        shapes.next_cursor(exchange.body, "the account")
    except Unavailable as endless:
        yield "a next page that cannot be asked for", str(endless)


def _started(exchange: Exchange) -> Iterator[Flaw]:
    body = exchange.body if isinstance(exchange.body, dict) else {}
    if not str(body.get("report_run_id", "")).isdecimal():
        yield "the answer names no report", ""


def _state(exchange: Exchange) -> Iterator[Flaw]:
    body = exchange.body if isinstance(exchange.body, dict) else {}
    if body.get("async_status") not in _STATES:
        yield "an unknown state", str(body.get("async_status"))
    if not isinstance(body.get("async_percent_completion"), int):
        yield "the percentage is no whole number", ""


def _action_types(exchange: Exchange) -> Iterator[Flaw]:
    try:
        action_types(exchange.body, "the account")
    except Unavailable as unreadable:
        yield "the account's action types cannot be read", str(unreadable)


def _activities(exchange: Exchange) -> Iterator[Flaw]:
    rows = rows_of(exchange)
    if rows is None:
        yield "no list of changes", ""
    if any(shapes.identifier(row.get("object_id")) is None or not row.get("event_type") for row in rows or ()):
        yield "a change without its object or its type", ""


_READERS: Mapping[str, Callable[[Exchange], Iterator[Flaw]]] = {
    Kind.OWN_ACCOUNTS: _accounts,
    Kind.ASSIGNED_ACCOUNTS: _accounts,
    Kind.ISSUER: _issuer,
    Kind.ACCOUNT: _account,
    Kind.CAMPAIGNS: partial(_entities, Level.CAMPAIGN),
    Kind.AD_SETS: partial(_entities, Level.AD_SET),
    Kind.ADS: partial(_entities, Level.AD),
    Kind.ADS_PLAIN: partial(_entities, Level.AD),
    Kind.CHANGED_CAMPAIGNS: partial(_entities, Level.CAMPAIGN),
    Kind.CHANGED_AD_SETS: partial(_entities, Level.AD_SET),
    Kind.CHANGED_ADS: partial(_entities, Level.AD),
    Kind.LISTED_CAMPAIGNS: partial(_entities, Level.CAMPAIGN),
    Kind.LISTED_AD_SETS: partial(_entities, Level.AD_SET),
    Kind.LISTED_ADS: partial(_entities, Level.AD),
    Kind.NODE: _node,
    Kind.REPORT_ADS: partial(_report, Level.AD),
    Kind.REPORT_DELIVERY: partial(_report, Level.AD),
    Kind.REPORT_ACTIONS: partial(_report, Level.AD),
    Kind.REPORT_CAMPAIGNS: partial(_report, Level.CAMPAIGN),
    Kind.REPORT_ACCOUNT: partial(_report, Level.ACCOUNT),
    Kind.ACTION_TYPES: _action_types,
    Kind.START_REPORT: _started,
    Kind.REPORT_STATE: _state,
    Kind.REPORT_ROWS: partial(_report, Level.AD),
    Kind.ACTIVITIES: _activities,
}
