"""Reads Meta ad accounts with the official SDK: paging, retries, throttling, answers too big. Step: fetch.

Every request takes a ledger slot first, retries and pages too. Exceptions of the SDK may hold the token in their text, so
none is ever chained to ours.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

import orjson
import pyarrow as pa
import requests
from facebook_business.exceptions import FacebookError, FacebookRequestError
from pydantic import SecretStr

from adpulse.entities import ENTITY_SCHEMA
from adpulse.entity_names import MetricsAnswer, merge_names
from adpulse.errors import AccountRefused, AdpulseError, BadRequest, ObjectGone, RateLimited, TooMuchData, Unavailable
from adpulse.missing_entities import MissingEntity, status_rows
from adpulse.model import AccountFacts, Connection, Fetch, FetchKind, Level
from adpulse.platforms.attempts import Attempts
from adpulse.platforms.base import CallSlot
from adpulse.platforms.meta import normalise, tokens
from adpulse.platforms.meta.errors import Reply, from_reply, usage, wait_hint
from adpulse.platforms.meta.lookup import LookupCalls, look_up
from adpulse.platforms.meta.metrics import FIELDS
from adpulse.platforms.meta.session import Endpoint, TokenSession, error_of
from adpulse.platforms.meta.statuses import edge_statuses, report_filter

log = logging.getLogger(__name__)

SMALLEST_PAGE = 25
EMPTY_PAGES = 10
"""Meta documents empty pages that have a next one; this many in a row is a loop."""

SLOW_DOWN_PERCENT, STOP_PERCENT = 75.0, 95.0
_SLOW_DOWN_SECONDS = 2.0
_GROWS_SECONDS, _MOST_DOUBLINGS = 3600.0, 16
_INSIGHTS = "insights"
_POLLS, _POLL_SECONDS = 120, 2.0
_CHANGE_OVERLAP = timedelta(seconds=60)
_COMMON = "id,name,status,effective_status,created_time,updated_time,adlabels"
_EDGES = (
    (Level.CAMPAIGN, "campaigns", f"{_COMMON},objective,buying_type,bid_strategy,daily_budget,lifetime_budget,spend_cap"),
    (
        Level.AD_SET,
        "adsets",
        f"{_COMMON},campaign_id,optimization_goal,billing_event,bid_strategy,daily_budget,lifetime_budget,attribution_spec",
    ),
    (Level.AD, "ads", f"{_COMMON},campaign_id,adset_id,creative{{id,name,link_url,object_story_spec,url_tags}}"),
)
_ACCOUNT = "account_id,name,currency,timezone_name,account_status"

Params = dict[str, Any]
Page = dict[str, Any]


class MetaClient:
    """What one token reaches. Blocking; safe to share between threads.

    ``issuer`` is the id of the app that issued the token; None takes it for the installation's own, until Meta refuses that app's proof
    and ``scope`` becomes another one.
    """

    def __init__(
        self,
        token: SecretStr,
        endpoint: Endpoint,
        sleep: Callable[[float], None] = time.sleep,
        *,
        issuer: str | None = None,
    ) -> None:
        self._session = TokenSession(token, endpoint, issuer)
        self._page_size = endpoint.page_size
        self._shrunk: dict[tuple[str, str], tuple[int, float]] = {}
        self._sleep = sleep
        self._attempts = Attempts(lambda seconds: self._sleep(seconds), Random())  # noqa: S311, PLW0108 - jitter; tests put another sleep in its place
        self._stop: dict[str, RateLimited] = {}
        self._usage: dict[str, float] = {}
        self._app_usage = 0.0
        self._called, self._answered = endpoint.version, endpoint.version

    @property
    def scope(self) -> str:
        """The installation's own Meta app, or the other one that issued the token."""
        return self._session.scope

    @property
    def answered_by(self) -> str | None:
        """The version of the last answer, if Meta upgraded the call; it does so before a version ends as well (seen live 2026-09-08)."""
        return self._answered if self._answered != self._called else None

    def accounts(self, slot: CallSlot) -> list[AccountFacts]:
        """Every account the token reaches: its user's own list, and what a System User was assigned, which is often not in the first.

        Raises:
            AccountRefused: the token is of a kind that reaches none, or not allowed to read them.
        """
        if refusal := tokens.wrong_kind(tokens.kind_of(self._session.token.get_secret_value())):
            raise refusal
        own, assigned = (self._listed(edge, slot) for edge in ("me/adaccounts", "me/assigned_ad_accounts"))
        accounts = {facts.external_id: facts for listing in (own, assigned) if isinstance(listing, list) for facts in listing}
        if isinstance(own, AdpulseError) and not accounts:
            if not tokens.lacks_own_list(own):
                raise own
            if isinstance(assigned, AdpulseError):
                raise assigned
        return list(accounts.values())

    def _listed(self, edge: str, slot: CallSlot) -> list[AccountFacts] | AdpulseError:
        """The accounts of one edge of ``me``, or why it has none: a user may lack the one, a System User the other."""
        try:
            return [normalise.account(node) for node in self._list(edge, {"fields": _ACCOUNT}, slot, "this token's accounts")]
        except TooMuchData:
            raise
        except (AccountRefused, BadRequest) as refused:
            if refusal := tokens.wrong_kind(tokens.kind_in(refused)):
                raise refusal from None
            return refused

    def facts(self, connection: Connection, slot: CallSlot) -> AccountFacts:
        """What Meta says about the connection's account now."""
        account = connection.external_id
        return normalise.account(self._get(f"act_{account}", {"fields": _ACCOUNT}, slot, _account(account)))

    def entities(self, connection: Connection, fetch: Fetch, slot: CallSlot) -> pa.Table:
        """Campaigns, ad sets and ads, archived ones too: all, or those changed since the fetch's instant. Meta lists no deleted ones."""
        params: Params = {}
        if fetch.kind is FetchKind.ENTITIES_CHANGED and fetch.changed_since:
            since = int((fetch.changed_since - _CHANGE_OVERLAP).timestamp())
            params["filtering"] = [{"field": "updated_time", "operator": "GREATER_THAN", "value": since}]
        tables = [ENTITY_SCHEMA.empty_table()]
        for level, edge, fields in _EDGES:
            parameters = {**params, "fields": fields, "effective_status": edge_statuses(level)}
            rows = self._list(f"act_{connection.external_id}/{edge}", parameters, slot, _account(connection.external_id))
            tables.append(normalise.entities(level, rows, connection.id))
        return pa.concat_tables(tables)

    def page_size(self, connection: Connection) -> int | None:
        """Rows of metrics requested per page at present; fewer after Meta refused a page as too big."""
        return self._rows_a_page(_account(connection.external_id), _INSIGHTS)

    def look_up(self, connection: Connection, absent: Sequence[MissingEntity], slot: CallSlot) -> pa.Table:
        """These campaigns and ads, and what was learned of their parents; what would take too many calls is missing."""
        about, of_level = _account(connection.external_id), {level: (edge, fields) for level, edge, fields in _EDGES}

        def edge(level: Level, ids: list[str]) -> list[Page]:
            name, fields = of_level[level]
            some = {"field": "id", "operator": "IN", "value": ids}
            params = {"fields": fields, "effective_status": edge_statuses(level), "filtering": [some]}
            return self._list(f"act_{connection.external_id}/{name}", params, slot, about)

        def node(level: Level, external_id: str) -> Page | None:
            try:
                return self._get(external_id, {"fields": of_level[level][1]}, slot, about)
            except ObjectGone:
                return None
            except (BadRequest, AccountRefused):  # of this object only, as the account's edges were answered; so 275 (php-graph-sdk#764)
                return {}

        lookup = look_up(absent, LookupCalls(edge=edge, node=node))
        rows = (normalise.entities(level, [row], connection.id) for (level, _), row in lookup.rows.items())
        return pa.concat_tables([*rows, status_rows(connection.id, lookup.statuses)])

    def metrics(self, connection: Connection, fetch: Fetch, slot: CallSlot) -> MetricsAnswer:
        """One row per ad (or campaign) and day of the fetch's range: complete, or an error. And what the entities are called now.

        An answer that is too big is asked for in smaller pages, then for half the days at a time, then as an async job.

        Raises:
            StatusRefused: the account does not take the connection's filter of statuses.
        """
        if fetch.since is None or fetch.until is None:
            raise ValueError("a metrics fetch needs its dates")
        level = Level.AD if fetch.kind is FetchKind.ADS else Level.CAMPAIGN
        try:
            pages = self._days(connection, level, fetch.since, fetch.until, slot)
        except ObjectGone as error:  # only the report of an async job is requested by its id here
            raise Unavailable(f"Meta lost a report of {_account(connection.external_id)}.", error.code) from None
        return MetricsAnswer(normalise.latest(pa.concat_tables(page.rows for page in pages)), merge_names(page.names for page in pages))

    def _days(self, connection: Connection, level: Level, since: date, until: date, slot: CallSlot) -> list[MetricsAnswer]:
        """The rows of these days, a table per page: as Python objects a page takes 50 times as much memory as in Arrow."""
        path, about = f"act_{connection.external_id}/{_INSIGHTS}", _account(connection.external_id)
        params = _insights(level, since, until) | report_filter(level, connection.filters.of(level))
        try:
            return [_numbers(level, page, connection) for page in self._pages(path, params, slot, about)]
        except TooMuchData:
            if since == until:
                return [_numbers(level, page, connection) for page in self._job(path, params, slot, about)]
            middle = since + (until - since) // 2
            newer = self._days(connection, level, middle + timedelta(days=1), until, slot)
            return self._days(connection, level, since, middle, slot) + newer

    def _job(self, path: str, params: Params, slot: CallSlot, about: str) -> Iterator[list[Page]]:
        """The last resort for one day: let Meta compute the report, then page through it."""
        job = str(self._call("POST", path, params, slot, about)["report_run_id"])
        for _ in range(_POLLS):
            state = self._get(job, {"fields": "async_status,async_percent_completion"}, slot, about)
            if state.get("async_status") in ("Job Failed", "Job Skipped"):
                break
            if state.get("async_status") == "Job Completed" and state.get("async_percent_completion") == 100:  # noqa: PLR2004 - percent
                return self._pages(f"{job}/{_INSIGHTS}", {}, slot, about)
            self._sleep(_POLL_SECONDS)
        raise TooMuchData(f"Meta could not compute a report of one day for {about}.", "async")

    def _list(self, path: str, params: Params, slot: CallSlot, about: str) -> list[Page]:
        """All rows of an edge."""
        return [row for page in self._pages(path, params, slot, about) for row in page]

    def _pages(self, path: str, params: Params, slot: CallSlot, about: str) -> Iterator[list[Page]]:
        """The rows of an edge, page by page while Meta says there is a next one. What came before an error is not all there is.

        Raises:
            Unavailable: a page is malformed, a cursor repeats, or empty pages do not end.
            TooMuchData: even the smallest page is too big.
        """
        after, cursors, empty = None, set[str](), 0
        while True:
            page = self._page(path, {**params, **({"after": after} if after else {})}, slot, about)
            yield page["data"]
            empty = 0 if page["data"] else empty + 1
            links = page.get("paging") or {}
            if not links.get("next"):
                return
            after = (links.get("cursors") or {}).get("after")
            if not after or after in cursors or empty > EMPTY_PAGES:
                raise Unavailable(f"Meta's pages for {about} do not end.", "paging")
            cursors.add(after)

    def _page(self, path: str, params: Params, slot: CallSlot, about: str) -> Page:
        """One page; when it is too big, half of it from the same place, and smaller pages of this edge for some time."""
        edge = path.rpartition("/")[2]
        while True:
            size = self._rows_a_page(about, edge)
            try:
                page = self._get(path, {**params, "limit": size}, slot, about)
            except TooMuchData:
                if size <= SMALLEST_PAGE:
                    raise
                smaller = max(SMALLEST_PAGE, size // 2)
                self._shrunk[about, edge] = smaller, time.monotonic()
                log.info("Meta finds pages of %s rows too big for %s; asking for %s", size, about, smaller)
                continue
            if not isinstance(page.get("data"), list):
                raise Unavailable(f"Meta sent a page without data for {about}.", "malformed")
            return page

    def _rows_a_page(self, about: str, edge: str) -> int:
        """Rows per page: halved for each page that was too big, and doubled for each hour since."""
        size, at = self._shrunk.get((about, edge), (self._page_size, 0.0))
        return min(self._page_size, size << min(int((time.monotonic() - at) / _GROWS_SECONDS), _MOST_DOUBLINGS))

    def _get(self, path: str, params: Params, slot: CallSlot, about: str) -> Page:
        return self._call("GET", path, params, slot, about)

    def _call(self, method: str, path: str, params: Params, slot: CallSlot, about: str) -> Page:
        """One call, tried again when it failed in a way that passes.

        Raises:
            RateLimited: ours or Meta's; never retried here.
        """

        def before() -> None:
            self._heed_usage(about)
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
            return tokens.issuer_in_answer(self._get("app", {"fields": "id"}, slot, "the app of a token"))
        except BadRequest:
            return tokens.UNNAMED_APP

    def _once(self, method: str, path: str, params: Params, about: str) -> Page:
        try:
            response = self._session.call(method, path, params)
            headers, answer = response.headers(), orjson.loads(response.body())
        except FacebookRequestError as error:
            translated = _from_sdk(error, path, about)
            self._note_version(_headers(error))
            if not isinstance(translated, RateLimited):  # which pauses the calls by itself
                self._note_usage(_headers(error), about)
            raise translated from None
        except (FacebookError, requests.RequestException, TypeError, ValueError, AttributeError):
            # The SDK mistypes broken bodies (HTML, truncated JSON), and a connection error's text holds the token.
            raise Unavailable(f"Meta's answer for {about} was broken off or is no JSON.", "malformed") from None
        if not isinstance(answer, dict) or ("error" not in answer and response.status() >= 400):  # noqa: PLR2004 - HTTP's errors
            raise Unavailable(f"Meta's answer for {about} is not what was asked for.", "malformed")
        self._note_version(headers)
        self._note_usage(headers, about)
        return answer

    def _note_version(self, headers: Mapping[str, str]) -> None:
        """Every answer names the version that it is of, refusals too (header ``facebook-api-version``)."""
        self._answered = next((value for name, value in headers.items() if name.lower() == "facebook-api-version"), self._answered)

    def _heed_usage(self, about: str) -> None:
        """Every answer of Meta reports its usage meters, failures too: slow down before Meta blocks, and stop just before."""
        stop = self._stop.pop(about, None)
        if stop:
            raise stop
        if max(self._usage.get(about, 0.0), self._app_usage) >= SLOW_DOWN_PERCENT:
            self._sleep(_SLOW_DOWN_SECONDS)

    def _note_usage(self, headers: dict[str, str], about: str) -> None:
        used = usage(headers)
        self._usage[about], self._app_usage = used["account"], used["app"]
        for scope, percent in used.items():
            if percent >= STOP_PERCENT:
                whom = about if scope == "account" else "every account of the app"
                message = f"{percent:.0f} % of Meta's own limit is used up for {whom}; its calls pause."
                self._stop[about] = RateLimited(message, "usage", retry_after=wait_hint(headers), scope=scope)


def _account(external_id: str) -> str:
    return f"account {external_id}"


def _numbers(level: Level, page: list[Page], connection: Connection) -> MetricsAnswer:
    return MetricsAnswer(normalise.metrics(level, page, connection), normalise.names(page))


def _insights(level: Level, since: date, until: date) -> Params:
    """The names cost no call (Insights API, "Fields": ``ad_name``, ``adset_name``, ``campaign_name``)."""
    ids = "campaign_id,campaign_name"
    if level is Level.AD:
        ids = f"ad_id,ad_name,adset_id,adset_name,{ids}"
    return {
        "level": level.value,
        "fields": ",".join((ids, *FIELDS)),
        "time_increment": 1,
        "time_range": {"since": since.isoformat(), "until": until.isoformat()},
    }


def _from_sdk(error: FacebookRequestError, path: str, about: str) -> AdpulseError:
    reply = Reply(
        status=int(error.http_status() or 0),
        error=error_of(error),
        headers=_headers(error),
        of_account=not path.partition("/")[0].isdecimal(),
    )
    return from_reply(reply, about)


def _headers(error: FacebookRequestError) -> dict[str, str]:
    return {str(name): str(value) for name, value in (error.http_headers() or {}).items()}
