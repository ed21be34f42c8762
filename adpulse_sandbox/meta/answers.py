"""HTTP answers of the Graph API: JSON, errors, and answers that a fault spoils."""

from typing import Any

import orjson

from adpulse_sandbox.basis import HEADER, Basis
from adpulse_sandbox.faults import Rule
from adpulse_sandbox.meta.errors import GraphError
from adpulse_sandbox.rewriting import HEADERS, rewritten_json
from adpulse_sandbox.serving import Answer


def json_answer(status: int, body: Any, basis: Basis = Basis.DOCUMENTED) -> Answer:
    """A JSON answer."""
    return Answer(status, orjson.dumps(body), {"content-type": "application/json; charset=UTF-8", HEADER: basis})


def error_answer(error: GraphError, trace: str) -> Answer:
    """The answer of a refused request."""
    return json_answer(error.status, error.body(trace), error.basis)


def spoiled(body: Any, basis: Basis, rule: Rule | None) -> Answer:
    """The answer of a successful call, spoiled by the call's fault if there is one."""
    answer = json_answer(200, body, basis)
    if rule is None:
        return answer
    if rule.place and not rule.place.startswith(HEADERS):
        answer.body = rewritten_json(body, rule.place, rule.value, remove=rule.remove)
    if rule.action == "server_error":
        return _of_proxy(503, b"", "text/plain")
    if rule.action in ("html", "html_success"):
        word = b"success" if rule.action == "html_success" else b"Bad Gateway"
        return _of_proxy(502, b"<html><body>" + word + b"</body></html>", "text/html")
    if rule.action == "no_error_body":
        return json_answer(500, {"foo": 1})
    if rule.action == "truncated":
        answer.body = answer.body[: len(answer.body) * 2 // 3]
    if rule.action in ("drop", "drop_midway", "null_batch_item"):
        answer.broken = rule.action
    return answer


def url_too_long() -> Answer:
    """The answer to a request whose URL is too long. No answer of Meta's was recorded."""
    return _of_proxy(414, b"<html><body>URI Too Long</body></html>", "text/html", Basis.INFERRED)


def _of_proxy(status: int, body: bytes, kind: str, basis: Basis = Basis.DOCUMENTED) -> Answer:
    return Answer(status, body, {"content-type": kind, HEADER: basis})
