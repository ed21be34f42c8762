"""Counts and times the requests of this process, by route and not by path: paths hold ids, and anybody can ask for any."""

import time
from http import HTTPMethod, HTTPStatus

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_UNKNOWN = "unknown"
_METHODS = frozenset(method.value for method in HTTPMethod)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Traffic:
    """ASGI middleware. ``registry`` has what it counted; a request without a route counts as ``unknown``."""

    def __init__(self, inner: ASGIApp, registry: CollectorRegistry) -> None:
        self._inner = inner
        disable_created_metrics()  # type: ignore[no-untyped-call] # they would be as many series again
        self._seconds = Histogram(
            "adpulse_http_request_duration_seconds",
            "Requests answered by this process and how long they took, by route, method and class of status.",
            ("route", "method", "status"),
            buckets=_BUCKETS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and note it."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        status, began = HTTPStatus.INTERNAL_SERVER_ERROR.value, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._inner(scope, receive, noted)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else _UNKNOWN
            seconds = self._seconds.labels(getattr(scope.get("route"), "path", _UNKNOWN), method, f"{status // 100}xx")
            seconds.observe(time.perf_counter() - began)
