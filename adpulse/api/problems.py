"""Errors as RFC 9457 problem details: what happened, to which account, and what to do; never a secret, never a traceback."""

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from adpulse import errors
from adpulse.redact import redact
from storage.control import INFRASTRUCTURE

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_STATUS: Mapping[type[errors.AdpulseError], HTTPStatus] = {
    errors.UnknownConnection: HTTPStatus.NOT_FOUND,
    errors.UnknownGrant: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Usage: HTTPStatus.BAD_REQUEST,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Permanent: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AdpulseError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The first that fits, from the error's class upwards; what passes by itself is a 503."""


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["urn:adpulse:unknown-connection"], description="What kind of problem; the same for every occurrence.")
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no connection '7'."], description="What happened and what to do.")


class Refused(Exception):
    """What was asked for is not there for this caller: 401, 403 or 404."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def handle(api: FastAPI) -> None:
    """Answer every error of the API with a problem."""
    api.add_exception_handler(errors.AdpulseError, _ours)
    api.add_exception_handler(Refused, _refused)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _of_http)
    for each in INFRASTRUCTURE:
        if not issubclass(each, errors.AdpulseError):
            api.add_exception_handler(each, _no_database)
    api.add_exception_handler(Exception, _unexpected)


def answers(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """What a route's documentation says of these errors."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status.value: {"description": status.phrase, "content": content} for status in statuses}


def problem(status: HTTPStatus, kind: str, detail: str, **headers: str) -> JSONResponse:
    """The answer."""
    told = Problem(type=f"urn:adpulse:{kind}", title=status.phrase, status=status.value, detail=redact(detail))
    return JSONResponse(told.model_dump(), status.value, headers=headers, media_type=MEDIA_TYPE)


def _ours(_: Request, error: Exception) -> JSONResponse:
    status = next(_STATUS[each] for each in type(error).__mro__ if each in _STATUS)
    wait = getattr(error, "retry_after", None)
    headers = {"Retry-After": str(max(1, round(wait)))} if wait else {}
    return problem(status, _kind(type(error).__name__), str(error), **headers)


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)  # noqa: S101 - what it was registered for
    headers = {"WWW-Authenticate": "Bearer"} if error.status is HTTPStatus.UNAUTHORIZED else {}
    return problem(error.status, _of_status(error.status), error.detail, **headers)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Says where and why; what was sent is not repeated, it may be a secret."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it was registered for
    told = "; ".join(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors())
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", f"The request is not as documented. {told}.")


def _of_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
    status = HTTPStatus(error.status_code)
    return problem(status, _of_status(status), str(error.detail), **(error.headers or {}))


def _no_database(_: Request, error: Exception) -> JSONResponse:
    detail = f"The control plane's database does not answer ({type(error).__name__}). Nothing was changed; try again."
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "control-plane", detail)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed unexpectedly", request.method, request.url.path, exc_info=error)
    detail = f"Unexpected {type(error).__name__}. Nothing is known to have changed; the log of adpulse web has the details."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", detail)


def _of_status(status: HTTPStatus) -> str:
    return status.name.lower().replace("_", "-")


def _kind(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
