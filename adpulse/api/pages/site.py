"""The pages as an application of their own beneath ``/app``: templates, assets, and errors as pages."""

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from adpulse import orchestrator
from adpulse.api import problems
from adpulse.api.access import Caller, LoggedOut
from adpulse.api.fields import Line
from adpulse.api.pages import numbers, times
from adpulse.api.problems import ErrorAnswer
from adpulse.platforms.registry import platform_of
from adpulse.role import Role
from storage.control.workspaces import Workspace

ROOT = "/app"
Name = Annotated[Line, Form()]
"""A name from a form."""

HOME = f"{ROOT}/today"
"""The first page after login."""

_PLACES = {
    "today": ("Today", Role.VIEWER),
    "connections": ("Connections", Role.VIEWER),
    "budgets": ("Budgets", Role.VIEWER),
    "health": ("Health", Role.VIEWER),
    "alerts": ("Alerts", Role.VIEWER),
    "access": ("Access", Role.EDITOR),
}
_FOLDER = Path(__file__).parent


def set_up(site: FastAPI) -> FastAPI:
    """Give the application its assets and its error pages."""
    site.mount("/static", _Assets(directory=_FOLDER / "static"))
    problems.register_handlers(site, lambda _, error: error_page(error))
    site.add_exception_handler(LoggedOut, _to_login)
    return site


def page(template: str, caller: Caller | None, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """Render a template as an answer; ``caller`` is None when nobody is logged in."""
    edits, operates = (caller is not None and caller.may(role) for role in (Role.EDITOR, Role.OPERATOR))
    text = _templates().get_template(template).render(caller=caller, edits=edits, operates=operates, root=ROOT, **values)
    return HTMLResponse(text, status)


def workspace_of(caller: Caller, workspace_id: str) -> Workspace | None:
    """The workspace of a page: the requested one, or else the first that the caller sees, if there is one."""
    return caller.workspace(workspace_id) if workspace_id else next(iter(caller.workspaces()), None)


def target_of(value: str) -> dict[str, str]:
    """What a list of labels and connections sends, ``label:…`` or ``connection:…``, as the argument of a service; nothing for neither."""
    scope, _, name = value.partition(":")
    return {scope: name} if scope in ("label", "connection") else {}


def back(request: Request, otherwise: str) -> RedirectResponse:
    """Redirect to the page of the submitted form, if it is a page of this installation."""
    referer = urlsplit(request.headers.get("referer", ""))
    is_own_page = referer.netloc == request.headers.get("host") and referer.path.startswith(f"{ROOT}/")
    place = f"{referer.path}?{referer.query}" if referer.query else referer.path
    return RedirectResponse(place if is_own_page else ROOT + otherwise, HTTPStatus.SEE_OTHER)


@cache
def _templates() -> Environment:
    loader = PackageLoader("adpulse.api.pages")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"platform": platform_of, **numbers.FILTERS, **times.FILTERS}
    environment.globals |= {"places": _PLACES, "prefect_pages": orchestrator.pages_url}
    return environment


class _Assets(StaticFiles):
    """Assets that browsers cache but revalidate each time, so that a new version is used at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def _to_login(request: Request, _: Exception) -> Response:
    return RedirectResponse(f"{ROOT}/login?next={quote(request.url.path)}", HTTPStatus.SEE_OTHER)


def error_page(error: ErrorAnswer) -> Response:
    """An error, for a person."""
    answer = page("error.html", None, error.status, title=error.status.phrase, message=error.detail)
    answer.headers.update(error.headers)
    return answer
