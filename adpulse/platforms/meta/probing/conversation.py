"""What a probe asks Meta, in which order. Pure.

A report that Meta computes in its own time is started early and read late, so that it is ready after few polls.
"""

from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from adpulse.campaign_range import CampaignRange
from adpulse.conversion_types import span
from adpulse.errors import Unavailable
from adpulse.metrics_request import FieldGroup
from adpulse.model import Connection, FetchKind, Level
from adpulse.platforms.meta import normalise
from adpulse.platforms.meta import requests as ask
from adpulse.platforms.meta.costs import NAME
from adpulse.platforms.meta.insights import EDGE
from adpulse.platforms.meta.requests import Kind, MetaRequest
from adpulse.platforms.meta.shapes import next_cursor
from adpulse.probe.exchange import Exchange
from adpulse.probe.platform_probe import NO_ACCOUNT, Conversation, Pause, Subject
from adpulse.probe.subject import one_day, unconnected, yesterday
from adpulse.refused_rows import RowRefused
from adpulse.status_filter import WIDEST, StatusFilter

RESULTS = "campaign-results"
"""A kind that only the probe sends."""

_FEW, _REPORT_ROWS, _LARGEST_PAGE, _MOST_IDS = 3, 500, 5000, 50
"""Reports are compared row by row, so their pages are those of a sync."""

_POLLS = 3
POLL_PAUSE = 10.0
"""Seconds."""
_CHANGES = timedelta(days=7)

Talk = Generator[MetaRequest | Pause, Exchange, None]


def rows_of(exchange: Exchange | None) -> list[Mapping[str, Any]] | None:
    """The rows of a page; None of what is no page."""
    body = exchange.body if exchange else None
    rows = body.get("data") if isinstance(body, dict) and "error" not in body else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


def is_whole(exchange: Exchange) -> bool:
    """Whether a page is the only one."""
    links = exchange.body.get("paging")
    return not (isinstance(links, dict) and links.get("next"))


def converse(subject: Subject) -> Conversation:
    """Ask for accounts, then for everything of one of them."""
    own = yield ask.OWN_ACCOUNTS.having(limit=25)
    assigned = yield ask.ASSIGNED_ACCOUNTS.having(limit=25)
    yield ask.ISSUER
    account_id = subject.account or _first_readable([*(rows_of(own) or ()), *(rows_of(assigned) or ())])
    if account_id is None:
        return NO_ACCOUNT
    answer = yield ask.account(account_id)
    facts = normalise.account(answer.body, account_id)
    connection = subject.connection or unconnected(NAME, facts)
    # The widest filters, even of a connection whose account refused them once: a probe shows whether it still does.
    yield from _numbers_and_objects(subject, replace(connection, filters=WIDEST))
    return None


def _first_readable(nodes: list[Mapping[str, Any]]) -> str | None:
    for node in nodes:
        try:
            facts = normalise.account(node)
        except RowRefused:
            continue
        if facts.can_be_synced:
            return facts.external_id
    return None


def _numbers_and_objects(subject: Subject, connection: Connection) -> Talk:
    whole = one_day(FetchKind.ADS, yesterday(subject, connection))
    numbers = yield ask.report(connection, whole).having(limit=_REPORT_ROWS)
    if rows_of(numbers) is None:
        narrower = replace(connection.filters, ad=StatusFilter.NOT_DELETED, campaign=StatusFilter.NOT_DELETED)
        connection = replace(connection, filters=narrower)
    rows = rows_of(numbers) or []
    started = yield ask.start_report(connection, whole)
    ad_ids, campaign_id = yield from _objects(subject, connection, rows)
    if ad_ids:
        yield from _by_ids(connection, ad_ids)
    if campaign_id:
        some, rest = CampaignRange(only=(campaign_id,)), CampaignRange(without=(campaign_id,))
        yield ask.report(connection, replace(whole, fields=FieldGroup.DELIVERY, campaigns=some)).having(limit=_REPORT_ROWS)
        yield ask.report(connection, replace(whole, fields=FieldGroup.ACTIONS, campaigns=rest)).having(limit=_REPORT_ROWS)
    totals = one_day(FetchKind.CAMPAIGNS, whole.since)
    yield ask.report(connection, totals).having(limit=_LARGEST_PAGE)
    yield ask.report(connection, one_day(FetchKind.ACCOUNT, whole.since))
    yield ask.action_types(connection.external_id, *span(whole.since))
    day = {"since": whole.since.isoformat(), "until": whole.since.isoformat()}
    edge = f"act_{connection.external_id}/{EDGE}"
    yield from _report(started)
    yield _beyond(RESULTS, edge, {"level": "campaign", "fields": "campaign_id,actions,results", "time_range": day, "limit": _REPORT_ROWS})


def _objects(
    subject: Subject, connection: Connection, rows: list[Mapping[str, Any]]
) -> Generator[MetaRequest | Pause, Exchange, tuple[list[str], str | None]]:
    """The walks: all and changed ones. Returns ids of ads, those with numbers first, and that of a campaign."""
    account_id, pages = connection.external_id, dict[Level, Exchange]()
    for level in ask.WALKED:
        pages[level] = yield ask.walk(level, account_id).having(limit=_FEW)
    after = _after(pages[Level.AD])
    if after:
        everything = ask.walk(Level.AD, account_id)
        plain = replace(everything, kind=Kind.ADS_PLAIN, params=ask.without_creatives(everything.params))
        yield plain.having(limit=_FEW - 1, after=after)
    for level in ask.WALKED:
        yield ask.walk(level, account_id, subject.now - _CHANGES).having(limit=_FEW)
    for level in (Level.CAMPAIGN, Level.AD_SET):
        ids = _ids(rows_of(pages[level]), "id")
        if ids:
            yield ask.listed(level, account_id, ids).having(limit=_FEW)
    campaigns = [*_ids(rows, "campaign_id"), *_ids(rows_of(pages[Level.CAMPAIGN]), "id")]
    return [*_ids(rows, "ad_id"), *_ids(rows_of(pages[Level.AD]), "id")][:_MOST_IDS], next(iter(campaigns), None)


def _by_ids(connection: Connection, ad_ids: list[str]) -> Talk:
    """Ads by their ids; then one by its own, if there is one that has numbers and is not listed: it may be deleted."""
    wanted = list(dict.fromkeys(ad_ids))
    listed = yield ask.listed(Level.AD, connection.external_id, wanted).having(limit=_MOST_IDS)
    unlisted = [external_id for external_id in wanted if external_id not in _ids(rows_of(listed), "id")]
    yield ask.node(Level.AD, next(iter(unlisted), wanted[0]))


def _report(started: Exchange) -> Talk:
    report_id = started.body.get("report_run_id") if isinstance(started.body, dict) else None
    if not str(report_id or "").isdecimal():
        return
    for _ in range(_POLLS):
        state = yield ask.report_state(str(report_id))
        body = state.body if isinstance(state.body, dict) else {}
        if body.get("async_status") == "Job Completed" and body.get("async_percent_completion") == 100:  # noqa: PLR2004 - percent
            yield ask.report_rows(str(report_id)).having(limit=_REPORT_ROWS)
            return
        if body.get("async_status") in ("Job Failed", "Job Skipped", None):
            return
        yield Pause(POLL_PAUSE)


def _after(page: Exchange) -> str | None:
    try:
        return next_cursor(page.body, "the ads") if rows_of(page) else None
    except Unavailable:
        return None


def _beyond(kind: str, path: str, params: dict[str, Any]) -> MetaRequest:
    return MetaRequest(kind=kind, path=path, params=params)  # type: ignore[arg-type] # in no client's table, on purpose


def _ids(rows: list[Mapping[str, Any]] | None, name: str) -> list[str]:
    """The ids of rows, each once."""
    return list(dict.fromkeys(str(row[name]) for row in rows or () if row.get(name)))
