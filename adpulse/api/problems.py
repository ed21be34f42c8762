"""Errors as RFC 9457 problem details: what happened, to which account, and what to do; never a secret, never a traceback."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from adpulse import errors
from adpulse.frequency import allowed
from adpulse.redact import redact
from storage.control.database import INFRASTRUCTURE

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_STATUS: Mapping[type[errors.AdpulseError], HTTPStatus] = {
    errors.UnknownConnection: HTTPStatus.NOT_FOUND,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Usage: HTTPStatus.BAD_REQUEST,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Permanent: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AdpulseError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of the first class in the error's method resolution order; temporary errors are a 503."""


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["urn:adpulse:unknown-connection"], description="What kind of problem; the same for every occurrence.")
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no connection '7'."], description="What happened and what to do.")


class Refused(Exception):
    """The caller may not have what it requested: 401, 403, 404 or 429."""

    def __init__(self, status: HTTPStatus, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as it is shown to the caller."""

    status: HTTPStatus
    kind: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)


def register_handlers(api: FastAPI, answer: Callable[[Request, ErrorAnswer], Response]) -> None:
    """Answer every error with the response of ``answer``."""

    def answered(request: Request, error: Exception) -> Response:
        return answer(request, _error_answer(request, error))

    for kind in (errors.AdpulseError, Refused, RequestValidationError, HTTPException, *INFRASTRUCTURE, Exception):
        api.add_exception_handler(kind, answered)


def answers(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI documentation of these errors."""
    return {status.value: {"description": status.phrase, "content": {MEDIA_TYPE: _documentation(status)}} for status in statuses}


def _documentation(status: HTTPStatus) -> dict[str, Any]:
    kind, detail = _EXAMPLES[status]
    example = Problem(type=f"urn:adpulse:{kind}", title=status.phrase, status=status.value, detail=detail)
    return {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example.model_dump()}


_EXAMPLES = {
    HTTPStatus.BAD_REQUEST: ("usage", f"'7min' is not a sync frequency. Choose one of: {', '.join(allowed(realtime_granted=False))}."),
    HTTPStatus.UNAUTHORIZED: ("unauthorized", "The API key is unknown, revoked or expired. Make another with: adpulse keys create"),
    HTTPStatus.FORBIDDEN: ("forbidden", "This requires the role editor; yours is viewer."),
    HTTPStatus.NOT_FOUND: ("unknown-connection", "There is no connection '7'."),
    HTTPStatus.CONFLICT: ("conflict", "There is a workspace named 'Acme' already."),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("invalid-request", "The request is invalid. body.name: Field required."),
    HTTPStatus.TOO_MANY_REQUESTS: ("rate-limited", "This workspace has asked 30 times in an hour. Try again in 12 minutes."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("control-plane", "The control plane's database does not answer. Nothing was changed; try again."),
}

CLOSED = answers(HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE)
"""Errors of every route that requires a key."""

READS = answers(HTTPStatus.NOT_FOUND)
"""Additional errors of routes that read something by its id."""

CHANGES = answers(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""Additional errors of routes that change something by its id."""


def problem_response(error: ErrorAnswer) -> Response:
    """An error as problem details, for a program."""
    body = Problem(type=f"urn:adpulse:{error.kind}", title=error.status.phrase, status=error.status.value, detail=error.detail)
    return JSONResponse(body.model_dump(), error.status.value, headers=dict(error.headers), media_type=MEDIA_TYPE)


def _error_answer(request: Request, error: Exception) -> ErrorAnswer:
    match error:
        case errors.AdpulseError():
            status = next(_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS)
            wait = getattr(error, "retry_after", None)
            headers = {"Retry-After": str(max(1, round(wait)))} if wait else {}
            return ErrorAnswer(status, _kind(type(error).__name__), redact(str(error)), headers)
        case Refused():
            headers = {"WWW-Authenticate": "Bearer"} if error.status is HTTPStatus.UNAUTHORIZED else {}
            headers |= {"Retry-After": str(error.retry_after)} if error.retry_after else {}
            return ErrorAnswer(error.status, _of_status(error.status), redact(error.detail), headers)
        case RequestValidationError():  # the values that were sent are not repeated, they may be secrets
            invalid = "; ".join(f"{'.'.join(str(part) for part in cls['loc'])}: {cls['msg']}" for cls in error.errors())
            return ErrorAnswer(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", redact(f"The request is invalid. {invalid}."))
        case HTTPException():
            status = HTTPStatus(error.status_code)
            headers = {"Allow": _allowed(request)} if status is HTTPStatus.METHOD_NOT_ALLOWED else dict(error.headers or {})
            return ErrorAnswer(status, _of_status(status), redact(str(error.detail)), headers)
        case _ if isinstance(error, INFRASTRUCTURE):
            detail = f"The control plane's database does not answer ({type(error).__name__}). Nothing was changed; try again."
            return ErrorAnswer(HTTPStatus.SERVICE_UNAVAILABLE, "control-plane", detail)
    log.error("%s %s failed unexpectedly", request.method, request.url.path, exc_info=error)
    detail = f"Unexpected {type(error).__name__}. Nothing is known to have changed; the log of adpulse web has the details."
    return ErrorAnswer(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", detail)


def _allowed(request: Request) -> str:
    """Every method of the path: the framework reports only the methods of the first route with this path."""

    def serves(method: str) -> bool:
        return any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)

    return ", ".join(filter(serves, ("DELETE", "GET", "PATCH", "POST", "PUT")))


def _of_status(status: HTTPStatus) -> str:
    return status.name.lower().replace("_", "-")


def _kind(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
