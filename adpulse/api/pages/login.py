"""Logging in with an API key or a one-time link, and out; and operators' way to Prefect's pages."""

import time
from collections import deque
from http import HTTPStatus
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr

from adpulse import orchestrator
from adpulse.api.access import COOKIE, Installation, Operator, Viewer, require_same_origin
from adpulse.api.pages.site import HOME, ROOT, page
from adpulse.api.problems import Refused
from storage.control.sessions import SESSION

_TRIES, _WITHIN_SECONDS = 10, 60.0
_MAX_CLIENTS = 10_000

router = APIRouter()


class Throttle:
    """Allows each client ``tries`` failures within ``seconds``. Remembers a limited number of clients and drops the oldest."""

    def __init__(self, tries: int, seconds: float) -> None:
        self._tries = tries
        self._seconds = seconds
        self._failures: dict[str, deque[float]] = {}
        self._lock = Lock()

    def wait(self, client: str) -> int:
        """Seconds until the client may try again; 0: now."""
        with self._lock:
            failures = self._recent(client)
            return int(failures[0] + self._seconds - time.monotonic()) + 1 if len(failures) >= self._tries else 0

    def failed(self, client: str) -> None:
        """Count a failure."""
        with self._lock:
            failures = self._recent(client)
            failures.append(time.monotonic())
            self._failures.pop(client, None)
            self._failures[client] = failures  # the newest last
            if len(self._failures) > _MAX_CLIENTS:
                del self._failures[next(iter(self._failures))]

    def _recent(self, client: str) -> deque[float]:
        failures = self._failures.get(client) or deque(maxlen=self._tries)
        while failures and failures[0] <= time.monotonic() - self._seconds:
            failures.popleft()
        return failures


_throttle = Throttle(_TRIES, _WITHIN_SECONDS)


@router.get("/login")
def show_form(place: Annotated[str, Query(alias="next", max_length=1024)] = "") -> Response:
    """The form."""
    return page("login.html", None, place=place, message="")


@router.post("/login")
def log_in(
    request: Request,
    installation: Installation,
    key: Annotated[str, Form(max_length=255)] = "",
    place: Annotated[str, Form(alias="next", max_length=1024)] = "",
) -> Response:
    """Start a session for an API key; it ends with the key."""
    require_same_origin(request)
    client = request.client.host if request.client else ""
    if wait := _throttle.wait(client):
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, f"Too many wrong keys. Try again in {wait} s.", retry_after=wait)
    api_key = installation.keys.authenticate(SecretStr(key.strip()))
    if api_key is None:
        _throttle.failed(client)
        return page("login.html", None, HTTPStatus.UNAUTHORIZED, place=place, message="This key is unknown, revoked or expired.")
    is_own_page = place.startswith(f"{ROOT}/") and "//" not in place and "\\" not in place
    return _welcome(request, installation.sessions.begin(api_key), place if is_own_page else HOME)


@router.get("/login/{text}")
def log_in_once(request: Request, installation: Installation, text: str) -> Response:
    """Start a session for the first browser that opens a login link."""
    opened = installation.sessions.redeem(SecretStr(text))
    if opened is None:
        message = "This link was used already, or has expired. Get another with: adpulse login"
        return page("login.html", None, HTTPStatus.UNAUTHORIZED, place="", message=message)
    return _welcome(request, opened, HOME)


@router.post("/logout")
def log_out(caller: Viewer) -> Response:
    """End the session."""
    caller.app.sessions.end(caller.id)
    answer = RedirectResponse(f"{ROOT}/login", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/prefect")
def open_prefect(caller: Operator, place: Annotated[str, Query(alias="next", max_length=1024)] = "/") -> Response:
    """Redirect to a page of Prefect's, with a ticket that logs the browser in there."""
    link = orchestrator.pages_link(caller.app.settings, place, caller.app.wall.now())
    answer = RedirectResponse(link or f"{ROOT}/health", HTTPStatus.SEE_OTHER)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _welcome(request: Request, text: SecretStr, place: str) -> Response:
    """Set the session's cookie: only for this host, hidden from scripts, and not sent with another site's forms."""
    answer = RedirectResponse(place, HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        text.get_secret_value(),
        max_age=int(SESSION.total_seconds()),
        httponly=True,
        samesite="lax",
        # Whoever claims to have come by https only makes the own cookie stricter, so any proxy is believed here.
        secure="https" in (request.url.scheme, request.headers.get("x-forwarded-proto")),
    )
    return answer
