"""What a probe asks Meta, in which order. Pure.

A report that Meta computes in its own time is started early and read late, so that it is ready after few polls.
"""

from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from adpulse.campaign_range import CampaignRange
from adpulse.conversion_types import span
from adpulse.errors import Unavailable
from adpulse.metrics_request import FieldGroup
from adpulse.model import Connection, FetchKind, Level
from adpulse.platforms.meta import normalise
from adpulse.platforms.meta import requests as ask
from adpulse.platforms.meta.costs import NAME
from adpulse.platforms.meta.requests import Kind, MetaRequest
from adpulse.platforms.meta.shapes import next_cursor
from adpulse.probe.exchange import Exchange
from adpulse.probe.platform_probe import NO_ACCOUNT, OUT_OF_REACH, Conversation, Pause, Subject
from adpulse.probe.subject import one_day, unconnected, yesterday
from adpulse.refused_rows import RowRefused
from adpulse.status_filter import WIDEST, StatusFilter

RESULTS = ",results"
"""The platform's own count of what a campaign is for, which the probe asks for beside the numbers that a sync asks for."""

_FEW, _REPORT_ROWS, _LARGEST_PAGE, _MOST_IDS = 3, 500, 5000, 50
"""Reports are compared row by row, so their pages are those of a sync."""

_NO_SUCH_ACCOUNT, _NO_PERMISSION = (3, 10, 100), range(200, 300)
"""Codes of errors: what does not exist, or may not be read (page "Handling Errors" of the Graph API)."""

_POLLS = 3
POLL_PAUSE = 10.0
"""Seconds."""
_CHANGES = timedelta(days=7)

_OWN, _ASSIGNED = (request.having(limit=25) for request in (ask.OWN_ACCOUNTS, ask.ASSIGNED_ACCOUNTS))

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
    """Ask for accounts, then for everything of one of them.

    Where the account is known, its lists come last: they take calls that a slow report needs.
    """
    account_id = subject.account
    if account_id is None:
        own = yield _OWN
        assigned = yield _ASSIGNED
        account_id = _first_readable([*(rows_of(own) or ()), *(rows_of(assigned) or ())])
    if account_id is None:
        return NO_ACCOUNT
    answer = yield ask.account(account_id)
    if subject.account and _is_out_of_reach(answer):
        return OUT_OF_REACH
    yield ask.ISSUER
    facts = normalise.account(answer.body, account_id)
    connection = subject.connection or unconnected(NAME, facts)
    # The widest filters, even of a connection whose account refused them once: a probe shows whether it still does.
    yield from _numbers_and_objects(subject, replace(connection, filters=WIDEST))
    if subject.account:
        yield _OWN
        yield _ASSIGNED
    return None


def _is_out_of_reach(answer: Exchange) -> bool:
    """Whether the account itself is refused; a failure that passes shows nothing of it."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return isinstance(code, int) and (code in _NO_SUCH_ACCOUNT or code in _NO_PERMISSION)


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
    yield from _totals(connection, whole.since)
    yield ask.report(connection, one_day(FetchKind.ACCOUNT, whole.since))
    yield ask.action_types(connection.external_id, *span(whole.since))
    yield ask.activities(connection.external_id, subject.now - _CHANGES).having(limit=_FEW)
    yield from _report(started)


def _totals(connection: Connection, day: date) -> Talk:
    """Campaigns with the platform's own results; without them, where the account refuses these."""
    report = ask.report(connection, one_day(FetchKind.CAMPAIGNS, day)).having(limit=_LARGEST_PAGE)
    answer = yield report.having(fields=report.params["fields"] + RESULTS)
    if rows_of(answer) is None:
        yield report


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


def _ids(rows: list[Mapping[str, Any]] | None, name: str) -> list[str]:
    """The ids of rows, each once."""
    return list(dict.fromkeys(str(row[name]) for row in rows or () if row.get(name)))
