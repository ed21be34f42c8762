"""A strict Meta Graph API without the HTTP server: versions, tokens, batches, usage headers, the call log and faults."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from adpulse_sandbox.basis import Basis, Gaps
from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults, Rule
from adpulse_sandbox.meta import errors
from adpulse_sandbox.meta.answers import error_answer, json_answer, spoiled
from adpulse_sandbox.meta.calls import Call
from adpulse_sandbox.meta.errors import GraphError
from adpulse_sandbox.meta.names import names_of
from adpulse_sandbox.meta.paging import PAGE_ROWS
from adpulse_sandbox.meta.parameters import parse_json
from adpulse_sandbox.meta.points import Points
from adpulse_sandbox.meta.reports import Reports
from adpulse_sandbox.meta.routes import Routes
from adpulse_sandbox.meta.tokens import OWN_APP, Token, authenticated
from adpulse_sandbox.meta.truth import Truth
from adpulse_sandbox.meta.usage import OF_APP, usage_headers
from adpulse_sandbox.meta.versions import check_version, latest, upgrade_headers, version_of
from adpulse_sandbox.meta.world import World
from adpulse_sandbox.rewriting import HEADERS, rewrite_header
from adpulse_sandbox.serving import Answer

APP_ID, APP_SECRET = OWN_APP.id, OWN_APP.secret
_MAX_BATCH = 50
_BLOCKED_MINUTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The limits of the Graph endpoint, and how its numbers move.

    ``page_rows`` is the most rows of a page. With ``limited_tier`` the apps are of the tier that may read an ad account 60 times in 300
    seconds, and the usage headers say so; without it they name the full tier. ``turns``: campaigns take turns, so that each refresh moves
    the numbers of every so many-th of them.
    """

    page_rows: int = PAGE_ROWS
    limited_tier: bool = False
    turns: int = 1


class Graph:
    """Answers Graph requests from a world."""

    def __init__(  # noqa: PLR0913 - parts that it shares with the rest of the sandbox
        self,
        *,
        world: World,
        truth: Truth,
        clock: SandboxClock,
        calls: CallLog,
        faults: Faults,
        gaps: Gaps,
        options: Options,
    ) -> None:
        self._world, self._clock, self._calls, self._gaps, self._page_rows = world, clock, calls, gaps, options.page_rows
        self._limited_tier = options.limited_tier
        points = Points() if options.limited_tier else None
        self._routes = Routes(world, Reports(truth, clock, faults), clock, faults, points)

    def answer(self, method: str, path: str, params: dict[str, str], base: str) -> Answer:
        """Answer an HTTP request, which may be a batch of calls."""
        version, rest = version_of(path, self._clock.now())
        try:
            check_version(version, self._clock.now())
            if method == "POST" and not rest and "batch" in params:
                return self._batch(params, version, base)
        except GraphError as error:
            answer = error_answer(error, "sandboxtrace")
            answer.headers |= OF_APP | upgrade_headers(version, None)
            return answer
        return self._call(method, rest, params, base, version)

    def _call(self, method: str, path: list[str], params: dict[str, str], base: str, version: str) -> Answer:
        call = Call(
            token=Token(label="", value="", accounts=()),
            params=params,
            base="/".join([base, version, *path]),
            names=names_of(version),
            page_rows=self._page_rows,
        )
        try:
            call.token = authenticated(self._world.tokens, params, self._clock.now())
            body = self._routes.answer(method, path, call)
            answer = spoiled(body, call.basis, call.rule)
        except GraphError as error:
            if error.basis is Basis.UNSUPPORTED:
                self._gaps.add("meta", call.kind or path[-1], error.feature)
            answer = error_answer(error, f"A{len(self._calls.calls())}")
        self._log(method, path, call, answer)
        self._add_headers(answer, call, version)
        return answer

    def _log(self, method: str, path: list[str], call: Call, answer: Answer) -> None:
        self._calls.add(
            at=self._clock.now(),
            account=call.account,
            kind=call.kind or "/".join(path),
            method=method,
            path="/".join(path),
            params={name: value for name, value in call.params.items() if name not in ("access_token", "appsecret_proof")},
            offset=call.offset,
            status=answer.status,
            rows=call.rows,
            fault=call.rule.action if call.rule else None,
        )

    def _add_headers(self, answer: Answer, call: Call, version: str) -> None:
        rule = call.rule
        throttle = (rule.code, rule.minutes) if rule and rule.action == "throttle" else None
        if call.throttled:
            throttle = (17, _BLOCKED_MINUTES)
        calls = self._calls.within_hour(call.account, self._clock.now()) if call.account else 0
        others = self._world.accounts[call.account].spec.use_cases if call.account else ()
        answer.headers |= usage_headers(call.account, call.kind, calls, throttle, others, limited_tier=self._limited_tier)
        answer.headers |= upgrade_headers(version, self._upgraded_to(rule))
        if rule and rule.place and rule.place.startswith(HEADERS):
            rewrite_header(answer.headers, rule.place, rule.value, remove=rule.remove)

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
            inner = {**dict(parse_qsl(target.query)), **dict(parse_qsl(item.get("body", ""))), **outer}
            rest = [part for part in target.path.split("/") if part and part != version]
            answer = self._call(item.get("method", "GET"), rest, inner, base, version)
            headers = [{"name": name, "value": value} for name, value in answer.headers.items()]
            lost = answer.broken == "null_batch_item"
            results.append(None if lost else {"code": answer.status, "headers": headers, "body": answer.body.decode()})
        return json_answer(200, results)

    def _upgraded_to(self, rule: Rule | None) -> str | None:
        return (rule.value or latest(self._clock.now())) if rule and rule.action == "auto_upgrade" else None
