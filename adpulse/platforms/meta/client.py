"""Reads Meta ad accounts with the official SDK: paging, retries, throttling, answers too big. Step: fetch.

Every request takes a ledger slot first, retries and pages too. Exceptions of the SDK may hold the token in their text, so
none is ever chained to ours.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import requests
from facebook_business.exceptions import FacebookError, FacebookRequestError
from pydantic import SecretStr

from adpulse.conversion_types import ConversionTypes
from adpulse.deleted_campaigns import DeletedCampaigns, DeletedSearch
from adpulse.entities import EntitiesAnswer
from adpulse.entity_names import MetricsAnswer
from adpulse.errors import (
    AccountRefused,
    AdpulseError,
    BadRequest,
    FieldRefused,
    ObjectGone,
    RateLimited,
    TooManyCalls,
    TooMuchData,
    Unavailable,
)
from adpulse.metrics_request import MetricsRequest
from adpulse.missing_entities import MissingEntity, status_rows
from adpulse.model import NO_PAGES, AccountFacts, Connection, Fetch, FetchKind, Level, PageSizes
from adpulse.platforms.attempts import Attempts
from adpulse.platforms.base import CallSlot, WorkingSizes
from adpulse.platforms.meta import normalise, shapes, tokens
from adpulse.platforms.meta import requests as ask
from adpulse.platforms.meta.action_types import action_types
from adpulse.platforms.meta.deleted import MetaDeleted
from adpulse.platforms.meta.errors import Reply, from_reply
from adpulse.platforms.meta.insights import EDGE, level_of
from adpulse.platforms.meta.lookup import LookupCalls, look_up
from adpulse.platforms.meta.meters import Meters, has_full_access, use_case
from adpulse.platforms.meta.page_sizes import SMALLEST_PAGE, EdgeSizes, PageSize
from adpulse.platforms.meta.reports import MetaReports
from adpulse.platforms.meta.requests import CREATIVE, MetaRequest
from adpulse.platforms.meta.session import Endpoint, TokenSession, decoded, error_of
from adpulse.refused_rows import RowRefused

log = logging.getLogger(__name__)

_MOST_SHRINKS = 16
EMPTY_PAGES = 10
"""Meta documents empty pages that have a next one; this many in a row is a loop."""

_CHANGE_OVERLAP = timedelta(seconds=60)
_VERSION = re.compile(r"v\d{1,3}\.\d{1,3}", re.ASCII)

Params = dict[str, Any]
Page = dict[str, Any]


class MetaClient:
    """What one token reaches. Blocking; safe to share between threads.

    ``issuer`` is the id of the app that issued the token; None takes it for the installation's own, until Meta refuses that app's proof
    and ``scope`` becomes another one. ``sizes`` keeps the rows a page that an account's edges refused.
    """

    def __init__(
        self,
        token: SecretStr,
        endpoint: Endpoint,
        sizes: WorkingSizes,
        sleep: Callable[[float], None] = time.sleep,
        *,
        issuer: str | None = None,
    ) -> None:
        self._session = TokenSession(token, endpoint, issuer)
        self._sizes = EdgeSizes(sizes, endpoint.page_size, endpoint.largest_page)
        self._sleep = sleep
        self._attempts = Attempts(lambda seconds: self._sleep(seconds), Random())  # noqa: S311, PLW0108 - jitter; tests put another sleep in its place
        self._meters = Meters(lambda seconds: self._sleep(seconds))  # noqa: PLW0108 - as above
        self._called, self._answered = endpoint.version, endpoint.version
        self._full_access: bool | None = None
        self.reports = MetaReports(self._ask, self._insights, _answer)
        self._deleted = MetaDeleted(self._ask, self._node, self._report)

    @property
    def scope(self) -> str:
        """The installation's own Meta app, or the other one that issued the token."""
        return self._session.scope

    @property
    def full_access(self) -> bool | None:
        """Whether the last answer that named the app's tier named the full one."""
        return self._full_access

    @property
    def answered_by(self) -> str | None:
        """The version of the last answer, if Meta upgraded the call; it does so before a version ends as well (seen live 2026-09-08)."""
        return self._answered if self._answered != self._called else None

    def accounts(self, slot: CallSlot) -> list[AccountFacts]:
        """Every account the token reaches: its user's own list, and what a System User was assigned, which is often not in the first.

        Raises:
            AccountRefused: the token is of a kind that reaches none, or not allowed to read them.
        """
        if refusal := tokens.unusable(self._session.token.get_secret_value()):
            raise refusal
        own, assigned = (self._listed(edge, slot) for edge in (ask.OWN_ACCOUNTS, ask.ASSIGNED_ACCOUNTS))
        accounts = {facts.external_id: facts for listing in (own, assigned) if isinstance(listing, list) for facts in listing}
        if isinstance(own, AdpulseError) and not accounts:
            if not tokens.lacks_own_list(own):
                raise own
            if isinstance(assigned, AdpulseError):
                raise assigned
        return list(accounts.values())

    def _listed(self, edge: MetaRequest, slot: CallSlot) -> list[AccountFacts] | AdpulseError:
        """The accounts of one edge of ``me``, or why it has none: a user may lack the one, a System User the other."""
        try:
            return list(_accounts_of(self._list(edge, slot, "this token's accounts")))
        except TooMuchData:
            raise
        except (AccountRefused, BadRequest) as refused:
            if refusal := tokens.wrong_kind(tokens.kind_in(refused)):
                raise refusal from None
            return refused

    def facts(self, connection: Connection, slot: CallSlot) -> AccountFacts:
        """What Meta says about the connection's account now."""
        account = connection.external_id
        return normalise.account(self._ask(ask.account(account), slot, _account(account)), account)

    def entities(self, connection: Connection, fetch: Fetch, slot: CallSlot) -> EntitiesAnswer:
        """Campaigns, ad sets and ads, archived ones too: all, or those changed since the fetch's instant. Meta lists no deleted ones."""
        since = fetch.changed_since - _CHANGE_OVERLAP if fetch.kind is FetchKind.ENTITIES_CHANGED and fetch.changed_since else None
        answers = list[EntitiesAnswer]()
        for level in ask.WALKED:
            request = ask.walk(level, connection.external_id, since)
            rows = self._list(request, slot, _account(connection.external_id), connection, grows=True)
            answers.append(normalise.entities(level, rows, connection.id))
        return EntitiesAnswer(*(pa.concat_tables(tables) for tables in zip(*answers, strict=True)))

    def page_sizes(self, connection: Connection) -> PageSizes:
        """Rows requested per page at present; fewer after Meta refused a page as too big, more after it answered full ones."""
        return self._sizes.of_account(connection.ledger_key, connection.page_sizes)

    def look_up(self, connection: Connection, absent: Sequence[MissingEntity], slot: CallSlot) -> pa.Table:
        """These campaigns and ads, and what was learned of their parents; what would take too many calls is missing."""
        about = _account(connection.external_id)

        def edge(level: Level, ids: list[str]) -> list[Page]:
            rows = self._list(ask.listed(level, connection.external_id, ids), slot, about, connection)
            return [row for row in rows if shapes.is_entity(row)]

        lookup = look_up(absent, LookupCalls(edge=edge, node=lambda level, external_id: self._node(level, external_id, slot, about)))
        rows = (normalise.entities(level, [row], connection.id).rows for (level, _), row in lookup.rows.items())
        return pa.concat_tables([*rows, status_rows(connection.id, lookup.statuses)])

    def _node(self, level: Level, external_id: str, slot: CallSlot, about: str) -> Page | None:
        """One object by its id; None if Meta says that it does not exist, and empty if Meta refuses to return it."""
        try:
            row = self._ask(ask.node(level, external_id), slot, about)
            return row if shapes.is_entity(row) else {}
        except ObjectGone:
            return None
        except (BadRequest, AccountRefused):  # of this object only, as the account's edges were answered; so 275 (php-graph-sdk#764)
            return {}

    def deleted_campaigns(self, connection: Connection, request: MetricsRequest, search: DeletedSearch, slot: CallSlot) -> DeletedCampaigns:
        """Campaigns that reports leave out, and their totals of the request's days."""
        return self._deleted.find(connection, request, search, slot)

    def metrics(self, connection: Connection, request: MetricsRequest, slot: CallSlot) -> MetricsAnswer:
        """One row per ad (or campaign) and day of the request: complete, or an error. And what the entities are called now.

        Raises:
            StatusRefused: the account does not take the connection's filter of statuses.
            MetricRefused: it does not take a field that the report can do without.
            TooMuchData: Meta cannot answer the first page, or not even the smallest page after it.
            Unreadable: a row does not say which entity or day it is of.
        """
        return self._report(ask.report(connection, request), connection, request, slot)

    def conversion_types(self, connection: Connection, since: date, until: date, slot: CallSlot) -> ConversionTypes:
        """The action types of the whole account, in one call."""
        about = _account(connection.external_id)
        return action_types(self._ask(ask.action_types(connection.external_id, since, until), slot, about), about)

    def _report(self, report: MetaRequest, connection: Connection, request: MetricsRequest, slot: CallSlot) -> MetricsAnswer:
        return _answer(connection, request, self._insights(report, connection, request, slot))

    def _insights(self, report: MetaRequest, connection: Connection, request: MetricsRequest, slot: CallSlot) -> Iterator[list[Page]]:
        """The pages of a report: of the account's edge, or of one that Meta computed by itself, whose id holds every parameter."""
        about = _account(connection.external_id)
        rows = self._sizes.current(connection.ledger_key, EDGE, connection.page_sizes)
        size = PageSize(
            sizes=self._sizes,
            account=connection.ledger_key,
            edge=EDGE,
            rows=max(rows // request.page_divisor, min(rows, SMALLEST_PAGE)),
            shrinks=request.page_shrinks,
            days=len(request.days),
            grows=request.page_divisor == 1,  # a part of a day that was too big stays small
        )
        return self._pages(report.path, report.params, slot, about, size)

    def _list(
        self, request: MetaRequest, slot: CallSlot, about: str, connection: Connection | None = None, *, grows: bool = False
    ) -> list[Page]:
        """All rows of an edge of a connection's account, or of the token's user. ``grows``: its pages become larger after full ones."""
        edge, account = request.path.rpartition("/")[2], connection.ledger_key if connection else about
        rows = self._sizes.current(account, edge, connection.page_sizes if connection and grows else NO_PAGES)
        size = PageSize(sizes=self._sizes, account=account, edge=edge, rows=rows, shrinks=_MOST_SHRINKS, grows=grows)
        return [row for page in self._pages(request.path, request.params, slot, about, size) for row in page]

    def _pages(self, path: str, params: Params, slot: CallSlot, about: str, size: PageSize) -> Iterator[list[Page]]:
        """The rows of an edge, page by page while Meta says there is a next one. What came before an error is not all there is.

        Raises:
            Unavailable: a page is malformed, a cursor repeats, or empty pages do not end.
            TooMuchData: the first page is too big however often it may shrink, or a later one at its smallest.
        """
        after, cursors, empty = None, set[str](), 0
        while True:
            page = self._page(path, {**params, **({"after": after} if after else {})}, slot, about, size)
            after = shapes.next_cursor(page, about)
            size.answered(len(page["data"]), more=after is not None)
            yield page["data"]
            empty = 0 if page["data"] else empty + 1
            if after is None:
                return
            if after in cursors or empty > EMPTY_PAGES:
                raise Unavailable(f"Meta's pages for {about} do not end.", "paging")
            cursors.add(after)
            size.shrinks = _MOST_SHRINKS  # what was read so far would be lost

    def _page(self, path: str, params: Params, slot: CallSlot, about: str, size: PageSize) -> Page:
        """One page; when it is too big, a smaller one from the same place.

        A page that one ad's creative refuses is read in small ones, of which only that ad's comes without creatives.
        """
        while True:
            try:
                page = self._call("GET", path, {**params, "limit": size.requested}, slot, about)
            except FieldRefused as refused:
                if size.take_care():
                    continue
                if CREATIVE not in params["fields"]:
                    raise
                log.warning("ads of %s are read without their creatives: %s", about, refused)
                params = ask.without_creatives(params)
                continue
            except TooManyCalls:  # the slot's: smaller pages are more calls
                raise
            except TooMuchData:
                refused_rows = size.rows
                if not size.shrink():
                    raise
                log.info("Meta finds pages of %s rows too big for %s; requesting %s", refused_rows, about, size.rows)
                continue
            except Unavailable:
                size.failed()
                raise
            if not isinstance(page.get("data"), list):
                raise Unavailable(f"Meta sent a page without data for {about}.", "malformed")
            return page

    def _ask(self, request: MetaRequest, slot: CallSlot, about: str) -> Page:
        return self._call(request.method, request.path, request.params, slot, about)

    def _call(self, method: str, path: str, params: Params, slot: CallSlot, about: str) -> Page:
        """One call, tried again when it failed in a way that passes.

        Raises:
            RateLimited: ours or Meta's; never retried here.
        """

        def before() -> None:
            self._meters.heed(about, use_case(path, params))
            slot()

        def attempts() -> Page:
            return self._attempts.make(lambda: self._once(method, path, params, about), before, about)

        try:
            return attempts()
        except tokens.ProofRefused:
            self._session.find_issuer(lambda: self._issuer(slot))
            return attempts()

    def _issuer(self, slot: CallSlot) -> str:
        """The id of the app that issued the token."""
        try:
            return tokens.issuer_in_answer(self._ask(ask.ISSUER, slot, "the app of a token"))
        except BadRequest:
            return tokens.UNNAMED_APP

    def _once(self, method: str, path: str, params: Params, about: str) -> Page:
        try:
            response = self._session.call(method, path, params)
            headers, answer = response.headers(), decoded(response.body())
        except FacebookRequestError as error:
            translated = _from_sdk(error, path, params, about)
            self._note_app(_headers(error))
            if not isinstance(translated, RateLimited) or translated.scope == "entities":  # other throttles pause all calls by themselves
                self._meters.note(_headers(error), about)
            raise translated from None
        except (FacebookError, requests.RequestException, TypeError, ValueError, AttributeError, RecursionError):
            # The SDK mistypes broken bodies (HTML, truncated or endlessly nested JSON), and a connection error's text holds the token.
            raise Unavailable(f"Meta's answer for {about} was broken off or is no JSON.", "malformed") from None
        if not isinstance(answer, dict) or ("error" not in answer and response.status() >= 400):  # noqa: PLR2004 - HTTP's errors
            raise Unavailable(f"Meta's answer for {about} is not what was asked for.", "malformed")
        self._note_app(headers)
        self._meters.note(headers, about)
        return answer

    def _note_app(self, headers: Mapping[str, str]) -> None:
        """Every answer names the version that it is of (header ``facebook-api-version``), and most the app's tier; refusals too."""
        named = next((value for name, value in headers.items() if name.lower() == "facebook-api-version"), "")
        self._answered = named if _VERSION.fullmatch(named) else self._answered
        tier = has_full_access(headers)
        self._full_access = self._full_access if tier is None else tier


def _accounts_of(nodes: Iterable[object]) -> Iterator[AccountFacts]:
    for node in nodes:
        try:
            yield normalise.account(node)
        except RowRefused as refused:
            log.warning("an account is left out of a list: %s", refused)


def _account(external_id: str) -> str:
    return f"account {external_id}"


def _answer(connection: Connection, request: MetricsRequest, pages: Iterator[list[Page]]) -> MetricsAnswer:
    """What the pages hold, a table per page: as Python objects a page takes 50 times as much memory as in Arrow."""
    level, days = level_of(request.kind), (request.since, request.until)
    answers = [normalise.metrics(level, page, connection, days) for page in pages]
    whole = MetricsAnswer.merged(answers)
    return whole._replace(rows=normalise.latest(whole.rows))


def _from_sdk(error: FacebookRequestError, path: str, params: Params, about: str) -> AdpulseError:
    reply = Reply(
        status=int(error.http_status() or 0),
        error=error_of(error),
        headers=_headers(error),
        of_account=not path.partition("/")[0].isdecimal(),
        use_case=use_case(path, params),
    )
    return from_reply(reply, about)


def _headers(error: FacebookRequestError) -> dict[str, str]:
    return {str(name): str(value) for name, value in (error.http_headers() or {}).items()}
