"""A strict Meta Graph API without the HTTP server: versions, tokens, paging, async jobs, batches, usage headers and faults."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from adpulse_sandbox.basis import Basis, Gaps
from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults, Request, Rule, error_of
from adpulse_sandbox.meta import errors, insights, paging
from adpulse_sandbox.meta.answers import Answer, error_answer, json_answer, spoiled
from adpulse_sandbox.meta.entities import (
    ENTITY_FILTERS,
    Snapshot,
    account_node,
    check_fields,
    entity_node,
    list_entities,
    parse_fields,
    parse_filtering,
    parse_json,
)  # fmt: skip
from adpulse_sandbox.meta.errors import GraphError
from adpulse_sandbox.meta.jobs import FAILED, Job
from adpulse_sandbox.meta.tokens import OWN_APP, Token, authenticated
from adpulse_sandbox.meta.truth import Truth
from adpulse_sandbox.meta.usage import OF_APP, usage_headers
from adpulse_sandbox.meta.versions import LATEST, check_version, upgrade_headers, version_of
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Entity, World
from adpulse_sandbox.rewriting import HEADERS, rewrite_header

EDGES = {"campaigns": CAMPAIGN, "adsets": AD_SET, "ads": AD}
APP_ID, APP_SECRET = OWN_APP.id, OWN_APP.secret
_MAX_BATCH = 50
_PAGE_PARAMETERS = ("after", "before", "limit", "access_token", "appsecret_proof")
_CACHED_ANSWERS = 4
"""How many report answers are cached. The pages of one report that are read within a refresh step share one answer."""


@dataclass(slots=True)
class _Call:
    """A logical call in progress, with the properties that the call log and the faults need."""

    token: Token
    params: dict[str, str]
    base: str
    account: str = ""
    kind: str = ""
    offset: int = 0
    limit: int = 25
    report: insights.Query | None = None
    rows: int | None = None
    rule: Rule | None = None
    basis: Basis = Basis.DOCUMENTED


class Graph:
    """Answers Graph requests from a world."""

    def __init__(self, world: World, truth: Truth, clock: SandboxClock, calls: CallLog, faults: Faults, gaps: Gaps) -> None:
        self.world, self.truth, self.clock, self.calls, self.faults, self.gaps = world, truth, clock, calls, faults, gaps
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str, int, int], list[Callable[[], dict[str, Any]]]] = {}

    def answer(self, method: str, path: str, params: dict[str, str], base: str) -> Answer:
        """Answer an HTTP request, which may be a batch of calls."""
        version, rest = version_of(path)
        try:
            check_version(version, self.clock.now())
            if method == "POST" and not rest and "batch" in params:
                return self._batch(params, version, base)
        except GraphError as error:
            answer = error_answer(error, "sandboxtrace")
            answer.headers |= OF_APP | upgrade_headers(version, None)
            return answer
        return self._call(method, rest, params, base, version)

    def _call(self, method: str, path: list[str], params: dict[str, str], base: str, version: str) -> Answer:
        call = _Call(token=Token(label="", value="", accounts=()), params=params, base="/".join([base, version, *path]))
        try:
            call.token = authenticated(self.world.tokens, params, self.clock.now())
            body = self._route(method, path, call)
            answer = spoiled(body, call.basis, call.rule)
        except GraphError as error:
            if error.basis is Basis.UNSUPPORTED:
                self.gaps.add("meta", call.kind or path[-1], error.feature)
            answer = error_answer(error, f"A{len(self.calls.calls())}")
        logged = {name: value for name, value in params.items() if name not in ("access_token", "appsecret_proof")}
        self.calls.add(
            at=self.clock.now(),
            account=call.account,
            kind=call.kind or "/".join(path),
            method=method,
            path="/".join(path),
            params=logged,
            offset=call.offset,
            status=answer.status,
            rows=call.rows,
            fault=call.rule.action if call.rule else None,
        )
        throttle = (call.rule.code, call.rule.minutes) if call.rule and call.rule.action == "throttle" else None
        calls = self.calls.within_hour(call.account, self.clock.now()) if call.account else 0
        others = self.world.accounts[call.account].spec.use_cases if call.account else ()
        answer.headers |= usage_headers(call.account, call.kind, calls, throttle, others) | upgrade_headers(
            version, _upgraded_to(call.rule)
        )
        if call.rule and call.rule.place and call.rule.place.startswith(HEADERS):
            rewrite_header(answer.headers, call.rule.place, call.rule.value, remove=call.rule.remove)
        return answer

    def _batch(self, params: dict[str, str], version: str, base: str) -> Answer:
        items = parse_json("batch", params["batch"], list)
        if len(items) > _MAX_BATCH:
            raise errors.bad_param(f"Maximum batch size is {_MAX_BATCH}")
        if not all(isinstance(item, dict) for item in items):
            raise errors.bad_param("param batch must be an array of objects with method and relative_url")
        results = []
        for item in items:
            target = urlsplit(item.get("relative_url", ""))
            outer = {name: params[name] for name in ("access_token", "appsecret_proof") if name in params}
            inner = {**dict(parse_qsl(target.query)), **outer}
            rest = [part for part in target.path.split("/") if part and part != version]
            answer = self._call(item.get("method", "GET"), rest, inner, base, version)
            headers = [{"name": name, "value": value} for name, value in answer.headers.items()]
            lost = answer.broken == "null_batch_item"
            results.append(None if lost else {"code": answer.status, "headers": headers, "body": answer.body.decode()})
        return json_answer(200, results)

    def _route(self, method: str, path: list[str], call: _Call) -> Any:
        if not path:
            return self._by_ids(method, call)
        if path[0] in ("me", "app"):
            return self._self_node(method, path, call)
        if path[0] in self._jobs:
            return self._job(method, path, call)
        account, scope = self._find_object(path[0], call)
        if method != "GET":
            if method == "POST" and path[1:] == ["insights"]:
                return self._start_job(account, scope, call)
            raise errors.write_refused()
        if len(path) == 1:
            return self._node(account, scope, call)
        return self._edge_or_report(account, scope, path, call)

    def _node(self, account: Account, scope: Entity | None, call: _Call) -> dict[str, Any]:
        call.kind = "node"
        self._apply_rule(call)
        fields = parse_fields(call.params.get("fields", "id"))
        return account_node(account, fields) if scope is None else entity_node(Snapshot(account, scope, self.clock.now()), fields)

    def _edge_or_report(self, account: Account, scope: Entity | None, path: list[str], call: _Call) -> dict[str, Any]:
        if path[1:] == ["insights"]:
            return self._insights(account, scope, call)
        if len(path) == 2 and path[1] in EDGES:  # noqa: PLR2004 - node and edge
            return self._edge(account, scope, path[1], call)
        raise errors.unknown_field(path[1], "AdAccount" if scope is None else scope.level.capitalize())

    def _find_object(self, object_id: str, call: _Call) -> tuple[Account, Entity | None]:
        """The account, and the entity unless the id is an account's. The token must have access to it."""
        if not (object_id.removeprefix("act_").isdigit()):
            raise errors.unknown_path(object_id)
        account = self.world.accounts.get(object_id.removeprefix("act_")) if object_id.startswith("act_") else None
        entity = None
        if account is None:
            match = self.world.find(object_id)
            if match is None or match[1].created_at > self.clock.now():
                raise errors.unreachable(object_id)
            account, entity = match
        call.account = account.id
        if account.id not in call.token.accounts:
            raise errors.unreachable(object_id)
        if "ads_read" not in call.token.scopes:
            raise errors.no_permission()
        return account, entity

    def _by_ids(self, method: str, call: _Call) -> dict[str, Any]:
        if method != "GET" or "ids" not in call.params:
            raise errors.unknown_path("")
        fields, nodes = parse_fields(call.params.get("fields", "id")), {}
        for object_id in call.params["ids"].split(","):
            account, entity = self._find_object(object_id, call)
            node = account_node(account, fields) if entity is None else entity_node(Snapshot(account, entity, self.clock.now()), fields)
            nodes[object_id] = node
        call.kind, call.rows = "ids", len(nodes)
        self._apply_rule(call)
        return nodes

    def _self_node(self, method: str, path: list[str], call: _Call) -> dict[str, Any]:
        """The nodes ``me`` and ``app``: the token's user and the app that issued the token."""
        if method != "GET":
            raise errors.write_refused()
        call.kind, edge = "/".join(path), "/".join(path[1:])
        if not edge:
            self._apply_rule(call)
            return call.token.me() if path == ["me"] else {"id": call.token.app.id, "name": call.token.app.name}
        if path[0] == "app":
            raise errors.unknown_field(edge, "Application")
        accounts = [self.world.accounts[account_id] for account_id in call.token.accounts_of_edge(edge)]
        fields = parse_fields(call.params.get("fields", "account_id,id"))
        for account in accounts:
            account_node(account, fields)
        return self._page(call, call.kind, [partial(account_node, account, fields) for account in accounts])

    def _edge(self, account: Account, parent: Entity | None, edge: str, call: _Call) -> dict[str, Any]:
        call.kind = edge
        level, now = EDGES[edge], self.clock.now()
        fields = parse_fields(call.params.get("fields", "id"))
        check_fields(level, fields)
        statuses = parse_json("effective_status", call.params.get("effective_status"), list)
        conditions = parse_filtering(call.params.get("filtering"), ENTITY_FILTERS)
        entities = list_entities(account, level, now, parent, statuses, conditions)
        deleted = sum(at <= now for at, _ in account.deletions)  # a deletion invalidates the cursors that were issued before
        rows = [partial(entity_node, Snapshot(account, entity, now), fields) for entity in entities]
        page = self._page(call, f"{call.account}/{edge}/{deleted}", rows)
        if call.params.get("summary", "false") == "true":
            page["summary"] = {"total_count": len(entities)}
        return page

    def _insights(self, account: Account, scope: Entity | None, call: _Call) -> dict[str, Any]:
        call.kind = call.kind or "insights"
        now = self.clock.now()
        query = insights.parse(account, scope, call.params, now)
        call.report = query
        row_parameters = json.dumps([scope.id if scope else "", *sorted(self._row_parameters(call.params))])
        key = (account.id, row_parameters, self.truth.step(now), account.version(now))
        with self._lock:
            rows = self._answers.get(key)
        if rows is None:
            rows = list(insights.rows(self.truth, query, now))
            with self._lock:
                self._answers[key] = rows
                while len(self._answers) > _CACHED_ANSWERS:
                    self._answers.pop(next(iter(self._answers)))
        return self._page(call, f"{call.account}/insights", rows)

    @staticmethod
    def _row_parameters(params: Mapping[str, str]) -> list[tuple[str, str]]:
        """The parameters that decide the rows of an answer: all but those of paging and of the token."""
        return [(name, value) for name, value in params.items() if name not in _PAGE_PARAMETERS]

    def _page(self, call: _Call, edge: str, rows: Sequence[Callable[[], dict[str, Any]]]) -> dict[str, Any]:
        """A page of rows; only its rows are rendered. Only ``next`` says that there are more, as with Meta."""
        call.limit = insights.row_limit(call.params)
        digest = paging.request_digest(call.params, edge)
        call.offset = paging.offset(call.params, digest)
        self._apply_rule(call)
        rule = call.rule
        if rule and rule.action in ("empty_page", "endless"):
            return self._empty_page(call, digest, endless=rule.action == "endless")
        # The fault ``duplicate_row`` repeats the last row of the page before.
        start = max(call.offset - 1, 0) if rule and rule.action == "duplicate_row" else call.offset
        shown = [render() for render in rows[start : call.offset + call.limit]]
        if rule and any(rule.breaks_creative(row) for row in shown):
            raise errors.broken_creative()
        call.rows = len(shown)
        if not shown:
            return {"data": []}
        links: dict[str, Any] = {
            "cursors": {"before": paging.cursor(digest, call.offset), "after": paging.cursor(digest, call.offset + call.limit)}
        }
        if call.offset + call.limit < len(rows):
            links["next"] = self._next(call, links["cursors"]["after"])
        return {"data": shown, "paging": links}

    def _empty_page(self, call: _Call, digest: str, *, endless: bool) -> dict[str, Any]:
        """An empty page with a ``next``. The next page has the rows, unless the fault is endless."""
        call.rows = 0
        after = paging.cursor(digest, call.offset, repeated=not endless)
        return {"data": [], "paging": {"cursors": {"before": after, "after": after}, "next": self._next(call, after)}}

    @staticmethod
    def _next(call: _Call, after: str) -> str:
        return f"{call.base}?{urlencode({**call.params, 'after': after})}"

    def _start_job(self, account: Account, scope: Entity | None, call: _Call) -> dict[str, str]:
        call.kind = "insights_job"
        call.report = insights.parse(account, scope, call.params, self.clock.now())
        self._apply_rule(call)
        with self._lock:
            job_id = str(6_000_000_000_000 + len(self._jobs))
            job = Job(account, scope, dict(call.params), call.token.value, self.clock.now())
            if call.rule and call.rule.action == "job_fails":
                job.ending, job.failure = call.rule.value or FAILED, call.rule.code
            self._jobs[job_id] = job
        return {"report_run_id": job_id}

    def _job(self, method: str, path: list[str], call: _Call) -> dict[str, Any]:
        """Answer a job's status or results.

        The fault ``job_fails`` ends it otherwise: as ``Job Failed`` or what the rule's value says, of which ``Job Running`` is no end.
        """
        job, now = self._jobs[path[0]], self.clock.now()
        call.account = job.account.id
        if method != "GET":
            raise errors.write_refused()
        if job.token != call.token.value:
            raise errors.unreachable(path[0])
        if path[1:] == ["insights"]:
            call.kind = "job_insights"
            if not job.is_readable(now):
                raise errors.not_ready()
            page_parameters = {name: value for name, value in call.params.items() if name in ("after", "before", "limit", "access_token")}
            call.params = {**{name: value for name, value in job.params.items() if name not in ("after", "limit")}, **page_parameters}
            return self._insights(job.account, job.scope, call)
        call.kind = "job"
        self._apply_rule(call)
        return job.poll(path[0], now)

    def _apply_rule(self, call: _Call) -> None:
        """Look up the fault rule of the call; wait if it says so, and raise its error if it has one."""
        page, filtering = call.offset // call.limit + 1, call.params.get("filtering", "")
        report = call.report
        request = Request(
            account=call.account,
            kind=call.kind,
            page=page,
            limit=call.limit,
            days=report.days if report else 0,
            span=(report.since, report.until) if report else None,
            fields=len(report.fields) if report else 0,
            has_campaign=report.has_campaign if report else None,
            filtering=filtering,
        )
        call.rule = rule = self.faults.strike(request)
        if rule is None:
            return
        if rule.action == "slow":
            time.sleep(rule.seconds)
        error = errors.echoing_refusal(call.params) if rule.action == "refused" else error_of(rule)
        if error:
            raise error


def _upgraded_to(rule: Rule | None) -> str | None:
    return (rule.value or LATEST) if rule and rule.action == "auto_upgrade" else None
