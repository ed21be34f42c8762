"""The application. ``create_app`` needs no argument: everything comes from the settings, as for every other process."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response
from prometheus_client import CollectorRegistry
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adpulse.api import (
    alert_templates,
    alerts,
    analytics,
    backfills,
    budgets,
    bulk,
    connecting,
    connections,
    dead_letters,
    health,
    jobs,
    keys,
    mapping,
    metrics,
    pages,
    problems,
    restatements,
    today,
    views,
    webhooks,
    workspaces,
)
from adpulse.api.traffic import Traffic

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def create_app() -> FastAPI:
    """The HTTP API of this installation."""
    api = _Documented(
        title="adpulse",
        version=version("adpulse"),
        description="Ad accounts' entities and daily metrics, minutes fresh: connections, how often they are synced, and the results.",
        # FastAPI's documentation pages load scripts from a CDN; the document itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
        # The operation ids, from which generated clients name their functions.
        generate_unique_id_function=lambda route: route.name,
    )
    api.add_middleware(_SecurityHeaders)
    api.state.traffic = CollectorRegistry()
    api.add_middleware(Traffic, registry=api.state.traffic)
    problems.register_handlers(api, _error)
    for router in (
        workspaces.router,
        connections.router,
        backfills.router,
        mapping.router,
        today.router,
        restatements.router,
        budgets.router,
        bulk.router,
        connecting.router,
        connecting.callback,
        dead_letters.router,
        keys.router,
        jobs.router,
        webhooks.router,
        alert_templates.router,
        alerts.router,
        health.router,
        metrics.router,
        analytics.router,
        views.router,
    ):
        api.include_router(router)
    api.mount(pages.ROOT, pages.create_site())
    api.add_route("/", _redirect_to_pages)
    return api


class _Documented(FastAPI):
    """An application whose OpenAPI document has the schema of problems, which no route declares as its answer's model."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        document["components"]["schemas"].setdefault("Problem", problems.Problem.model_json_schema())
        return document


def _error(request: Request, error: problems.ErrorAnswer) -> Response:
    """An error page for a browser at the OAuth callback, problem details everywhere else."""
    person = request.url.path == connecting.CALLBACK and connecting.is_person(request)
    return pages.error_page(error) if person else problems.problem_response(error)


def _redirect_to_pages(_: Request) -> RedirectResponse:
    return RedirectResponse(f"{pages.ROOT}/")


class _SecurityHeaders:
    """Adds the security headers for browsers to every answer that does not set them itself."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._inner(scope, receive, protected)
