"""A strict Meta Graph API: versions, tokens, paging, async jobs, batches, usage headers, faults. Knows nothing of sockets."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults, Request, Rule, error_of
from adpulse_sandbox.meta import errors, insights, paging
from adpulse_sandbox.meta.entities import (
    ENTITY_FILTERS,
    Shown,
    account_node,
    check_fields,
    entity_node,
    listed,
    parse_fields,
    parse_filtering,
    parse_json,
)  # fmt: skip
from adpulse_sandbox.meta.errors import GraphError
from adpulse_sandbox.meta.tokens import OWN_APP, Token, checked
from adpulse_sandbox.meta.truth import Truth
from adpulse_sandbox.meta.versions import LATEST, check_version, upgrade_headers, version_of
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Entity, World

EDGES = {"campaigns": CAMPAIGN, "adsets": AD_SET, "ads": AD}
APP_ID, APP_SECRET = OWN_APP.id, OWN_APP.secret
_MOST_IN_BATCH = 50
_APP_USAGE = {"x-app-usage": '{"call_count":1,"total_cputime":1,"total_time":1}'}
_HOURLY_CALLS = 600
"""Calls an hour of a limited-tier app, from which the usage headers are computed."""
_FINISHED = 100
_NOT_SHAPE = ("after", "before", "limit", "access_token", "appsecret_proof")
_ANSWERS_KEPT = 4
"""Answers of many pages are computed once; the pages that follow within the same refresh step are cut from them."""


@dataclass(slots=True)
class Answer:
    """What goes over the wire. ``broken`` says how the connection spoils it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    broken: str | None = None


@dataclass(slots=True)
class _Job:
    account: Account
    scope: Entity | None
    params: dict[str, str]
    token: str
    polls: int = 0
    failed: bool = False


@dataclass(slots=True)
class _Call:
    """One logical call on its way: what the log and the faults need to know."""

    token: Token
    params: dict[str, str]
    base: str
    account: str = ""
    kind: str = ""
    offset: int = 0
    limit: int = 25
    days: int = 0
    rows: int | None = None
    rule: Rule | None = None


class Graph:
    """Answers Graph requests from a world; knows nothing of sockets."""

    def __init__(self, world: World, truth: Truth, clock: SandboxClock, calls: CallLog, faults: Faults) -> None:
        self.world, self.truth, self.clock, self.calls, self.faults = world, truth, clock, calls, faults
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str, int, int], list[Callable[[], dict[str, Any]]]] = {}

    def answer(self, method: str, path: str, params: dict[str, str], base: str) -> Answer:
        """One HTTP request, which may be a batch of calls."""
        version, rest = version_of(path)
        try:
            check_version(version, self.clock.now())
            if method == "POST" and not rest and "batch" in params:
                return self._batch(params, version, base)
        except GraphError as error:
            refused = rendered(error.status, error.body("sandboxtrace"))
            refused.headers |= _APP_USAGE | upgrade_headers(version, None)
            return refused
        return self._call(method, rest, params, base, version)

    def _call(self, method: str, path: list[str], params: dict[str, str], base: str, version: str) -> Answer:
        call = _Call(token=Token(label="", value="", accounts=()), params=params, base="/".join([base, version, *path]))
        try:
            call.token = checked(self.world.tokens, params, self.clock.now())
            answer = self._struck(call, self._route(method, path, call))
        except GraphError as error:
            answer = rendered(error.status, error.body(f"A{len(self.calls.calls())}"))
        shown = {name: value for name, value in params.items() if name not in ("access_token", "appsecret_proof")}
        self.calls.add(
            at=self.clock.now(),
            account=call.account,
            kind=call.kind or "/".join(path),
            method=method,
            path="/".join(path),
            params=shown,
            offset=call.offset,
            status=answer.status,
            rows=call.rows,
            fault=call.rule.action if call.rule else None,
        )
        answer.headers |= self._usage(call) | upgrade_headers(version, _upgraded_to(call.rule))
        return answer

    def _batch(self, params: dict[str, str], version: str, base: str) -> Answer:
        items = parse_json("batch", params["batch"], list)
        if len(items) > _MOST_IN_BATCH:
            raise errors.bad_param(f"Maximum batch size is {_MOST_IN_BATCH}")
        if not all(isinstance(item, dict) for item in items):
            raise errors.bad_param("param batch must be an array of objects with method and relative_url")
        done = []
        for item in items:
            target = urlsplit(item.get("relative_url", ""))
            outer = {name: params[name] for name in ("access_token", "appsecret_proof") if name in params}
            inner = {**dict(parse_qsl(target.query)), **outer}
            rest = [part for part in target.path.split("/") if part and part != version]
            answer = self._call(item.get("method", "GET"), rest, inner, base, version)
            headers = [{"name": name, "value": value} for name, value in answer.headers.items()]
            lost = answer.broken == "null_batch_item"
            done.append(None if lost else {"code": answer.status, "headers": headers, "body": answer.body.decode()})
        return rendered(200, done)

    def _route(self, method: str, path: list[str], call: _Call) -> Any:
        if not path:
            return self._by_ids(method, call)
        if path[0] in ("me", "app"):
            return self._own(method, path, call)
        if path[0] in self._jobs:
            return self._job(method, path, call)
        account, scope = self._object(path[0], call)
        if method != "GET":
            if method == "POST" and path[1:] == ["insights"]:
                return self._start_job(account, scope, call)
            raise errors.write_refused()
        if len(path) == 1:
            return self._node(account, scope, call)
        return self._edge_of(account, scope, path, call)

    def _node(self, account: Account, scope: Entity | None, call: _Call) -> dict[str, Any]:
        call.kind = "node"
        self._strike(call)
        fields = parse_fields(call.params.get("fields", "id"))
        return account_node(account, fields) if scope is None else entity_node(Shown(account, scope, self.clock.now()), fields)

    def _edge_of(self, account: Account, scope: Entity | None, path: list[str], call: _Call) -> dict[str, Any]:
        if path[1:] == ["insights"]:
            return self._insights(account, scope, call)
        if len(path) == 2 and path[1] in EDGES:  # noqa: PLR2004 - node and edge
            return self._edge(account, scope, path[1], call)
        raise errors.unknown_field(path[1], "AdAccount" if scope is None else scope.level.capitalize())

    def _object(self, object_id: str, call: _Call) -> tuple[Account, Entity | None]:
        """The account, or entity of an account, that the token reaches."""
        if not (object_id.removeprefix("act_").isdigit()):
            raise errors.unknown_path(object_id)
        account = self.world.accounts.get(object_id.removeprefix("act_")) if object_id.startswith("act_") else None
        entity = None
        if account is None:
            found = self.world.find(object_id)
            if found is None or found[1].created_at > self.clock.now():
                raise errors.unreachable(object_id)
            account, entity = found
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
            account, entity = self._object(object_id, call)
            shown = account_node(account, fields) if entity is None else entity_node(Shown(account, entity, self.clock.now()), fields)
            nodes[object_id] = shown
        call.kind, call.rows = "ids", len(nodes)
        self._strike(call)
        return nodes

    def _own(self, method: str, path: list[str], call: _Call) -> dict[str, Any]:
        """The nodes ``me`` and ``app``: whose the token is, and the app that issued it."""
        if method != "GET":
            raise errors.write_refused()
        call.kind, edge = "/".join(path), "/".join(path[1:])
        if not edge:
            self._strike(call)
            return call.token.me() if path == ["me"] else {"id": call.token.app.id, "name": call.token.app.name}
        if path[0] == "app":
            raise errors.unknown_field(edge, "Application")
        found = [self.world.accounts[each] for each in call.token.listed(edge)]
        fields = parse_fields(call.params.get("fields", "account_id,id"))
        for account in found:
            account_node(account, fields)
        return self._page(call, call.kind, [partial(account_node, account, fields) for account in found])

    def _edge(self, account: Account, parent: Entity | None, edge: str, call: _Call) -> dict[str, Any]:
        call.kind = edge
        level, now = EDGES[edge], self.clock.now()
        fields = parse_fields(call.params.get("fields", "id"))
        check_fields(level, fields)
        statuses = parse_json("effective_status", call.params.get("effective_status"), list)
        conditions = parse_filtering(call.params.get("filtering"), ENTITY_FILTERS)
        found = listed(account, level, now, parent, statuses, conditions)
        deleted = sum(at <= now for at, _ in account.deletions)  # a cursor dies with the object it points to
        rows = [partial(entity_node, Shown(account, entity, now), fields) for entity in found]
        page = self._page(call, f"{call.account}/{edge}/{deleted}", rows)
        if call.params.get("summary", "false") == "true":
            page["summary"] = {"total_count": len(found)}
        return page

    def _insights(self, account: Account, scope: Entity | None, call: _Call) -> dict[str, Any]:
        call.kind = call.kind or "insights"
        now = self.clock.now()
        query = insights.parse(account, scope, call.params, now)
        call.days = query.days
        shape = json.dumps([scope.id if scope else "", *sorted(self._shape(call.params))])
        key = (account.id, shape, self.truth.step(now), account.version(now))
        with self._lock:
            found = self._answers.get(key)
        if found is None:
            found = list(insights.rows(self.truth, query, now))
            with self._lock:
                self._answers[key] = found
                while len(self._answers) > _ANSWERS_KEPT:
                    self._answers.pop(next(iter(self._answers)))
        return self._page(call, f"{call.account}/insights", found)

    @staticmethod
    def _shape(params: Mapping[str, str]) -> list[tuple[str, str]]:
        """What decides an answer's rows: everything but the place in it and who asks."""
        return [(name, value) for name, value in params.items() if name not in _NOT_SHAPE]

    def _page(self, call: _Call, edge: str, found: Sequence[Callable[[], dict[str, Any]]]) -> dict[str, Any]:
        """A page of lazily rendered rows; ``next`` alone says that there is more."""
        call.limit = insights.row_limit(call.params)
        bound = paging.mark(call.params, edge)
        call.offset = paging.offset(call.params, bound)
        self._strike(call)
        rule = call.rule
        if rule and rule.action in ("empty_page", "endless"):
            return self._emptied(call, bound, endless=rule.action == "endless")
        start = max(call.offset - 1, 0) if rule and rule.action == "duplicate_row" else call.offset
        rows = [render() for render in found[start : call.offset + call.limit]]
        call.rows = len(rows)
        if not rows:
            return {"data": []}
        links: dict[str, Any] = {
            "cursors": {"before": paging.cursor(bound, call.offset), "after": paging.cursor(bound, call.offset + call.limit)}
        }
        if call.offset + call.limit < len(found):
            links["next"] = self._next(call, links["cursors"]["after"])
        return {"data": rows, "paging": links}

    def _emptied(self, call: _Call, bound: str, *, endless: bool) -> dict[str, Any]:
        """An empty page that says there is more; the rows it held back follow, unless it is endless."""
        call.rows = 0
        after = paging.cursor(bound, call.offset, hollow=not endless)
        return {"data": [], "paging": {"cursors": {"before": after, "after": after}, "next": self._next(call, after)}}

    @staticmethod
    def _next(call: _Call, after: str) -> str:
        return f"{call.base}?{urlencode({**call.params, 'after': after})}"

    def _start_job(self, account: Account, scope: Entity | None, call: _Call) -> dict[str, str]:
        call.kind = "insights_job"
        insights.parse(account, scope, call.params, self.clock.now())
        self._strike(call)
        with self._lock:
            job_id = str(6_000_000_000_000 + len(self._jobs))
            failed = bool(call.rule and call.rule.action == "job_fails")
            self._jobs[job_id] = _Job(account, scope, dict(call.params), call.token.value, failed=failed)
        return {"report_run_id": job_id}

    def _job(self, method: str, path: list[str], call: _Call) -> dict[str, Any]:
        """Polling a job makes it progress; its results are there when it says both 100 % and Completed."""
        job = self._jobs[path[0]]
        call.account = job.account.id
        if method != "GET":
            raise errors.write_refused()
        if job.token != call.token.value:
            raise errors.unreachable(path[0])
        if path[1:] == ["insights"]:
            call.kind = "job_insights"
            if job.polls < 3 or job.failed:  # noqa: PLR2004 - ready at the third poll
                raise errors.not_ready()
            own = {name: value for name, value in call.params.items() if name in ("after", "before", "limit", "access_token")}
            call.params = {**{name: value for name, value in job.params.items() if name not in ("after", "limit")}, **own}
            return self._insights(job.account, job.scope, call)
        call.kind = "job"
        self._strike(call)
        job.polls += 1
        percent = min(_FINISHED, job.polls * 40)
        done = "Job Failed" if job.failed else "Job Completed"
        state = done if percent == _FINISHED else "Job Running"
        why = errors.JOB_FAILURE if state == "Job Failed" else {}
        return {"id": path[0], "account_id": job.account.id, "async_status": state, "async_percent_completion": percent, **why}

    def _strike(self, call: _Call) -> None:
        """Let the script spoil the call; faults that are proper errors are raised here."""
        page, filtering = call.offset // call.limit + 1, call.params.get("filtering", "")
        request = Request(account=call.account, kind=call.kind, page=page, limit=call.limit, days=call.days, filtering=filtering)
        call.rule = rule = self.faults.strike(request)
        if rule is None:
            return
        if rule.action == "slow":
            time.sleep(rule.seconds)
        error = errors.refused(call.params) if rule.action == "refused" else error_of(rule)
        if error:
            raise error

    @staticmethod
    def _struck(call: _Call, body: Any) -> Answer:
        """The answer, or what the fault makes of it."""
        answer = rendered(200, body)
        action = call.rule.action if call.rule else ""
        if action == "server_error":
            return Answer(503, b"", {"content-type": "text/plain"})
        if action in ("html", "html_success"):
            word = b"success" if action == "html_success" else b"Bad Gateway"
            return Answer(502, b"<html><body>" + word + b"</body></html>", {"content-type": "text/html"})
        if action == "no_error_body":
            return rendered(500, {"foo": 1})
        if action == "truncated":
            answer.body = answer.body[: len(answer.body) * 2 // 3]
        if action in ("drop", "drop_midway", "null_batch_item"):
            answer.broken = action
        return answer

    def _usage(self, call: _Call) -> dict[str, str]:
        """The usage headers Meta sends with successes and failures alike."""
        if not call.account:
            return dict(_APP_USAGE)
        struck = call.rule if call.rule and call.rule.action == "throttle" else None
        percent = 100 if struck else min(100, 100 * self.calls.within_hour(call.account, self.clock.now()) // _HOURLY_CALLS)
        tier = {"ads_api_access_tier": "development_access"}
        use = {"type": "ads_insights", "call_count": percent, "total_cputime": percent // 3, "total_time": percent // 4}
        case = {call.account: [{**use, "estimated_time_to_regain_access": struck.minutes if struck else 0, **tier}]}
        throttle = {"app_id_util_pct": percent if struck and struck.code == 4 else 1, "acc_id_util_pct": percent, **tier}  # noqa: PLR2004 - Meta's code
        account = {"acc_id_util_pct": percent, "reset_time_duration": struck.minutes * 60 if struck else 0, **tier}
        return {
            "x-business-use-case-usage": json.dumps(case),
            "x-fb-ads-insights-throttle": json.dumps(throttle),
            "x-ad-account-usage": json.dumps(account),
            **_APP_USAGE,
        }


def _upgraded_to(rule: Rule | None) -> str | None:
    return (rule.value or LATEST) if rule and rule.action == "auto_upgrade" else None


def rendered(status: int, body: Any) -> Answer:
    """A JSON answer."""
    return Answer(status, orjson.dumps(body), {"content-type": "application/json; charset=UTF-8"})
